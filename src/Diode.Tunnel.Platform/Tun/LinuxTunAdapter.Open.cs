using System.Runtime.InteropServices;
using System.Text;
using Diode.Tunnel.Platform.Interop.Linux;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Platform.Tun;

/// <summary>Making the device and finding out what it can.</summary>
public sealed partial class LinuxTunAdapter
{
    private const int BusyAttempts = 10;
    private const int BusyWaitMs = 20;

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
            TunOffloads wanted = options.Offloads & OffloadSwitches.Current.Tun;
            Attach(fd, nameBytes, options.Name, wanted != TunOffloads.None);
            int eventFd = Libc.EventFd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
            if (eventFd < 0)
            {
                throw PlatformException.FromErrno("Could not create an eventfd", Marshal.GetLastPInvokeError());
            }

            stopEvent = new FileDescriptor(eventFd);
            int index = (int)Libc.IfNameToIndex(options.Name);
            LinuxTunAdapter adapter = new(tun, stopEvent, options.Name, index, options.Mtu, wanted != TunOffloads.None);
            adapter.NegotiateOffloads(fd, wanted);
            RtNetlink.SetLink(options.Name, mtu: options.Mtu);
            return adapter;
        }
        catch
        {
            stopEvent?.Dispose();
            tun.Dispose();
            throw;
        }
    }

    /// <summary>Asks for super-packets and tests whether the kernel takes them. The device is still down.</summary>
    private void NegotiateOffloads(int fd, TunOffloads wanted)
    {
        if (!_hasHeader)
        {
            return;
        }

        uint features = Libc.TUN_F_CSUM;
        uint tcp = wanted.HasFlag(TunOffloads.TcpSegmentation) ? Libc.TUN_F_TSO4 | Libc.TUN_F_TSO6 : 0;
        uint udp = wanted.HasFlag(TunOffloads.UdpSegmentation) ? Libc.TUN_F_USO4 | Libc.TUN_F_USO6 : 0;
        if (TrySetFeatures(fd, features | tcp | udp))
        {
            features |= tcp | udp;
        }
        else if (TrySetFeatures(fd, features | tcp))
        {
            // UDP: Linux 6.2.
            features |= tcp;
        }
        else
        {
            _ = TrySetFeatures(fd, features) || TrySetFeatures(fd, 0);
        }

        _readOffloads = ((features & Libc.TUN_F_TSO4) != 0 ? TunOffloads.TcpSegmentation : TunOffloads.None)
            | ((features & Libc.TUN_F_USO4) != 0 ? TunOffloads.UdpSegmentation : TunOffloads.None);
        MergesTcp = wanted.HasFlag(TunOffloads.ReceiveMerge)
            && IsTaken(TunOffloadTest.Build(SegmentKind.TcpIpv4)) && IsTaken(TunOffloadTest.Build(SegmentKind.TcpIpv6));
        MergesUdp = wanted.HasFlag(TunOffloads.ReceiveMergeUdp) && IsTaken(TunOffloadTest.Build(SegmentKind.Udp));
    }

    /// <summary>
    /// Writes a super-packet to the device while it is down. The header is looked at first: EIO says that only the device is missing,
    /// EINVAL that the header is not understood.
    /// </summary>
    internal unsafe bool IsTaken(ReadOnlySpan<byte> superPacket)
    {
        byte[] packet = GC.AllocateArray<byte>(superPacket.Length, pinned: true);
        superPacket.CopyTo(packet);
        Libc.IoVec vector = new()
        {
            Base = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(packet, 0),
            Length = (nuint)packet.Length,
        };
        return WriteVectors(&vector, 1) is 0 or Libc.EIO;
    }

    private static bool TrySetFeatures(int fd, uint features) => Libc.IoctlValue(fd, Libc.TUNSETOFFLOAD, features) == 0;

    private static unsafe void Attach(int fd, ReadOnlySpan<byte> name, string displayName, bool withHeader)
    {
        Libc.IfReq request = default;
        name.CopyTo(new Span<byte>(request.Name, Libc.IFNAMSIZ));
        request.Flags = (short)(Libc.IFF_TUN | Libc.IFF_NO_PI | (withHeader ? Libc.IFF_VNET_HDR : 0));
        for (int attempt = 1; Libc.Ioctl(fd, Libc.TUNSETIFF, &request) < 0; attempt++)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno != Libc.EBUSY || attempt == BusyAttempts)
            {
                throw AttachFailed(displayName, errno);
            }

            // A program this process is just starting holds our closed descriptor until its exec: an adapter of before is still there.
            _ = Libc.Poll(null, 0, BusyWaitMs);
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
}
