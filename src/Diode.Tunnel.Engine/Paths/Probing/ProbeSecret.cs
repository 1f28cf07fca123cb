using System.Security.Cryptography;

namespace Diode.Tunnel.Engine.Paths.Probing;

/// <summary>
/// Id and key that one end gives to the other over the control channel, to probe it with. The giver keeps the window of counters seen,
/// the taker the counter used. Not thread-safe.
/// </summary>
internal sealed class ProbeSecret : IDisposable
{
    /// <summary>Length of <see cref="Key"/>.</summary>
    public const int KeyLength = 32;

    private const int WindowBits = 64;

    private readonly byte[] _key;
    private ulong _sent;
    private ulong _newest;
    private ulong _window;

    /// <summary>Takes over what the other end gave.</summary>
    public ProbeSecret(ulong id, byte[] key)
    {
        Id = id;
        _key = key;
    }

    /// <summary>Names the pair of ends at the giver.</summary>
    public ulong Id { get; }

    /// <summary>Authenticates probes to the giver.</summary>
    public ReadOnlySpan<byte> Key => _key;

    /// <summary>Makes one to give away.</summary>
    public static ProbeSecret Create()
    {
        return new ProbeSecret(BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))), RandomNumberGenerator.GetBytes(KeyLength));
    }

    /// <summary>The counter of the next probe.</summary>
    public ulong NextCounter()
    {
        return ++_sent;
    }

    /// <summary>Takes a counter once. False: seen before, or too old to tell.</summary>
    public bool TryAccept(ulong counter)
    {
        if (counter > _newest)
        {
            ulong ahead = counter - _newest;
            _window = ahead >= WindowBits ? 1 : (_window << (int)ahead) | 1;
            _newest = counter;
            return true;
        }

        ulong behind = _newest - counter;
        if (behind >= WindowBits || (_window & (1UL << (int)behind)) != 0)
        {
            return false;
        }

        _window |= 1UL << (int)behind;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_key);
    }
}
