using System.Runtime.InteropServices;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>
/// The structures recvmmsg fills, in one pinned array: for each slot a message, its vector, the sender's address and control data.
/// </summary>
internal sealed unsafe class ReceiveVectors
{
    // struct cmsghdr is 16 bytes and aligned to 8: room for the size of segments, the count of losses and an error with its sender.
    private const int ControlLength = 192;
    private const int ControlHeaderLength = 16;
    private const int NameLength = 32;

    private readonly Libc.MMsgHdr* _messages;
    private readonly Libc.IoVec* _vectors;
    private readonly byte* _names;
    private readonly byte* _controls;
    private readonly byte[] _memory;

    internal ReceiveVectors(int capacity)
    {
        int slot = sizeof(Libc.MMsgHdr) + sizeof(Libc.IoVec) + NameLength + ControlLength;
        _memory = GC.AllocateArray<byte>((capacity * slot) + 8, pinned: true);
        byte* start = (byte*)(((nint)Marshal.UnsafeAddrOfPinnedArrayElement(_memory, 0) + 7) & ~7);
        _messages = (Libc.MMsgHdr*)start;
        _vectors = (Libc.IoVec*)(_messages + capacity);
        _controls = (byte*)(_vectors + capacity);
        _names = _controls + (capacity * ControlLength);
    }

    internal Libc.MMsgHdr* Messages => _messages;

    internal int Length(int slot) => (int)_messages[slot].Length;

    internal bool IsTruncated(int slot) => (_messages[slot].Header.Flags & Libc.MSG_TRUNC) != 0;

    /// <summary>Makes a slot ready: the kernel overwrites what it uses.</summary>
    internal void Arm(int slot, PacketBuffer buffer)
    {
        _vectors[slot].Base = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(buffer.Array, PacketBuffer.Headroom);
        _vectors[slot].Length = (nuint)buffer.MaxPacketLength;
        _messages[slot].Header = new Libc.MsgHdr
        {
            Name = _names + (slot * NameLength),
            NameLength = EndpointAddress.MaxSockaddrLength,
            Vectors = _vectors + slot,
            VectorCount = 1,
            Control = _controls + (slot * ControlLength),
            ControlLength = ControlLength,
        };
    }

    internal bool TryReadSource(int slot, out EndpointAddress source) => EndpointAddress.TryFromSockaddr(
        new ReadOnlySpan<byte>(_names + (slot * NameLength), (int)Math.Min(_messages[slot].Header.NameLength, NameLength)), out source);

    /// <summary>Finds control data (cmsg(3)) of a kind.</summary>
    internal ReadOnlySpan<byte> Control(int slot, int level, int type)
    {
        byte* control = _controls + (slot * ControlLength);
        nint left = (nint)Math.Min(_messages[slot].Header.ControlLength, ControlLength);
        while (left >= ControlHeaderLength)
        {
            nint length = *(nint*)control;
            if (length < ControlHeaderLength || length > left)
            {
                break;
            }

            if (*(int*)(control + 8) == level && *(int*)(control + 12) == type)
            {
                return new ReadOnlySpan<byte>(control + ControlHeaderLength, (int)length - ControlHeaderLength);
            }

            nint step = (length + 7) & ~7;
            control += step;
            left -= step;
        }

        return default;
    }
}
