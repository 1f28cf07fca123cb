using System.Net;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>How to open a <see cref="UdpChannel"/>.</summary>
public sealed record UdpChannelOptions
{
    /// <summary>Ten gigabits per second for 5.6 ms, which is what a busy receiver may be away.</summary>
    public const int DefaultBufferBytes = 7 * 1024 * 1024;

    /// <summary>Send trains whole (UDP_SEGMENT) if allowed and tested. Default on.</summary>
    public bool Segmentation { get; init; } = true;

    /// <summary>Receive trains (UDP_GRO) if allowed and tested. Default on.</summary>
    public bool Merge { get; init; } = true;

    /// <summary>Socket buffer for each direction; the system's limit is overruled if permitted, and followed otherwise.</summary>
    public int BufferBytes { get; init; } = DefaultBufferBytes;

    /// <summary>Mark of the packets (SO_MARK, Linux). 0: none, which needs no privilege. Default: underlay, stays outside the tunnel.</summary>
    public uint Mark { get; init; } = UnderlaySocket.FirewallMark;

    /// <summary>IPv6 sockets only: also carry IPv4. Default off: one socket for each family.</summary>
    public bool DualMode { get; init; }

    /// <summary>Local address; null for any.</summary>
    public IPAddress? LocalAddress { get; init; }

    /// <summary>Whether datagrams may be fragmented.</summary>
    public FragmentPolicy Fragments { get; init; }

    /// <summary>
    /// Raise <see cref="UdpChannel.TooBig"/> for what routers report (IP_RECVERR, Linux). Reports are not authenticated: anybody who
    /// can guess the ports can send them.
    /// </summary>
    public bool ReportTooBig { get; init; }

    /// <summary>How long a send may wait for a full queue of the system before the datagrams are dropped, in milliseconds.</summary>
    public int SendWaitMs { get; init; } = 10;

    /// <summary>Use the implementation for other systems, also on Linux.</summary>
    internal bool UsePortable { get; init; }
}
