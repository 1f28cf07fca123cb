using System.Security.Cryptography;
using System.Text;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Storage;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>The exit's WireGuard key: base64, as wg(8) writes it, in a file only its owner may read.</summary>
internal static class ExitKeyFile
{
    public const string FileName = "wireguard.key";
    public const int KeyLength = 32;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Reads the key, or creates one where there is none. The caller erases it.</summary>
    /// <exception cref="PlatformException">The file is damaged, readable by others, or cannot be written.</exception>
    public static byte[] LoadOrCreate(string folder)
    {
        string path = Path.Combine(folder, FileName);
        try
        {
            return File.Exists(path) ? Load(path) : Create(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new PlatformException(
                $"Cannot use {path}: {exception.Message}",
                hint: "choose a folder this user may write to with --state-dir",
                innerException: exception);
        }
    }

    private static byte[] Load(string path)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~OwnerOnly) != 0)
        {
            throw new PlatformException($"The key {path} may be read by others", hint: $"run: chmod 600 {path}");
        }

        string text = File.ReadAllText(path).Trim();
        byte[] key = new byte[KeyLength];
        if (Convert.TryFromBase64String(text, key, out int written) && written == KeyLength)
        {
            return key;
        }

        throw new PlatformException(
            $"The key {path} is damaged",
            hint: "restore it from a backup, or move it away: clients then have to open their tunnels again");
    }

    private static byte[] Create(string path)
    {
        byte[] key = RandomNumberGenerator.GetBytes(KeyLength);
        byte[] line = Encoding.ASCII.GetBytes(Convert.ToBase64String(key) + "\n");
        AtomicFile.Write(path, line, OwnerOnly);
        CryptographicOperations.ZeroMemory(line);
        return key;
    }
}
