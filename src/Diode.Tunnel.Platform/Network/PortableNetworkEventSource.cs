using System.Net.NetworkInformation;
using Diode.Tunnel.Platform.Interop.Windows;

namespace Diode.Tunnel.Platform.Network;

/// <summary>The events of .NET, which do not tell interfaces apart, and a look at the clocks every five seconds.</summary>
internal sealed class PortableNetworkEventSource : INetworkEventSource
{
    private static readonly TimeSpan SleepCheck = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ShortestSleep = TimeSpan.FromSeconds(1);

    private readonly Action<SystemNetworkChange> _onChange;
    private readonly Func<TimeSpan> _slept;
    private readonly Timer _gathering;
    private readonly Timer _clocks;
    private readonly Lock _gate = new();
    private SystemNetworkChange _gathered;
    private TimeSpan _sleptBefore;
    private bool _disposed;

    internal PortableNetworkEventSource(Action<SystemNetworkChange> onChange, Func<TimeSpan> slept)
    {
        _onChange = onChange;
        _slept = slept;
        _sleptBefore = slept();
        _gathering = new Timer(_ => Tell());
        _clocks = new Timer(_ => CheckSleep(), null, SleepCheck, SleepCheck);
        NetworkChange.NetworkAddressChanged += OnAddressChanged;
    }

    public int IgnoredInterface { get; set; }

    /// <summary>Time asleep since the machine was switched on, where the system tells.</summary>
    internal static TimeSpan ReadSlept()
    {
        if (!OperatingSystem.IsWindows() || !Kernel32.QueryUnbiasedInterruptTime(out ulong awake))
        {
            return TimeSpan.Zero;
        }

        return TimeSpan.FromMilliseconds(Environment.TickCount64) - TimeSpan.FromTicks((long)awake);
    }

    public void Dispose()
    {
        NetworkChange.NetworkAddressChanged -= OnAddressChanged;
        lock (_gate)
        {
            _disposed = true;
            _gathering.Dispose();
            _clocks.Dispose();
        }
    }

    private void OnAddressChanged(object? sender, EventArgs e) => Gather(SystemNetworkChange.Addresses | SystemNetworkChange.Routes);

    private void CheckSleep()
    {
        TimeSpan more;
        lock (_gate)
        {
            TimeSpan slept = _slept();
            more = slept - _sleptBefore;
            _sleptBefore = slept;
        }

        if (more >= ShortestSleep)
        {
            Gather(SystemNetworkChange.Resumed);
        }
    }

    private void Gather(SystemNetworkChange change)
    {
        lock (_gate)
        {
            if (!_disposed && _gathered == SystemNetworkChange.None)
            {
                _gathering.Change(SystemNetworkEvents.GatheringTime, Timeout.InfiniteTimeSpan);
            }

            _gathered |= change;
        }
    }

    private void Tell()
    {
        SystemNetworkChange told;
        lock (_gate)
        {
            told = _disposed ? SystemNetworkChange.None : _gathered;
            _gathered = SystemNetworkChange.None;
        }

        if (told != SystemNetworkChange.None)
        {
            _onChange(told);
        }
    }
}
