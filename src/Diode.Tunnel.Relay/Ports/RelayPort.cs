using Diode.Tunnel.Edge.Sessions;

namespace Diode.Tunnel.Relay.Ports;

/// <summary>
/// A port between the device that accepts it (target) and the device that opened it, or several that share it.
/// Changed under the lock of the <see cref="PortTable"/> only; the packet path reads the published snapshots.
/// </summary>
internal sealed class RelayPort(byte[] name, bool isShared)
{
    private volatile PortEnd[] _openers = [];
    private volatile bool _isOpen;

    public byte[] Name { get; } = name;

    public bool IsShared { get; } = isShared;

    public PortEnd? Target { get; set; }

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

    /// <summary>The request of the first opener, answered when the target decided.</summary>
    public RequestId OpenRequest { get; set; }

    /// <summary>Until when the target may answer, unix milliseconds.</summary>
    public long AnswerUntilMs { get; set; }

    /// <summary>Whether the target was asked and nobody gave up yet.</summary>
    public bool IsPending => PendingNode is not null;

    /// <summary>Place in the list of unanswered ports.</summary>
    public LinkedListNode<RelayPort>? PendingNode { get; set; }
}
