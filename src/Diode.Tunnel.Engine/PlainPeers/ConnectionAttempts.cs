using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>
/// Counts ports that devices are opening or have open here, so that one device cannot use up what all share. Thread-safe.
/// </summary>
/// <param name="maxOpening">Most ports one device may be opening at the same time (local connection under way).</param>
/// <param name="maxOpen">Most ports one device may have open; 0 = no limit (diode-client §13.3 <c>-maxports</c>).</param>
/// <param name="maxTotal">Most ports of all devices.</param>
internal sealed class ConnectionAttempts(int maxOpening, int maxOpen, int maxTotal)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Address, (int Opening, int Open)> _devices = [];
    private int _total;

    /// <summary>Ports of all devices, opening and open.</summary>
    public int Total
    {
        get
        {
            lock (_gate)
            {
                return _total;
            }
        }
    }

    /// <summary>Takes a place for a port that is being opened. False: too many.</summary>
    public bool TryBegin(in Address device)
    {
        lock (_gate)
        {
            (int opening, int open) = _devices.GetValueOrDefault(device);
            if (opening >= maxOpening || (maxOpen > 0 && opening + open >= maxOpen) || _total >= maxTotal)
            {
                return false;
            }

            _devices[device] = (opening + 1, open);
            _total++;
            return true;
        }
    }

    /// <summary>The port is open now.</summary>
    public void Opened(in Address device)
    {
        lock (_gate)
        {
            if (_devices.TryGetValue(device, out (int Opening, int Open) count) && count.Opening > 0)
            {
                _devices[device] = (count.Opening - 1, count.Open + 1);
            }
        }
    }

    /// <summary>A port is over, opened (<paramref name="wasOpen"/>) or not.</summary>
    public void End(in Address device, bool wasOpen)
    {
        lock (_gate)
        {
            if (!_devices.TryGetValue(device, out (int Opening, int Open) count))
            {
                return;
            }

            _total--;
            count = wasOpen ? (count.Opening, count.Open - 1) : (count.Opening - 1, count.Open);
            if (count is { Opening: <= 0, Open: <= 0 })
            {
                _devices.Remove(device);
            }
            else
            {
                _devices[device] = count;
            }
        }
    }
}
