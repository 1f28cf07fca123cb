using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Interop.Linux;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Platform.Tun;

/// <summary>
/// A Linux TUN device (linux/Documentation/networking/tuntap.rst): IFF_TUN | IFF_NO_PI, one queue, not persistent, so
/// the kernel removes it with all its addresses and routes when the descriptor closes, however the process ends.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed class LinuxTunAdapter : ITunAdapter
{
    private const string DevicePath = "/dev/net/tun";
    private const int MinMtu = 576;
    private const int MaxMtu = PacketBuffer.StandardCapacity - PacketBuffer.Headroom - PacketBuffer.Tailroom;

    private readonly FileDescriptor _tun;
    private readonly FileDescriptor _stopEvent;
    private volatile bool _stopped;
    private long _readDrops;
    private long _writeDrops;

    private LinuxTunAdapter(FileDescriptor tun, FileDescriptor stopEvent, string name, int interfaceIndex, int mtu)
    {
        _tun = tun;
        _stopEvent = stopEvent;
        Name = name;
        InterfaceIndex = interfaceIndex;
        Mtu = mtu;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public int InterfaceIndex { get; }

    /// <inheritdoc/>
    public int Mtu { get; }

    /// <inheritdoc/>
    public long ReadDrops => Volatile.Read(ref _readDrops);

    /// <inheritdoc/>
    public long WriteDrops => Volatile.Read(ref _writeDrops);

    /// <summary>Creates the device in the network namespace of the calling thread and sets its MTU.</summary>
    /// <exception cref="PlatformException">No TUN support, no permission or the name is in use.</exception>
    public static LinuxTunAdapter Open(TunOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentException.ThrowIfNullOrEmpty(options.Name);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Mtu, MinMtu);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Mtu, MaxMtu);
        byte[] nameBytes = Encoding.UTF8.GetBytes(options.Name);
        if (nameBytes.Length >= Libc.IFNAMSIZ || options.Name.AsSpan().ContainsAny("/ :%"))
        {
            throw new PlatformException(
                $"'{options.Name}' cannot be the name of a network interface",
                Libc.EINVAL,
                "use at most 15 characters, without '/', ':', '%' and spaces");
        }

        int fd = Libc.Open(DevicePath, Libc.O_RDWR | Libc.O_NONBLOCK | Libc.O_CLOEXEC, 0);
        if (fd < 0)
        {
            throw OpenFailed(Marshal.GetLastPInvokeError());
        }

        FileDescriptor tun = new(fd);
        FileDescriptor? stopEvent = null;
        try
        {
            Attach(fd, nameBytes, options.Name);
            int eventFd = Libc.EventFd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
            if (eventFd < 0)
            {
                throw PlatformException.FromErrno("Could not create an eventfd", Marshal.GetLastPInvokeError());
            }

            stopEvent = new FileDescriptor(eventFd);
            int index = (int)Libc.IfNameToIndex(options.Name);
            RtNetlink.SetLink(options.Name, mtu: options.Mtu);
            return new LinuxTunAdapter(tun, stopEvent, options.Name, index, options.Mtu);
        }
        catch
        {
            stopEvent?.Dispose();
            tun.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public int Read(PacketBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        batch.Clear();
        if (_stopped || !_tun.TryEnter())
        {
            return 0;
        }

        try
        {
            while (!_stopped)
            {
                FillBatch(_tun.Value, batch);
                if (batch.Count > 0)
                {
                    return batch.Count;
                }

                if (!WaitReadable(_tun.Value))
                {
                    return 0;
                }
            }

            return 0;
        }
        finally
        {
            _tun.Leave();
        }
    }

    /// <inheritdoc/>
    public bool Write(ReadOnlySpan<byte> packet)
    {
        if (!_tun.TryEnter())
        {
            return CountWriteDrop();
        }

        try
        {
            return WritePacket(_tun.Value, packet);
        }
        finally
        {
            _tun.Leave();
        }
    }

    /// <inheritdoc/>
    public int Write(PacketBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (!_tun.TryEnter())
        {
            Interlocked.Add(ref _writeDrops, batch.Count);
            return 0;
        }

        try
        {
            // IFF_VNET_HDR: this is where runs of one flow are merged into a super-packet before the write.
            int written = 0;
            for (int i = 0; i < batch.Count; i++)
            {
                written += WritePacket(_tun.Value, batch.Packets[i].Span) ? 1 : 0;
            }

            return written;
        }
        finally
        {
            _tun.Leave();
        }
    }

    /// <inheritdoc/>
    public void Stop()
    {
        if (_stopped)
        {
            return;
        }

        _stopped = true;
        if (_stopEvent.TryEnter())
        {
            try
            {
                Signal(_stopEvent.Value);
            }
            finally
            {
                _stopEvent.Leave();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        _tun.Dispose();
        _stopEvent.Dispose();
    }

    private static unsafe void Attach(int fd, ReadOnlySpan<byte> name, string displayName)
    {
        Libc.IfReq request = default;
        name.CopyTo(new Span<byte>(request.Name, Libc.IFNAMSIZ));
        // IFF_VNET_HDR (with TUNSETOFFLOAD) belongs here, together with the two places marked in this file.
        request.Flags = Libc.IFF_TUN | Libc.IFF_NO_PI;
        if (Libc.Ioctl(fd, Libc.TUNSETIFF, &request) < 0)
        {
            throw AttachFailed(displayName, Marshal.GetLastPInvokeError());
        }
    }

    private static PlatformException OpenFailed(int errno) => PlatformException.FromErrno(
        $"Could not open {DevicePath}",
        errno,
        errno switch
        {
            Libc.ENOENT or Libc.ENODEV or Libc.ENXIO =>
                "load the driver with 'sudo modprobe tun'; in a container pass '--device /dev/net/tun --cap-add NET_ADMIN'",
            Libc.EACCES or Libc.EPERM =>
                "run as root, for example with sudo; in a container pass '--device /dev/net/tun --cap-add NET_ADMIN'",
            _ => null,
        });

    private static PlatformException AttachFailed(string name, int errno) => PlatformException.FromErrno(
        $"Could not create the adapter '{name}'",
        errno,
        errno switch
        {
            Libc.EPERM => "run as root, for example with sudo; in a container pass '--cap-add NET_ADMIN'",
            Libc.EBUSY => $"another program uses this name: see 'ip link show {name}', or choose another adapter name",
            Libc.EINVAL => $"an interface of another kind has this name: see 'ip -d link show {name}'",
            _ => null,
        });

    private static unsafe void Signal(int eventFd)
    {
        // Never read back: the event stays readable, so every later poll returns at once.
        ulong one = 1;
        _ = Libc.Write(eventFd, (byte*)&one, sizeof(ulong));
    }

    private void FillBatch(int fd, PacketBatch batch)
    {
        // IFF_VNET_HDR: a super-packet read here is split into several slots, hence the loop over free slots.
        while (!batch.IsFull)
        {
            PacketBuffer buffer = batch.Prepare(batch.Count);
            int length = ReadPacket(fd, buffer);
            if (length < 0)
            {
                return;
            }

            if (length > buffer.MaxPacketLength)
            {
                // TUN truncates silently; one byte more than fits was asked for to notice it.
                _readDrops++;
                continue;
            }

            if (length > 0)
            {
                buffer.Length = length;
                batch.Count++;
            }
        }
    }

    /// <returns>Packet length, or -1 if none is waiting.</returns>
    private unsafe int ReadPacket(int fd, PacketBuffer buffer)
    {
        byte* room = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(buffer.Array, PacketBuffer.Headroom);
        while (true)
        {
            // The array is pinned for life and Headroom + MaxPacketLength + 1 lies within it (tailroom).
            nint length = Libc.Read(fd, room, (nuint)buffer.MaxPacketLength + 1);
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

    private unsafe bool WritePacket(int fd, ReadOnlySpan<byte> packet)
    {
        fixed (byte* bytes = packet)
        {
            while (true)
            {
                if (Libc.Write(fd, bytes, (nuint)packet.Length) >= 0)
                {
                    return true;
                }

                // EIO: adapter down. EINVAL: not an IP packet. EAGAIN and ENOBUFS: queue full.
                if (Marshal.GetLastPInvokeError() != Libc.EINTR)
                {
                    return CountWriteDrop();
                }
            }
        }
    }

    private bool CountWriteDrop()
    {
        Interlocked.Increment(ref _writeDrops);
        return false;
    }
}
