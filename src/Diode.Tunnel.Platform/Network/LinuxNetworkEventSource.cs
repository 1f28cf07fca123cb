using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Interop.Linux;
using static Diode.Tunnel.Platform.Interop.Linux.NetlinkConstants;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// rtnetlink's groups for links, addresses and routes, and a timer that the kernel cancels when the machine wakes up. The thread sleeps
/// until one of them has something: nothing wakes an idle machine.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class LinuxNetworkEventSource : INetworkEventSource
{
    private const uint Groups = 0x1 | 0x10 | 0x40 | 0x100 | 0x400; // LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE
    private const int ReceiveLength = 64 * 1024;
    private const int SleepCheckMs = 5000;
    private static readonly TimeSpan ShortestSleep = TimeSpan.FromSeconds(1);

    private readonly Action<SystemNetworkChange> _onChange;
    private readonly Func<TimeSpan> _slept;
    private readonly NetworkEventFilter _filter = new();
    private readonly FileDescriptor _netlink;
    private readonly FileDescriptor _stopEvent;
    private readonly FileDescriptor? _timer;
    private readonly Thread _thread;
    private TimeSpan _sleptBefore;
    private volatile bool _stopped;

    internal LinuxNetworkEventSource(Action<SystemNetworkChange> onChange, Func<TimeSpan> slept)
    {
        _onChange = onChange;
        _slept = slept;
        _sleptBefore = slept();
        _netlink = OpenNetlink();
        try
        {
            int stop = Libc.EventFd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
            _stopEvent = stop >= 0
                ? new FileDescriptor(stop)
                : throw PlatformException.FromErrno("Could not create an eventfd", Marshal.GetLastPInvokeError());
            _timer = OpenTimer();
            ReadPresent();
        }
        catch
        {
            _netlink.Dispose();
            _stopEvent?.Dispose();
            _timer?.Dispose();
            throw;
        }

        _thread = new Thread(Run) { IsBackground = true, Name = "network events" };
        _thread.Start();
    }

    public int IgnoredInterface
    {
        get => _filter.IgnoredInterface;
        set => _filter.IgnoredInterface = value;
    }

    /// <summary>Time asleep since the machine was switched on: what one clock counts and the other does not.</summary>
    internal static TimeSpan ReadSlept()
    {
        Libc.TimeSpec withSleep;
        Libc.TimeSpec withoutSleep;
        return Libc.ClockGetTime(Libc.CLOCK_MONOTONIC, &withoutSleep) == 0 && Libc.ClockGetTime(Libc.CLOCK_BOOTTIME, &withSleep) == 0
            ? new TimeSpan(((withSleep.Seconds - withoutSleep.Seconds) * TimeSpan.TicksPerSecond)
                + ((withSleep.Nanoseconds - withoutSleep.Nanoseconds) / TimeSpan.NanosecondsPerTick))
            : TimeSpan.Zero;
    }

    public void Dispose()
    {
        if (_stopped)
        {
            return;
        }

        _stopped = true;
        ulong one = 1;
        _ = Libc.Write(_stopEvent.Value, (byte*)&one, sizeof(ulong));
        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }

        _netlink.Dispose();
        _timer?.Dispose();
        _stopEvent.Dispose();
    }

    private static FileDescriptor OpenNetlink()
    {
        int fd = Libc.CreateSocket(Libc.AF_NETLINK, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, Libc.NETLINK_ROUTE);
        if (fd < 0)
        {
            throw PlatformException.FromErrno("Could not open a netlink socket", Marshal.GetLastPInvokeError());
        }

        FileDescriptor descriptor = new(fd);
        // struct sockaddr_nl: u16 family, u16 padding, u32 port (0: the kernel's choice), u32 groups.
        uint* address = stackalloc uint[3] { Libc.AF_NETLINK, 0, Groups };
        if (Libc.Bind(fd, (byte*)address, 12) != 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            descriptor.Dispose();
            throw PlatformException.FromErrno("Could not watch the network configuration", errno);
        }

        return descriptor;
    }

    /// <summary>A timer that never ends, but is cancelled when the clock is set or the machine wakes up (timerfd_create(2)).</summary>
    private static FileDescriptor? OpenTimer()
    {
        int fd = Libc.TimerFdCreate(Libc.CLOCK_REALTIME, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK);
        if (fd < 0)
        {
            return null;
        }

        FileDescriptor timer = new(fd);
        Libc.TimerSpec end = new() { Value = new Libc.TimeSpec { Seconds = int.MaxValue } };
        if (Libc.TimerFdSetTime(fd, Libc.TFD_TIMER_ABSTIME | Libc.TFD_TIMER_CANCEL_ON_SET, &end, null) == 0)
        {
            return timer;
        }

        timer.Dispose();
        return null;
    }

    /// <summary>Notes what there is, so that only changes are told.</summary>
    private void ReadPresent()
    {
        using NetlinkSocket socket = new();
        socket.Dump(RTM_GETLINK, Libc.AF_UNSPEC, 16, () => { }, (in NetlinkMessage message) => _filter.Observe(in message));
        socket.Dump(RTM_GETADDR, Libc.AF_UNSPEC, 8, () => { }, (in NetlinkMessage message) => _filter.Observe(in message));
    }

    private void Run()
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(ReceiveLength, pinned: true);
        Libc.PollFd* fds = stackalloc Libc.PollFd[3];
        fds[0] = new Libc.PollFd { Fd = _netlink.Value, Events = Libc.POLLIN };
        fds[1] = new Libc.PollFd { Fd = _stopEvent.Value, Events = Libc.POLLIN };
        fds[2] = new Libc.PollFd { Fd = _timer?.Value ?? -1, Events = Libc.POLLIN };
        SystemNetworkChange gathered = SystemNetworkChange.None;
        long since = 0;
        while (!_stopped)
        {
            int wait = _timer is null ? SleepCheckMs : -1;
            if (gathered != SystemNetworkChange.None)
            {
                TimeSpan left = SystemNetworkEvents.GatheringTime - Stopwatch.GetElapsedTime(since);
                wait = Math.Max(0, (int)Math.Ceiling(left.TotalMilliseconds));
            }

            int ready = Libc.Poll(fds, 3, wait);
            if (_stopped || (ready < 0 && Marshal.GetLastPInvokeError() != Libc.EINTR))
            {
                return;
            }

            SystemNetworkChange before = gathered;
            gathered |= CheckSleep();
            if (ready > 0)
            {
                gathered |= fds[0].Revents != 0 ? ReadMessages(buffer) : SystemNetworkChange.None;
                if (fds[2].Revents != 0)
                {
                    // Says ECANCELED; read only so that it is quiet again.
                    fixed (byte* bytes = buffer)
                    {
                        _ = Libc.Read(_timer!.Value, bytes, sizeof(ulong));
                    }
                }
            }

            if (before == SystemNetworkChange.None)
            {
                since = Stopwatch.GetTimestamp();
            }
            else if (Stopwatch.GetElapsedTime(since) >= SystemNetworkEvents.GatheringTime)
            {
                SystemNetworkChange told = gathered;
                gathered = SystemNetworkChange.None;
                _onChange(told);
            }
        }
    }

    private SystemNetworkChange CheckSleep()
    {
        TimeSpan slept = _slept();
        TimeSpan more = slept - _sleptBefore;
        _sleptBefore = slept;
        return more >= ShortestSleep ? SystemNetworkChange.Resumed : SystemNetworkChange.None;
    }

    private SystemNetworkChange ReadMessages(byte[] buffer)
    {
        SystemNetworkChange changes = SystemNetworkChange.None;
        while (true)
        {
            nint length;
            fixed (byte* bytes = buffer)
            {
                length = Libc.Receive(_netlink.Value, bytes, ReceiveLength, Libc.MSG_DONTWAIT);
            }

            if (length < 0)
            {
                switch (Marshal.GetLastPInvokeError())
                {
                    case Libc.EINTR:
                        continue;
                    case Libc.EAGAIN:
                        return changes;
                    default:
                        // ENOBUFS: messages were lost, so anything may have changed.
                        return changes | SystemNetworkChange.Interfaces | SystemNetworkChange.Addresses | SystemNetworkChange.Routes;
                }
            }

            NetlinkReader reader = new(buffer.AsSpan(0, (int)length));
            while (reader.TryRead(out NetlinkMessage message))
            {
                changes |= _filter.Observe(in message);
                if (_filter.Plugged != 0)
                {
                    NeighborTable.ForgetUnanswered(_filter.Plugged);
                }
            }
        }
    }
}
