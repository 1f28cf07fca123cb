using System.Security.Cryptography;
using System.Text;
using Diode.Tunnel.Platform.Storage;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <summary>
/// Keys of a perimeter's interface in the state folder: base64, as wg(8) writes them, in files that only their owner may read. A secret is never
/// shown, logged or sent.
/// </summary>
internal static class WireGuardKeyFile
{
    /// <summary>The key made here, for perimeters that keep none.</summary>
    public const string OwnName = "perimeter-wireguard.key";

    /// <summary>The key that the contract keeps, as it was asked for last.</summary>
    public const string ContractName = "perimeter-wireguard-contract.key";

    private const int KeyLength = 32;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Reads a key; null if there is none in form, or others may read it. The caller erases it.</summary>
    public static byte[]? TryLoad(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        try
        {
            if (!File.Exists(path) || (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~OwnerOnly) != 0))
            {
                return null;
            }

            byte[] key = new byte[KeyLength];
            return Convert.TryFromBase64String(File.ReadAllText(path).Trim(), key, out int written) && written == KeyLength ? key : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Writes a key.</summary>
    /// <exception cref="IOException">The folder can't be written.</exception>
    public static void Save(string folder, string name, ReadOnlySpan<byte> key)
    {
        byte[] line = Encoding.ASCII.GetBytes(Convert.ToBase64String(key) + "\n");
        try
        {
            AtomicFile.Write(Path.Combine(folder, name), line, OwnerOnly);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(line);
        }
    }

    /// <summary>Reads the key made here, or makes it. The caller erases it.</summary>
    /// <exception cref="IOException">The folder can't be written.</exception>
    public static byte[] LoadOrCreateOwn(string folder)
    {
        if (TryLoad(folder, OwnName) is { } known)
        {
            return known;
        }

        byte[] key = RandomNumberGenerator.GetBytes(KeyLength);
        Save(folder, OwnName, key);
        return key;
    }

    /// <summary>Removes a key and its last good copy.</summary>
    public static void Remove(string folder, string name)
    {
        try
        {
            File.Delete(Path.Combine(folder, name));
            File.Delete(Path.Combine(folder, name + AtomicFile.LastGoodSuffix));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It can be read by its owner only, as before.
        }
    }
}
