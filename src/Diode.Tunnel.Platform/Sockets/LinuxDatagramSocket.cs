using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>
/// A UDP socket of Linux with recvmmsg, sendmmsg, UDP_SEGMENT and UDP_GRO. The receiver blocks in recvmmsg, which costs one call per
/// batch where polling costs three; shutdown(2) wakes it.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe partial class LinuxDatagramSocket : DatagramSocket
{
    private readonly FileDescriptor _descriptor;
    private readonly bool _reportTooBig;
    private readonly int _sendWaitMs;
    private volatile bool _stopped;
    private volatile bool _segmentation;
    private readonly bool _merge;
    private uint _queueOverflow;

    private LinuxDatagramSocket(FileDescriptor descriptor, AddressFamily family, int port, UdpOffloads offloads, UdpChannelOptions options)
        : base(family)
    {
        _descriptor = descriptor;
        Port = port;
        _segmentation = offloads.HasFlag(UdpOffloads.Segmentation);
        _merge = offloads.HasFlag(UdpOffloads.Merge);
        _reportTooBig = options.ReportTooBig;
        _sendWaitMs = options.SendWaitMs;
    }

    internal override int Port { get; }

    internal override UdpOffloads Active =>
        (_segmentation ? UdpOffloads.Segmentation : UdpOffloads.None) | (_merge ? UdpOffloads.Merge : UdpOffloads.None);

    internal static LinuxDatagramSocket Bind(AddressFamily family, int port, UdpChannelOptions options)
    {
        UdpOffloads wanted = (options.Segmentation ? UdpOffloads.Segmentation : UdpOffloads.None)
            | (options.Merge ? UdpOffloads.Merge : UdpOffloads.None);
        wanted &= OffloadSwitches.Current.Udp;
        return Bind(family, port, options, wanted == UdpOffloads.None ? wanted : wanted & UdpOffloadTest.Passed);
    }

    /// <summary>Opens a socket with offloads nobody tested.</summary>
    internal static LinuxDatagramSocket Bind(AddressFamily family, int port, UdpChannelOptions options, UdpOffloads offloads)
    {
        int domain = family == AddressFamily.InterNetwork ? Libc.AF_INET : Libc.AF_INET6;
        int fd = Libc.CreateSocket(domain, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0);
        if (fd < 0)
        {
            throw PlatformException.FromErrno("Could not open a UDP socket", Marshal.GetLastPInvokeError());
        }

        FileDescriptor descriptor = new(fd);
        try
        {
            Configure(fd, family, options);
            if (offloads.HasFlag(UdpOffloads.Merge) && !TrySet(fd, Libc.SOL_UDP, Libc.UDP_GRO, 1))
            {
                offloads &= ~UdpOffloads.Merge;
            }

            return new LinuxDatagramSocket(descriptor, family, BindTo(fd, family, port, options), offloads, options);
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }
    }

    internal override int Receive(DatagramBatch batch)
    {
        batch.Clear();
        ReceiveVectors vectors = batch.Vectors ??= new ReceiveVectors(batch.Capacity);
        if (!_descriptor.TryEnter())
        {
            return 0;
        }

        try
        {
            while (!_stopped)
            {
                int capacity = batch.Arm(vectors);
                int count = Libc.ReceiveMany(
                    _descriptor.Value, vectors.Messages, (uint)capacity, Libc.MSG_WAITFORONE, null);
                batch.Use(Math.Max(count, 1));
                if (_stopped)
                {
                    return 0;
                }

                if (count < 0)
                {
                    TakeReceiveError(Marshal.GetLastPInvokeError());
                    continue;
                }

                Accept(batch, vectors, count);
                if (batch.Count > 0)
                {
                    return batch.Count;
                }
            }

            return 0;
        }
        finally
        {
            _descriptor.Leave();
        }
    }

    /// <summary>Like <see cref="Receive"/>, but gives up when nothing comes in time.</summary>
    internal int TryReceive(DatagramBatch batch, int timeoutMs)
    {
        Libc.PollFd wait = new() { Fd = _descriptor.Value, Events = Libc.POLLIN };
        return Libc.Poll(&wait, 1, timeoutMs) > 0 ? Receive(batch) : 0;
    }

    internal override void Stop()
    {
        if (_stopped)
        {
            return;
        }

        _stopped = true;
        if (_descriptor.TryEnter())
        {
            // Says ENOTCONN and wakes the receiver all the same (inet_shutdown: "hack to wake up other listeners").
            _ = Libc.Shutdown(_descriptor.Value, Libc.SHUT_RD);
            _descriptor.Leave();
        }
    }

    public override void Dispose()
    {
        Stop();
        _descriptor.Dispose();
    }

    private static void Configure(int fd, AddressFamily family, UdpChannelOptions options)
    {
        if (options.Mark != 0 && !TrySet(fd, Libc.SOL_SOCKET, Libc.SO_MARK, (int)options.Mark))
        {
            throw PlatformException.FromErrno(
                "Could not mark a socket so that it stays outside the tunnel",
                Marshal.GetLastPInvokeError(),
                "the daemon needs CAP_NET_ADMIN: run it as root or with the packaged systemd unit");
        }

        SetBuffer(fd, Libc.SO_RCVBUFFORCE, Libc.SO_RCVBUF, options.BufferBytes);
        SetBuffer(fd, Libc.SO_SNDBUFFORCE, Libc.SO_SNDBUF, options.BufferBytes);
        _ = TrySet(fd, Libc.SOL_SOCKET, Libc.SO_RXQ_OVFL, 1);
        bool isIpv6 = family == AddressFamily.InterNetworkV6;
        if (isIpv6)
        {
            _ = TrySet(fd, Libc.SOL_IPV6, Libc.IPV6_V6ONLY, options.DualMode ? 0 : 1);
        }

        if (!isIpv6 || options.DualMode)
        {
            SetPathOptions(fd, Libc.SOL_IP, Libc.IP_MTU_DISCOVER, Libc.IP_RECVERR, options);
        }

        if (isIpv6)
        {
            SetPathOptions(fd, Libc.SOL_IPV6, Libc.IPV6_MTU_DISCOVER, Libc.IPV6_RECVERR, options);
        }
    }

    private static void SetPathOptions(int fd, int level, int mtuDiscover, int reportErrors, UdpChannelOptions options)
    {
        int? policy = options.Fragments switch
        {
            FragmentPolicy.Fragment => Libc.IP_PMTUDISC_DONT,
            FragmentPolicy.Never => Libc.IP_PMTUDISC_DO,
            FragmentPolicy.Probe => Libc.IP_PMTUDISC_PROBE,
            _ => null,
        };
        if (policy is { } value)
        {
            _ = TrySet(fd, level, mtuDiscover, value);
        }

        if (options.ReportTooBig)
        {
            _ = TrySet(fd, level, reportErrors, 1);
        }
    }

    private static void SetBuffer(int fd, int force, int ordinary, int bytes)
    {
        // The kernel doubles the value for its own accounting; without privilege it is cut to net.core.[rw]mem_max.
        _ = bytes <= 0 || TrySet(fd, Libc.SOL_SOCKET, force, bytes) || TrySet(fd, Libc.SOL_SOCKET, ordinary, bytes);
    }

    private static bool TrySet(int fd, int level, int option, int value) =>
        Libc.SetSockOpt(fd, level, option, &value, sizeof(int)) == 0;

    private static int BindTo(int fd, AddressFamily family, int port, UdpChannelOptions options)
    {
        System.Net.IPAddress any = family == AddressFamily.InterNetwork ? System.Net.IPAddress.Any : System.Net.IPAddress.IPv6Any;
        byte* sockaddr = stackalloc byte[EndpointAddress.MaxSockaddrLength];
        Span<byte> room = new(sockaddr, EndpointAddress.MaxSockaddrLength);
        if (!EndpointAddress.TryFrom(new System.Net.IPEndPoint(options.LocalAddress ?? any, port), out EndpointAddress local)
            || !local.TryWriteTo(family, room, out int length))
        {
            throw new PlatformException($"{options.LocalAddress} is no address for a socket of this family", Libc.EINVAL);
        }

        if (Libc.Bind(fd, sockaddr, (uint)length) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            throw PlatformException.FromErrno(
                $"Could not open UDP port {port}", errno, errno == Libc.EADDRINUSE ? "another program uses it: see 'ss -lunp'" : null);
        }

        uint bound = EndpointAddress.MaxSockaddrLength;
        return Libc.GetSockName(fd, sockaddr, &bound) == 0 && EndpointAddress.TryFromSockaddr(room[..(int)bound], out local)
            ? local.Port
            : port;
    }

    private void Accept(DatagramBatch batch, ReceiveVectors vectors, int count)
    {
        int received = 0;
        long bytes = 0;
        for (int slot = 0; slot < count; slot++)
        {
            int length = vectors.Length(slot);
            if (length == 0 || vectors.IsTruncated(slot) || !vectors.TryReadSource(slot, out EndpointAddress source))
            {
                CountReceiveDrops(length == 0 ? 0 : 1);
                continue;
            }

            int segmentSize = 0;
            if (_merge)
            {
                ReadOnlySpan<byte> control = vectors.Control(slot, Libc.SOL_UDP, Libc.UDP_GRO);
                segmentSize = control.Length >= sizeof(int) ? MemoryMarshal.Read<int>(control) : 0;
            }

            batch.Accept(slot, length, in source, segmentSize);
            bytes += length;
            received += CountDatagrams(length, segmentSize);
        }

        batch.NoteLengths(count, bytes);
        CountReceived(received);
        if (count > 0)
        {
            // Counts all losses of the socket's queue up to this datagram; absent while there are none.
            ReadOnlySpan<byte> losses = vectors.Control(count - 1, Libc.SOL_SOCKET, Libc.SO_RXQ_OVFL);
            if (losses.Length >= sizeof(uint))
            {
                uint total = MemoryMarshal.Read<uint>(losses);
                CountReceiveDrops(unchecked(total - _queueOverflow));
                _queueOverflow = total;
            }
        }
    }
}
