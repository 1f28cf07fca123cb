using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Interop.Linux;
using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Platform.Tun;

/// <summary>Reading.</summary>
public sealed partial class LinuxTunAdapter
{
    private void FillBatch(int fd, PacketBatch batch)
    {
        int large = 0;
        while (!batch.IsFull && large < PacketBatch.MaxLarge)
        {
            int length = _hasHeader ? ReadWithHeader(fd, batch) : ReadPacket(fd, batch.Prepare(batch.Count));
            if (length < 0)
            {
                return;
            }

            PacketBuffer buffer = batch.Packets[batch.Count];
            if (length > buffer.MaxPacketLength)
            {
                // TUN truncates silently; one byte more than fits was asked for to notice it.
                _readDrops++;
                continue;
            }

            buffer.Length = length;
            if (length == 0 || (_hasHeader && !TryComplete(buffer)))
            {
                _readDrops++;
                continue;
            }

            batch.Count++;
            large += buffer.Layout.IsSuperPacket ? 1 : 0;
        }
    }

    private static bool TryComplete(PacketBuffer buffer)
    {
        VirtioHeader header = MemoryMarshal.Read<VirtioHeader>(buffer.Array.AsSpan(PacketBuffer.Headroom - VirtioHeader.Length));
        return PacketCompletion.TryComplete(buffer, in header);
    }

    /// <returns>Packet length, or -1 if none is waiting.</returns>
    private unsafe int ReadPacket(int fd, PacketBuffer buffer) =>
        // The array is pinned for life and Headroom + MaxPacketLength + 1 lies within it (tailroom).
        Read(fd, Room(buffer), buffer.MaxPacketLength + 1);

    /// <summary>
    /// Reads into the spare buffer of the batch, which then takes the slot if the packet needs it; smaller ones are copied into the
    /// slot's own. So small packets keep small buffers, and only super-packets take large ones. The copy of an ordinary packet costs less
    /// than scattering the read over two buffers.
    /// </summary>
    /// <returns>Packet length, or -1 if none is waiting.</returns>
    private unsafe int ReadWithHeader(int fd, PacketBatch batch)
    {
        PacketBuffer buffer = batch.Prepare(batch.Count);
        PacketBuffer landing = buffer.IsLarge ? buffer : batch.PrepareSpare();
        int length = Read(fd, Room(landing) - VirtioHeader.Length, VirtioHeader.Length + landing.MaxPacketLength + 1);
        if (length < 0)
        {
            return length;
        }

        if (length > VirtioHeader.Length + buffer.MaxPacketLength && landing != buffer)
        {
            batch.UseSpare(batch.Count);
        }
        else if (landing != buffer)
        {
            int first = PacketBuffer.Headroom - VirtioHeader.Length;
            landing.Array.AsSpan(first, length).CopyTo(buffer.Array.AsSpan(first));
        }

        return Math.Max(0, length - VirtioHeader.Length);
    }

    private static unsafe byte* Room(PacketBuffer buffer) =>
        (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(buffer.Array, PacketBuffer.Headroom);

    /// <returns>Bytes read, or -1 if nothing is waiting.</returns>
    private unsafe int Read(int fd, byte* room, int roomLength)
    {
        while (true)
        {
            nint length = Libc.Read(fd, room, (nuint)roomLength);
            if (length >= 0)
            {
                return (int)length;
            }

            int errno = Marshal.GetLastPInvokeError();
            switch (errno)
            {
                case Libc.EINTR:
                    continue;
                case Libc.EAGAIN:
                    return -1;
                default:
                    throw ReadFailed(errno);
            }
        }
    }

    [DoesNotReturn]
    private PlatformException ReadFailed(int errno) => throw PlatformException.FromErrno(
        $"Reading from the adapter '{Name}' failed", errno, "the adapter may have been deleted by another program");

    /// <returns>False if the adapter was stopped.</returns>
    private unsafe bool WaitReadable(int fd)
    {
        if (!_stopEvent.TryEnter())
        {
            return false;
        }

        try
        {
            Libc.PollFd* fds = stackalloc Libc.PollFd[2];
            fds[0] = new Libc.PollFd { Fd = fd, Events = Libc.POLLIN };
            fds[1] = new Libc.PollFd { Fd = _stopEvent.Value, Events = Libc.POLLIN };
            while (Libc.Poll(fds, 2, -1) < 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                if (errno != Libc.EINTR)
                {
                    ReadFailed(errno);
                }
            }

            if (fds[1].Revents != 0 || _stopped)
            {
                return false;
            }

            if ((fds[0].Revents & (Libc.POLLIN | Libc.POLLNVAL)) == 0 && (fds[0].Revents & Libc.POLLERR) != 0)
            {
                // POLLERR without data: the interface was unregistered. A read would say EBADFD; say it here.
                ReadFailed(Libc.ENODEV);
            }

            return true;
        }
        finally
        {
            _stopEvent.Leave();
        }
    }
}
