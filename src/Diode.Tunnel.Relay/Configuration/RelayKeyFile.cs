using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Storage;

namespace Diode.Tunnel.Relay.Configuration;

/// <summary>The private key of the relay: 64 hex digits in a file only its owner may read.</summary>
internal static class RelayKeyFile
{
    public const string FileName = "relay.key";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode FolderMode = OwnerOnly | UnixFileMode.UserExecute;

    /// <summary>Reads the key, or creates one where there is none.</summary>
    /// <exception cref="PlatformException">The file is damaged, readable by others, or cannot be written.</exception>
    public static PrivateKey LoadOrCreate(string folder, out bool created)
    {
        string path = Path.Combine(folder, FileName);
        try
        {
            created = !File.Exists(path);
            return created ? Create(folder, path) : Load(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new PlatformException(
                $"Cannot use the state folder {folder}: {exception.Message}",
                hint: "choose a folder this user may write to with --state-dir",
                innerException: exception);
        }
    }

    private static PrivateKey Load(string path)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~OwnerOnly) != 0)
        {
            throw new PlatformException(
                $"The relay key {path} may be read by others", hint: $"run: chmod 600 {path}");
        }

        string text = File.ReadAllText(path).Trim();
        byte[] bytes = new byte[PrivateKey.Length];
        bool isKey = text.Length == 2 * PrivateKey.Length
            && Convert.FromHexString(text, bytes, out _, out _) == System.Buffers.OperationStatus.Done;
        bool valid = TryRead(isKey, bytes, out PrivateKey? key);
        CryptographicOperations.ZeroMemory(bytes);
        return valid
            ? key!
            : throw new PlatformException(
                $"The relay key {path} is damaged",
                hint: "restore it from a backup, or move it away: a new key makes this a different relay");
    }

    private static bool TryRead(bool isKey, byte[] bytes, [NotNullWhen(true)] out PrivateKey? key)
    {
        key = null;
        return isKey && PrivateKey.TryFromBytes(bytes, out key);
    }

    // After a crash there is either no key or a whole one.
    private static PrivateKey Create(string folder, string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
        }
        else
        {
            Directory.CreateDirectory(folder, FolderMode);
        }

        PrivateKey key = PrivateKey.Generate();
        Span<byte> bytes = stackalloc byte[PrivateKey.Length];
        key.CopyTo(bytes);
        Span<char> digits = stackalloc char[2 * PrivateKey.Length];
        Convert.TryToHexStringLower(bytes, digits, out _);
        Span<byte> line = stackalloc byte[digits.Length + 1];
        System.Text.Encoding.ASCII.GetBytes(digits, line);
        line[^1] = (byte)'\n';
        AtomicFile.Write(path, line, OwnerOnly);
        CryptographicOperations.ZeroMemory(bytes);
        CryptographicOperations.ZeroMemory(line);
        digits.Clear();
        return key;
    }
}
