using System.Buffers.Binary;
using System.Security.Cryptography;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths.Probing;

/// <summary>What a probe is.</summary>
internal enum ProbeType : byte
{
    /// <summary>Asks for an answer on the same way.</summary>
    Ping = 1,

    /// <summary>The answer.</summary>
    Pong = 2,
}

/// <summary>
/// A probe of a path as it travels. It shares ways with WireGuard (first byte 1 to 4) and STUN (first two bits 0), so it begins with
/// another byte:
/// <code>
///  0  4  d1 0d e0 type        20  8  transaction, chosen by the ping, repeated by the pong
///  4  8  id of the receiver   28  1  reserved, 29 1 length of the address, 30 16 address, 46 2 port: where the ping came from, as the pong sees it;
///                                  in a ping 46 2 is its own length
/// 12  8  counter, rising      48 16  HMAC-SHA256 with the receiver's key over 0..48, truncated
/// 64  …  zeros, to measure what the way carries
/// </code>
/// </summary>
internal readonly struct ProbeMessage
{
    /// <summary>Length of a pong and of the shortest ping: an answer is never longer than the question.</summary>
    public const int Length = 64;

    /// <summary>Longest ping.</summary>
    public const int MaxLength = 1500;

    /// <summary>First byte of every probe.</summary>
    public const byte FirstByte = 0xd1;

    private const uint Magic = 0xd10de000;
    private const int Covered = 48;
    private const int MacLength = 16;

    private ProbeMessage(ProbeType type, ulong receiver, ulong counter, ulong transaction)
    {
        Type = type;
        Receiver = receiver;
        Counter = counter;
        Transaction = transaction;
    }

    /// <summary>Ping or pong.</summary>
    public ProbeType Type { get; }

    /// <summary>Id that the receiver gave to the sender.</summary>
    public ulong Receiver { get; }

    /// <summary>Rises with every probe made with a key.</summary>
    public ulong Counter { get; }

    /// <summary>Random; only who got the ping can answer it.</summary>
    public ulong Transaction { get; }

    /// <summary>Whether a datagram may be a probe: cheap, and false for all of WireGuard and STUN.</summary>
    public static bool IsProbe(ReadOnlySpan<byte> datagram)
    {
        return datagram.Length >= Length && datagram[0] == FirstByte && BinaryPrimitives.ReadUInt32BigEndian(datagram) is Magic + 1 or Magic + 2;
    }

    /// <summary>Reads the fields, of which nothing is proven yet.</summary>
    public static bool TryRead(ReadOnlySpan<byte> datagram, out ProbeMessage message)
    {
        message = default;
        if (!IsProbe(datagram))
        {
            return false;
        }

        ProbeType type = (ProbeType)datagram[3];
        int length = type == ProbeType.Ping ? BinaryPrimitives.ReadUInt16BigEndian(datagram[46..]) : Length;
        message = new ProbeMessage(
            type,
            BinaryPrimitives.ReadUInt64BigEndian(datagram[4..]),
            BinaryPrimitives.ReadUInt64BigEndian(datagram[12..]),
            BinaryPrimitives.ReadUInt64BigEndian(datagram[20..]));
        return datagram.Length == length;
    }

    /// <summary>Whether the key's owner's partner wrote this.</summary>
    public static bool IsAuthentic(ReadOnlySpan<byte> datagram, ReadOnlySpan<byte> key)
    {
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, datagram[..Covered], mac);
        return CryptographicOperations.FixedTimeEquals(mac[..MacLength], datagram.Slice(Covered, MacLength));
    }

    /// <summary>The address that the ping came from, as a pong says; not set if it says none.</summary>
    public static EndpointAddress ReadObserved(ReadOnlySpan<byte> pong)
    {
        EndpointAddress.TryCreate(
            pong.Slice(30, Math.Min((int)pong[29], 16)), BinaryPrimitives.ReadUInt16BigEndian(pong[46..]), out EndpointAddress observed);
        return observed;
    }

    /// <summary>Writes a ping of <paramref name="buffer"/>'s length.</summary>
    public static void WritePing(Span<byte> buffer, ulong receiver, ulong counter, ulong transaction, ReadOnlySpan<byte> key)
    {
        buffer.Clear();
        WriteHeader(buffer, ProbeType.Ping, receiver, counter, transaction);
        BinaryPrimitives.WriteUInt16BigEndian(buffer[46..], (ushort)buffer.Length);
        Sign(buffer, key);
    }

    /// <summary>Writes a pong into the first <see cref="Length"/> bytes.</summary>
    /// <param name="buffer">Receives it.</param>
    /// <param name="receiver">The peer's id.</param>
    /// <param name="counter">The next of the key.</param>
    /// <param name="transaction">That of the ping.</param>
    /// <param name="observed">Where the ping came from; not set on ways without addresses.</param>
    /// <param name="key">The peer's key.</param>
    public static void WritePong(
        Span<byte> buffer, ulong receiver, ulong counter, ulong transaction, in EndpointAddress observed, ReadOnlySpan<byte> key)
    {
        buffer = buffer[..Length];
        buffer.Clear();
        WriteHeader(buffer, ProbeType.Pong, receiver, counter, transaction);
        buffer[29] = (byte)observed.CopyAddressTo(buffer.Slice(30, 16));
        BinaryPrimitives.WriteUInt16BigEndian(buffer[46..], (ushort)observed.Port);

        Sign(buffer, key);
    }

    private static void WriteHeader(Span<byte> buffer, ProbeType type, ulong receiver, ulong counter, ulong transaction)
    {
        BinaryPrimitives.WriteUInt32BigEndian(buffer, Magic + (byte)type);
        BinaryPrimitives.WriteUInt64BigEndian(buffer[4..], receiver);
        BinaryPrimitives.WriteUInt64BigEndian(buffer[12..], counter);
        BinaryPrimitives.WriteUInt64BigEndian(buffer[20..], transaction);
    }

    private static void Sign(Span<byte> buffer, ReadOnlySpan<byte> key)
    {
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, buffer[..Covered], mac);
        mac[..MacLength].CopyTo(buffer.Slice(Covered, MacLength));
    }
}
