using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Platform.Buffers;

/// <summary>
/// One IP packet with room before and behind it, so that it can be encrypted, decrypted and framed in place.
/// <para>Exactly one owner at a time: rent, move, return. Not thread-safe.</para>
/// <code>
/// | Headroom (128) | packet: Offset, Length … | Tailroom (≥ 64) |
/// </code>
/// </summary>
public sealed class PacketBuffer
{
    /// <summary>Bytes in front of a fresh packet: transport header, path header and alignment.</summary>
    public const int Headroom = 128;

    /// <summary>Bytes behind the longest packet: padding to 16 and the AEAD tag.</summary>
    public const int Tailroom = 64;

    /// <summary>Array length of an ordinary buffer: holds packets of an MTU up to 1856.</summary>
    public const int StandardCapacity = 2048;

    /// <summary>Array length of a large buffer: holds any IP packet (65535 bytes).</summary>
    public const int LargeCapacity = 65536 + Headroom + Tailroom;

    internal PacketBuffer(int capacity)
    {
        // Pinned, so that an address handed to a batched system call stays valid without a handle per packet.
        Array = GC.AllocateUninitializedArray<byte>(capacity, pinned: true);
        Offset = Headroom;
    }

    /// <summary>The whole storage, pinned for its lifetime.</summary>
    public byte[] Array { get; }

    /// <summary>Where the packet starts in <see cref="Array"/>.</summary>
    public int Offset { get; set; }

    /// <summary>Length of the packet in bytes.</summary>
    public int Length { get; set; }

    /// <summary>How to cut the packet if it is a super-packet of an adapter; the default for an ordinary packet.</summary>
    public SegmentLayout Layout { get; set; }

    /// <summary>The packet.</summary>
    public Span<byte> Span => Array.AsSpan(Offset, Length);

    /// <summary>The packet, for asynchronous calls.</summary>
    public Memory<byte> Memory => Array.AsMemory(Offset, Length);

    /// <summary>The longest packet that leaves head- and tailroom free.</summary>
    public int MaxPacketLength => Array.Length - Headroom - Tailroom;

    /// <summary>The place a fresh packet is read into; set <see cref="Length"/> afterwards.</summary>
    public Span<byte> Room => Array.AsSpan(Headroom, MaxPacketLength);

    /// <summary>True for a buffer of the large class.</summary>
    public bool IsLarge => Array.Length > StandardCapacity;

    /// <summary>True while the pool owns the buffer; guards against a double return.</summary>
    internal bool IsPooled { get; set; }

    /// <summary>Makes the buffer empty again, with full headroom.</summary>
    public void Reset()
    {
        Offset = Headroom;
        Length = 0;
        Layout = default;
    }

    /// <summary>Copies a packet in, replacing the content.</summary>
    /// <returns>False if the packet does not fit; the buffer is then empty.</returns>
    public bool TryAssign(ReadOnlySpan<byte> packet)
    {
        Reset();
        if (packet.Length > MaxPacketLength)
        {
            return false;
        }

        packet.CopyTo(Room);
        Length = packet.Length;
        return true;
    }
}
