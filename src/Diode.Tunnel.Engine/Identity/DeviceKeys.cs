using System.Security.Cryptography;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Storage;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Engine.Identity;

/// <summary>
/// The two keys of a device: the Diode identity (secp256k1) and the tunnel key (X25519). Made on first start, each kept in its own
/// file, mode 0600, as one line of hex. Owns the keys; disposing zeroes them.
/// </summary>
public sealed class DeviceKeys : IDisposable
{
    private const int KeyBytes = 32;
    private readonly byte[] _tunnelPrivate;

    private DeviceKeys(PrivateKey identity, byte[] tunnelPrivate)
    {
        Identity = identity;
        _tunnelPrivate = tunnelPrivate;
        TunnelPublicKey = new byte[KeyBytes];
        X25519.Managed.GetPublicKey(tunnelPrivate, TunnelPublicKey);
    }

    /// <summary>The device's Diode key.</summary>
    public PrivateKey Identity { get; }

    /// <summary>The device's address, its name in the network.</summary>
    public Address Device => Identity.Address;

    /// <summary>The X25519 private key of the data plane, 32 bytes. Borrowed: don't keep a copy.</summary>
    internal ReadOnlySpan<byte> TunnelPrivateKey => _tunnelPrivate;

    /// <summary>The X25519 public key of the data plane, 32 bytes.</summary>
    internal byte[] TunnelPublicKey { get; }

    /// <summary>Loads both keys from a folder, making what is missing.</summary>
    /// <exception cref="TunnelException">A key file exists but is damaged or unreadable; nothing is overwritten.</exception>
    public static DeviceKeys LoadOrCreate(string folder)
    {
        byte[] identity = LoadOrCreateFile(Path.Combine(folder, "identity.key"));
        try
        {
            if (!PrivateKey.TryFromBytes(identity, out PrivateKey? key))
            {
                throw Damaged(Path.Combine(folder, "identity.key"));
            }

            return new DeviceKeys(key, LoadOrCreateFile(Path.Combine(folder, "tunnel.key")));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(identity);
        }
    }

    /// <summary>Loads an operator's key from a file in the same form, or makes it.</summary>
    /// <exception cref="TunnelException">The file is damaged or unreadable.</exception>
    public static PrivateKey LoadOrCreateOperator(string path)
    {
        byte[] bytes = LoadOrCreateFile(path);
        try
        {
            return PrivateKey.TryFromBytes(bytes, out PrivateKey? key) ? key : throw Damaged(path);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Identity.Dispose();
        CryptographicOperations.ZeroMemory(_tunnelPrivate);
    }

    private static byte[] LoadOrCreateFile(string path)
    {
        try
        {
            if (File.Exists(path))
            {
                ThrowIfReadableByOthers(path);
                string text = File.ReadAllText(path).Trim();
                return text.Length == KeyBytes * 2 && text.All(char.IsAsciiHexDigit)
                    ? Convert.FromHexString(text)
                    : throw Damaged(path);
            }

            byte[] key;
            do
            {
                key = RandomNumberGenerator.GetBytes(KeyBytes);
            }
            while (!PrivateKey.TryFromBytes(key, out _));

            byte[] line = System.Text.Encoding.ASCII.GetBytes(Convert.ToHexStringLower(key) + "\n");
            AtomicFile.Write(path, line);
            CryptographicOperations.ZeroMemory(line);
            return key;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TunnelException(
                $"The key file {path} cannot be read or made: {e.Message}", "Run the daemon as root, or give it another --state-dir.");
        }
    }

    private static void ThrowIfReadableByOthers(string path)
    {
        const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~OwnerOnly) != 0)
        {
            throw new TunnelException(
                $"The key file {path} may be read by others.", $"If nobody has copied it, run: chmod 600 {path}", "SYSTEM");
        }
    }

    private static TunnelException Damaged(string path)
    {
        return new TunnelException(
            $"The key file {path} is damaged.",
            $"Restore it from a backup. To begin with a new identity: mv {path} {path}.damaged");
    }
}
