using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Engine.Filtering;

/// <summary>
/// Remembers the first pieces that were let through, so that the later ones (which carry no ports) may follow. Bounded; a place is
/// shared by hash, the newer wins. Thread-safe.
/// </summary>
internal sealed class FragmentMemory
{
    private const int Size = 1024;
    private const int Stripes = 16;
    private const long Lifetime = 30 * TimeSpan.TicksPerSecond;

    private readonly Entry[] _entries = new Entry[Size];
    private readonly Lock[] _locks = [.. Enumerable.Range(0, Stripes).Select(_ => new Lock())];

    public void Remember(in IpPacket packet, int peer, long now)
    {
        FlowKey key = KeyOf(packet, peer);
        int slot = SlotOf(key);
        lock (_locks[slot % Stripes])
        {
            _entries[slot] = new Entry(key, now, true);
        }
    }

    public bool Contains(in IpPacket packet, int peer, long now)
    {
        FlowKey key = KeyOf(packet, peer);
        int slot = SlotOf(key);
        lock (_locks[slot % Stripes])
        {
            Entry entry = _entries[slot];
            return entry.IsUsed && entry.Key == key && now - entry.Time < Lifetime;
        }
    }

    // IPv4 reassembles by addresses, protocol and identification (RFC 791); IPv6 without the protocol (RFC 8200 §4.5).
    private static FlowKey KeyOf(in IpPacket packet, int peer)
    {
        return new FlowKey(
            packet.Destination,
            packet.Source,
            peer,
            (ushort)(packet.FragmentId >> 16),
            (ushort)packet.FragmentId,
            packet.IsIpv4 ? packet.Protocol : (byte)0);
    }

    private static int SlotOf(in FlowKey key)
    {
        return (int)(key.Hash(0) % Size);
    }

    private readonly record struct Entry(FlowKey Key, long Time, bool IsUsed);
}
