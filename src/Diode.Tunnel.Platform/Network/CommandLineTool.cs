using System.ComponentModel;
using System.Diagnostics;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// The exception to "no other programs": nft and resolvectl, which have no kernel interface of reasonable size. The
/// child inherits the network namespace of the calling thread. No shell, nothing is quoted.
/// </summary>
internal static class CommandLineTool
{
    private const int TimeoutMs = 15_000;
    private static readonly string[] SystemFolders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"];

    /// <summary>Finds a program in PATH, then in the system's folders (a service's PATH may lack sbin).</summary>
    internal static string? Find(string name)
    {
        string[] path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        return path.Concat(SystemFolders).Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
    }

    /// <summary>Runs a program to its end.</summary>
    /// <returns>Exit code and what it wrote to its error output.</returns>
    /// <exception cref="PlatformException">It cannot be started or does not end.</exception>
    internal static (int ExitCode, string Error) Run(string program, IEnumerable<string> arguments, string input)
    {
        ProcessStartInfo start = new(program)
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["LC_ALL"] = "C";
        try
        {
            using Process process = Process.Start(start)!;
            string error = "";
            process.OutputDataReceived += static (_, _) => { };
            process.ErrorDataReceived += (_, line) => error = line.Data is null ? error : error + line.Data + "\n";
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            WriteInput(process, input);
            if (!process.WaitForExit(TimeoutMs))
            {
                process.Kill(entireProcessTree: true);
                throw new PlatformException($"{program} did not end within {TimeoutMs / 1000} s", Libc.EAGAIN);
            }

            // Without a time limit this also waits for the error output to be complete.
            process.WaitForExit();
            return (process.ExitCode, error.Trim());
        }
        catch (Win32Exception failed)
        {
            throw PlatformException.FromErrno($"Could not start {program}", failed.NativeErrorCode);
        }
    }

    private static void WriteInput(Process process, string input)
    {
        try
        {
            process.StandardInput.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before reading; its exit code and error output tell why.
        }
    }
}
