using System.Buffers;
using Diode.Tunnel.Edge.Messages;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>
/// Datagrams that wait for room in a relay session, oldest first. What has waited longer than the bound is dropped instead of sent: on a
/// stream it would only make what follows late too (design §4 "Paths"). Used under the session's lock; rents what it holds.
/// </summary>
internal sealed class WaitingDatagrams(TimeProvider time, TimeSpan maxAge)
{
    private readonly Queue<Item> _items = new();
    private byte[]? _taken;

    /// <summary>Bytes that wait.</summary>
    public int Bytes { get; private set; }

    /// <summary>Whether nothing waits.</summary>
    public bool IsEmpty => _items.Count == 0;

    /// <summary>Pieces dropped because they were too old.</summary>
    public long Expired { get; private set; }

    /// <summary>Copies one <c>portsend</c> of datagrams.</summary>
    public void Add(PortRef port, ReadOnlySpan<byte> data)
    {
        byte[] array = ArrayPool<byte>.Shared.Rent(data.Length);
        data.CopyTo(array);
        _items.Enqueue(new Item(port, array, data.Length, time.GetTimestamp()));
        Bytes += data.Length;
    }

    /// <summary>The oldest piece that is not too old; it stays valid until the next call.</summary>
    public bool TryTake(out PortRef port, out ReadOnlySpan<byte> data)
    {
        Free();
        while (_items.TryDequeue(out Item item))
        {
            Bytes -= item.Length;
            _taken = item.Data;
            if (time.GetElapsedTime(item.Since) <= maxAge)
            {
                port = item.Port;
                data = item.Data.AsSpan(0, item.Length);
                return true;
            }

            Expired++;
            Free();
        }

        port = default;
        data = default;
        return false;
    }

    private void Free()
    {
        if (_taken is not null)
        {
            ArrayPool<byte>.Shared.Return(_taken);
            _taken = null;
        }
    }

    private readonly record struct Item(PortRef Port, byte[] Data, int Length, long Since);
}
