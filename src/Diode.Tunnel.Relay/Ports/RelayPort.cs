using System.Buffers.Binary;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Relay.RelayPeers;

namespace Diode.Tunnel.Relay.Ports;

/// <summary>
/// A port between the device that accepts it (target) and the device that opened it, or several that share it. One of the
/// two may be on another relay (<see cref="Remote"/>), and a channel has openers only. Changed under the lock of the
/// <see cref="PortTable"/> only; the packet path reads the published snapshots.
/// </summary>
internal sealed class RelayPort(byte[] name, bool isShared)
{
    private volatile PortEnd[] _openers = [];
    private volatile IRemotePort? _remote;
    private volatile bool _isOpen;
    private volatile bool _hasSplit;

    public byte[] Name { get; } = name;

    public bool IsShared { get; } = isShared;

    /// <summary>Whether its name says that it carries datagrams (diode-edge §3.8): what is late is then better dropped.</summary>
    public bool CarriesDatagrams { get; } = !isShared && name.AsSpan().StartsWith("udp:"u8);

    /// <summary>Whether all ends are equal and what one sends goes to the others.</summary>
    public bool IsChannel { get; private init; }

    /// <summary>The device that accepts; null when it is on another relay, and for channels.</summary>
    public PortEnd? Target { get; set; }

    /// <summary>The other end when that is on another relay; with a local target it stands for the opener.</summary>
    public IRemotePort? Remote
    {
        get => _remote;
        set => _remote = value;
    }

    /// <summary>Whether the target agreed. A closed port is not open either.</summary>
    public bool IsOpen
    {
        get => _isOpen;
        set => _isOpen = value;
    }

    /// <summary>Snapshot of those who opened it.</summary>
    public PortEnd[] Openers
    {
        get => _openers;
        set => _openers = value;
    }

    /// <summary>Who hears what happens to the port (flag <c>t</c>); its first opener or nobody.</summary>
    public PortEnd? Traced { get; set; }

    /// <summary>The request of the first opener, answered when the target decided.</summary>
    public RequestId OpenRequest { get; set; }

    /// <summary>Until when the target may answer, unix milliseconds.</summary>
    public long AnswerUntilMs { get; set; }

    /// <summary>Whether the target was asked and nobody gave up yet.</summary>
    public bool IsPending => PendingNode is not null;

    /// <summary>Place in the list of unanswered ports.</summary>
    public LinkedListNode<RelayPort>? PendingNode { get; set; }

    /// <summary>
    /// Whether a piece of data may vanish without hurting others: it holds whole datagrams. Senders may cut them anywhere; after the first
    /// that did, nothing of the port is dropped any more.
    /// </summary>
    public bool MayDrop(ReadOnlySpan<byte> data)
    {
        if (!_hasSplit && !HoldsWholeDatagrams(data))
        {
            _hasSplit = true;
        }

        return !_hasSplit;
    }

    private static bool HoldsWholeDatagrams(ReadOnlySpan<byte> data)
    {
        while (BinaryPrimitives.TryReadUInt32LittleEndian(data, out uint length) && length <= data.Length - sizeof(uint))
        {
            data = data[(sizeof(uint) + (int)length)..];
        }

        return data.IsEmpty;
    }

    /// <summary>The port of a channel: open from the start, for ever.</summary>
    public static RelayPort ForChannel()
    {
        return new RelayPort([], isShared: true) { IsChannel = true, IsOpen = true };
    }
}
