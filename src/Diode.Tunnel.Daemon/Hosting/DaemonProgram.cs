using System.Collections;
using System.Text;
using Diode.Tunnel.Daemon.Configuration;
using Diode.Tunnel.Platform;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>The command line: picks the role, and turns every failure into one line, a hint and an exit code.</summary>
internal static class DaemonProgram
{
    private const string RelayName = "diode-relay";

    /// <summary>Runs the program.</summary>
    /// <param name="invokedAs">The name the program was called by (argv[0]).</param>
    /// <param name="arguments">The command line.</param>
    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error.</param>
    internal static async Task<int> RunAsync(
        string invokedAs, IReadOnlyList<string> arguments, TextWriter output, TextWriter error)
    {
        string name = Path.GetFileNameWithoutExtension(invokedAs) == RelayName ? RelayName : "diode-tunneld";
        try
        {
            return await RunVerbAsync(name, arguments, output);
        }
        catch (StartupException e)
        {
            return await FailAsync(error, name, e.Message, e.Hint, e.ExitCode);
        }
        catch (PlatformException e)
        {
            // The message carries its hint already.
            return await FailAsync(error, name, e.Message, null, DaemonExitCodes.System);
        }
        catch (Exception e)
        {
            // Root of the process: name the fault for a report, without the stack.
            return await FailAsync(
                error,
                name,
                $"Fault in the program: {e.GetType().Name}: {OneLine(e.Message)}",
                "Please report it with the log of: diode-tunneld run --log-level debug",
                DaemonExitCodes.Fault);
        }
    }

    /// <summary>argv[0] as the caller gave it; a symbolic link called diode-relay shows only there.</summary>
    internal static string InvokedAs()
    {
        try
        {
            byte[] commandLine = File.ReadAllBytes("/proc/self/cmdline");
            int end = Array.IndexOf(commandLine, (byte)0);
            return Encoding.UTF8.GetString(commandLine, 0, end < 0 ? commandLine.Length : end);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Environment.ProcessPath ?? "diode-tunneld";
        }
    }

    private static async Task<int> RunVerbAsync(string name, IReadOnlyList<string> arguments, TextWriter output)
    {
        if (arguments.Contains("--help") || arguments.Contains("-h"))
        {
            await output.WriteAsync(Usage.Text(name == RelayName || arguments[0] == "relay"));
            return DaemonExitCodes.Ok;
        }

        if (arguments is ["--version"] or ["version"])
        {
            await output.WriteLineAsync($"{name} {ProgramVersion.Text}");
            return DaemonExitCodes.Ok;
        }

        string verb = name == RelayName ? "relay" : "run";
        if (arguments.Count > 0 && !arguments[0].StartsWith('-'))
        {
            verb = arguments[0];
            arguments = [.. arguments.Skip(1)];
        }

        return verb switch
        {
            "run" => await DeviceRole.RunAsync(ReadDevice(arguments)),
            "reset" => ResetRole.Run(ReadDevice(arguments), output),
            "relay" => await RelayRole.RunAsync(RelayRoleOptions.Table.Read(
                new RelayRoleOptions(), RelayRoleOptions.DefaultFile, ProcessEnvironment(), arguments), output),
            _ => throw new StartupException(
                DaemonExitCodes.Usage, $"Unknown verb '{verb}'.", "run, relay or reset; see --help."),
        };
    }

    private static DaemonOptions ReadDevice(IReadOnlyList<string> arguments) =>
        DaemonOptions.Table.Read(new DaemonOptions(), DaemonOptions.DefaultFile, ProcessEnvironment(), arguments);

    private static IEnumerable<KeyValuePair<string, string>> ProcessEnvironment()
    {
        foreach (DictionaryEntry entry in Environment.GetEnvironmentVariables())
        {
            yield return new((string)entry.Key, (string?)entry.Value ?? "");
        }
    }

    private static async Task<int> FailAsync(TextWriter error, string name, string message, string? hint, int exitCode)
    {
        await error.WriteLineAsync($"{name}: {OneLine(message)}");
        if (hint is not null)
        {
            await error.WriteLineAsync($"  {OneLine(hint)}");
        }

        return exitCode;
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");
}
