using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>Nonces that need no memory: the time, and a code over it and the client's address. Thread-safe.</summary>
internal sealed class TurnNonces
{
    public const int Length = 32;

    private const long LifetimeSeconds = 600;
    private const int TimeDigits = 16;
    private const int CodeBytes = 8;
    private const int LongestSource = 18;

    private readonly byte[] _secret = RandomNumberGenerator.GetBytes(32);

    /// <summary>Writes a nonce for a client.</summary>
    public void Write(ReadOnlySpan<byte> source, long nowMs, Span<byte> nonce)
    {
        Write(source, (ulong)(nowMs / 1000), nonce);
    }

    /// <summary>Whether a nonce is one of ours for this client, and not too old.</summary>
    public bool IsFresh(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> source, long nowMs)
    {
        Span<byte> time = stackalloc byte[sizeof(ulong)];
        Span<byte> expected = stackalloc byte[Length];
        if (nonce.Length != Length
            || Convert.FromHexString(nonce[..TimeDigits], time, out _, out _) != System.Buffers.OperationStatus.Done)
        {
            return false;
        }

        ulong seconds = BinaryPrimitives.ReadUInt64BigEndian(time);
        Write(source, seconds, expected);
        return CryptographicOperations.FixedTimeEquals(nonce, expected)
            && (nowMs / 1000) - (long)seconds is >= -1 and <= LifetimeSeconds;
    }

    private void Write(ReadOnlySpan<byte> source, ulong seconds, Span<byte> nonce)
    {
        Span<byte> input = stackalloc byte[sizeof(ulong) + LongestSource];
        BinaryPrimitives.WriteUInt64BigEndian(input, seconds);
        source.CopyTo(input[sizeof(ulong)..]);
        Span<byte> code = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_secret, input[..(sizeof(ulong) + source.Length)], code);
        Convert.TryToHexStringLower(input[..sizeof(ulong)], nonce, out _);
        Convert.TryToHexStringLower(code[..CodeBytes], nonce[TimeDigits..], out _);
    }
}
