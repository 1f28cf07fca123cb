using Diode.Tunnel.Edge.Messages;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// Data of ports whose opening was not confirmed yet: relays queue every port and every reply on their own, so data may
/// overtake the reply to portopen (reference §2.6). Bounded; what does not fit is refused and the port with it.
/// </summary>
internal sealed class EarlyPortData
{
    private const int MaxBytes = 256 * 1024;
    private const int MaxEntries = 256;

    private readonly List<(PortRef Port, byte[]? Data)> _entries = [];
    private int _bytes;

    /// <summary>Keeps data, or the closing if null; false when there is no more room.</summary>
    public bool TryAdd(PortRef port, ReadOnlySpan<byte> data, bool isClose)
    {
        if (_entries.Count == MaxEntries || _bytes + data.Length > MaxBytes)
        {
            return false;
        }

        _entries.Add((port, isClose ? null : data.ToArray()));
        _bytes += data.Length;
        return true;
    }

    /// <summary>Takes the first entry of a port out; data is null for its closing.</summary>
    public bool TryTake(PortRef port, out byte[]? data)
    {
        for (int i = 0; i < _entries.Count; i++)
        {
            if (_entries[i].Port == port)
            {
                data = _entries[i].Data;
                _bytes -= data?.Length ?? 0;
                _entries.RemoveAt(i);
                return true;
            }
        }

        data = null;
        return false;
    }

    /// <summary>Forgets everything, once no opening is pending.</summary>
    public void Clear()
    {
        _entries.Clear();
        _bytes = 0;
    }
}
