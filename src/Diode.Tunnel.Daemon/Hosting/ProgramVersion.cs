using System.Reflection;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>The version of this program.</summary>
public static class ProgramVersion
{
    /// <summary>For example <c>0.1.0</c>; without the commit.</summary>
    public static string Text { get; } =
        (typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion
            ?? "0.0.0").Split('+')[0];
}
