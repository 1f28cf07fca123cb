using System.Buffers.Binary;
using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>What to do with a packet of the system to a plain device.</summary>
internal enum StackVerdict
{
    /// <summary>Translated in place: give it back to the system.</summary>
    Write,

    /// <summary>A new connection: open the port, then hand over the kept SYN.</summary>
    Open,

    /// <summary>Nothing to do: a repeated SYN while the port is being opened.</summary>
    Wait,

    /// <summary>Nobody knows it: answer with a reset.</summary>
    Reset,

    /// <summary>The table is full: the system will repeat.</summary>
    Full,
}

/// <summary>
/// Lets the kernel's own TCP terminate connections to plain devices, without a TCP of ours. A packet
/// <c>program:a → device:b</c> becomes <c>device:n → program's address:listener</c> and comes back to the kernel, which takes it for
/// a connection of the device to our listener; its answer <c>listener → device:n</c> becomes <c>device:b → program:a</c>. As the two
/// addresses only change places, no checksum of addresses changes; the ports are corrected. Thread-safe, allocates for new flows only.
/// </summary>
internal sealed class StackTranslator(int maxFlows)
{
    /// <summary>How long a closed flow stays for its last packets (as TIME_WAIT).</summary>
    public static readonly TimeSpan CloseLinger = TimeSpan.FromSeconds(60);

    /// <summary>How long a flow may be silent (RFC 5382 REQ-5).</summary>
    public static readonly TimeSpan IdleTimeout = TimeSpan.FromMinutes(124);

    private const ushort FirstStackPort = 1024;
    private const int MaxSyn = 256;

    private readonly Lock _gate = new();
    private readonly Dictionary<StackFlowKey, StackFlow> _flows = [];
    private readonly Dictionary<ushort, StackFlow> _byStackPort = [];
    private ushort _lastStackPort = FirstStackPort - 1;

