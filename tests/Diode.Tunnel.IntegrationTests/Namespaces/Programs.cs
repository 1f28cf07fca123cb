namespace Diode.Tunnel.IntegrationTests.Namespaces;

/// <summary>Where the built programs are: beside these tests in the same configuration.</summary>
internal static class Programs
{
    /// <summary>The runtime in use, for the programs' launchers.</summary>
    public static string DotnetRoot { get; } = Path.GetFullPath(Path.Combine(
        Path.GetDirectoryName(typeof(object).Assembly.Location)!, "..", "..", ".."));

    public static string WireGuardTool => Find("Diode.Tunnel.WireGuardTool", "diode-wg");

    public static string PlainDevice => Find("Diode.Tunnel.PlainDeviceTool", "plain-device");

    public static string Daemon => Find("Diode.Tunnel.Daemon", "diode-tunneld");

    public static string Cli => Find("Diode.Tunnel.Cli", "diode-tunnel");

    private static string Find(string project, string program)
    {
        string here = AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar);
        string configuration = Path.GetFileName(here);
        string file = Path.GetFullPath(Path.Combine(here, "..", "..", project, configuration, program));
        return File.Exists(file) ? file : throw new FileNotFoundException($"Build {project} first: dotnet build", file);
    }
}
