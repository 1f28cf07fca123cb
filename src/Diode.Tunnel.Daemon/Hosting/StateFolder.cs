using System.Runtime.Versioning;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>The folder of keys and journal: there, ours alone.</summary>
[SupportedOSPlatform("linux")]
internal static class StateFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Creates the folder with mode 0700, or takes other users' access away from it.</summary>
    internal static void Prepare(string path)
    {
        try
        {
            if (!Directory.Exists(path))
            {
                Directory.CreateDirectory(path, OwnerOnly);
            }
            else if (File.GetUnixFileMode(path) != OwnerOnly)
            {
                File.SetUnixFileMode(path, OwnerOnly);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartupException(
                DaemonExitCodes.Configuration,
                $"Cannot use the state folder {path}.",
                "Check the path, its owner and the free space, or choose another with --state-dir.",
                e);
        }
    }
}
