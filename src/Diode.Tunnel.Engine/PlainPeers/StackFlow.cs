using Diode.Tunnel.Engine.Packets;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>One TCP connection of this machine to a plain device, between the program's packets and our local listener.</summary>
internal sealed class StackFlow(StackFlowKey key, ushort stackPort, byte[] syn)
{
    private long _lastUsed;
    private volatile StackFlowState _state;

    /// <summary>The connection as the program sees it.</summary>
    public StackFlowKey Key { get; } = key;

    /// <summary>The port of the plain device's address that the listener sees as the other end; names the flow.</summary>
    public ushort StackPort { get; } = stackPort;

    /// <summary>The first SYN, handed to the kernel when the port is open.</summary>
    public byte[] Syn { get; } = syn;

    /// <summary>The device; set when the flow begins.</summary>
    public PlainTarget? Target { get; set; }

    /// <summary>How far it is.</summary>
    public StackFlowState State
    {
        get => _state;
        set => _state = value;
    }

    /// <summary>When a packet last went through, in ticks of the packet path's clock.</summary>
    public long LastUsed
    {
        get => Volatile.Read(ref _lastUsed);
        set => Volatile.Write(ref _lastUsed, value);
    }

    /// <summary>Completed with the accepted connection of the kernel.</summary>
    public TaskCompletionSource<System.Net.Sockets.Socket> Accepted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends what the flow carries; set while it is open.</summary>
    public Action? Abort { get; set; }
}

/// <summary>Addresses and ports of a connection: from this machine to a plain device.</summary>
internal readonly record struct StackFlowKey(PacketAddress Local, ushort LocalPort, PacketAddress Remote, ushort RemotePort);

/// <summary>How far a flow is.</summary>
internal enum StackFlowState
{
    /// <summary>The port at the device is being opened; the program's SYN waits.</summary>
    Opening,

    /// <summary>Packets pass.</summary>
    Open,

    /// <summary>Over; last packets still pass for a while.</summary>
    Closed,
}