    /// <summary>Flows in the table.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _flows.Count;
            }
        }
    }

    /// <summary>Looks at a whole TCP packet from this machine's address to a plain device's.</summary>
    /// <param name="buffer">The packet, changed in place for <see cref="StackVerdict.Write"/>.</param>
    /// <param name="packet">Its parsed form.</param>
    /// <param name="listenPort">Port of our listener on the packet's source address.</param>
    /// <param name="now">Time in ticks.</param>
    /// <param name="flow">The flow; set for <see cref="StackVerdict.Open"/>.</param>
    public StackVerdict Translate(Span<byte> buffer, in IpPacket packet, ushort listenPort, long now, out StackFlow? flow)
    {
        lock (_gate)
        {
            if (packet.SourcePort == listenPort
                && _byStackPort.TryGetValue(packet.DestinationPort, out flow)
                && flow.Key.Remote == packet.Destination
                && flow.Key.Local == packet.Source)
            {
                if (flow.State == StackFlowState.Opening)
                {
                    return StackVerdict.Reset;
                }

                flow.LastUsed = now;
                Turn(buffer, packet, flow.Key.RemotePort, flow.Key.LocalPort);
                return StackVerdict.Write;
            }

            StackFlowKey key = new(packet.Source, packet.SourcePort, packet.Destination, packet.DestinationPort);
            bool isFirst = (packet.Flags & (TcpFlags.Syn | TcpFlags.Ack | TcpFlags.Rst)) == TcpFlags.Syn;
            if (_flows.TryGetValue(key, out flow) && isFirst && flow.State == StackFlowState.Closed)
            {
                // The program uses the same ports for a new connection.
                RemoveLocked(flow);
                flow = null;
            }

            if (flow is not null)
            {
                if (flow.State == StackFlowState.Opening)
                {
                    return StackVerdict.Wait;
                }

                flow.LastUsed = now;
                Turn(buffer, packet, flow.StackPort, listenPort);
                return StackVerdict.Write;
            }

            return isFirst ? BeginLocked(buffer, packet, key, now, out flow) : StackVerdict.Reset;
        }
    }

    /// <summary>The port is open: the kept SYN, translated, to be given to the system. Empty if the flow is gone.</summary>
    public ReadOnlySpan<byte> Release(StackFlow flow, ushort listenPort, long now)
    {
        lock (_gate)
        {
            if (flow.State != StackFlowState.Opening || !IpPacket.TryParse(flow.Syn, out IpPacket packet))
            {
                return default;
            }

            flow.State = StackFlowState.Open;
            flow.LastUsed = now;
            Turn(flow.Syn, packet, flow.StackPort, listenPort);
            return flow.Syn;
        }
    }

    /// <summary>The open flow behind a connection our listener accepted, or null: somebody else connected.</summary>
    public StackFlow? FindAccepted(PacketAddress remote, ushort stackPort)
    {
        lock (_gate)
        {
            return _byStackPort.TryGetValue(stackPort, out StackFlow? flow) && flow.Key.Remote == remote && flow.State == StackFlowState.Open
                ? flow
                : null;
        }
    }

    /// <summary>The connection is over; its last packets still pass.</summary>
    public void Close(StackFlow flow, long now)
    {
        lock (_gate)
        {
            flow.State = StackFlowState.Closed;
            flow.LastUsed = now;
        }
    }

    /// <summary>The connection never came to be.</summary>
    public void Remove(StackFlow flow)
    {
        lock (_gate)
        {
            RemoveLocked(flow);
        }
    }

    /// <summary>Forgets closed flows; returns the open ones that have been silent for too long.</summary>
    public List<StackFlow> Expire(long now)
    {
        List<StackFlow> idle = [];
        lock (_gate)
        {
            foreach (StackFlow flow in _flows.Values.ToArray())
            {
                long silent = now - flow.LastUsed;
                if (flow.State == StackFlowState.Closed && silent > CloseLinger.Ticks)
                {
                    RemoveLocked(flow);
                }
                else if (flow.State == StackFlowState.Open && silent > IdleTimeout.Ticks)
                {
                    idle.Add(flow);
                }
            }
        }

        return idle;
    }

    /// <summary>All flows that are not closed.</summary>
    public StackFlow[] Living()
    {
        lock (_gate)
        {
            return [.. _flows.Values.Where(static f => f.State != StackFlowState.Closed)];
        }
    }

    private StackVerdict BeginLocked(Span<byte> buffer, in IpPacket packet, StackFlowKey key, long now, out StackFlow? flow)
    {
        flow = null;
        if (packet.TotalLength > MaxSyn || (_flows.Count >= maxFlows && !DropOldestClosedLocked()))
        {
            return StackVerdict.Full;
        }

        flow = new StackFlow(key, NextStackPortLocked(), buffer[..packet.TotalLength].ToArray()) { LastUsed = now };
        _flows.Add(key, flow);
        _byStackPort.Add(flow.StackPort, flow);
        return StackVerdict.Open;
    }

    private bool DropOldestClosedLocked()
    {
        StackFlow? oldest = _flows.Values.Where(static f => f.State == StackFlowState.Closed).MinBy(static f => f.LastUsed);
        if (oldest is null)
        {
            return false;
        }

        RemoveLocked(oldest);
        return true;
    }

    /// <summary>Going round: the kernel still remembers the last connections (TIME_WAIT).</summary>
    private ushort NextStackPortLocked()
    {
        do
        {
            _lastStackPort = _lastStackPort == ushort.MaxValue ? FirstStackPort : (ushort)(_lastStackPort + 1);
        }
        while (_byStackPort.ContainsKey(_lastStackPort));
        return _lastStackPort;
    }

    private void RemoveLocked(StackFlow flow)
    {
        if (_flows.TryGetValue(flow.Key, out StackFlow? known) && ReferenceEquals(known, flow))
        {
            _flows.Remove(flow.Key);
            _byStackPort.Remove(flow.StackPort);
        }
    }

    /// <summary>Exchanges the addresses and sets the ports.</summary>
    private static void Turn(Span<byte> buffer, in IpPacket packet, ushort sourcePort, ushort destinationPort)
    {
        int length = packet.IsIpv4 ? 4 : 16;
        Span<byte> addresses = buffer.Slice(packet.IsIpv4 ? 12 : 8, 2 * length);
        Span<byte> source = stackalloc byte[16];
        addresses[..length].CopyTo(source);
        addresses[length..].CopyTo(addresses);
        source[..length].CopyTo(addresses[length..]);

        Span<byte> transport = buffer[packet.TransportOffset..];
        Span<byte> field = transport[InternetChecksum.FieldOffset(packet)..];
        ushort checksum = BinaryPrimitives.ReadUInt16BigEndian(field);
        checksum = InternetChecksum.Update(checksum, packet.SourcePort, sourcePort);
        checksum = InternetChecksum.Update(checksum, packet.DestinationPort, destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(field, checksum);
        BinaryPrimitives.WriteUInt16BigEndian(transport, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(transport[2..], destinationPort);
    }
}
