namespace Diode.Tunnel.Engine.Paths;

/// <summary>How the datagrams of a peer travel.</summary>
public enum PathKind
{
    /// <summary>No way known.</summary>
    None,

    /// <summary>UDP straight to the peer.</summary>
    DirectUdp,

    /// <summary>UDP by a port of a relay.</summary>
    RelayUdp,

    /// <summary>Datagrams inside the TLS session with a relay.</summary>
    RelayStream,

    /// <summary>No datagrams: ports of a plain Diode device, each inside the TLS session with a relay.</summary>
    PlainPorts,
}

/// <summary>
/// One way to one peer. <see cref="Send"/> may be called by several threads; it copies and never blocks: what cannot go out in time is
/// dropped and counted. The object itself is the endpoint token of the WireGuard core.
/// </summary>
internal interface IPath
{
    /// <summary>How this path travels.</summary>
    PathKind Kind { get; }

    /// <summary>Who carries it, for people: a relay's URI or an address.</summary>
    string Via { get; }

    /// <summary>Bytes that name the sender to the handshake limiter: an address and port, or the device behind a relay port.</summary>
    ReadOnlySpan<byte> SourceId { get; }

    /// <summary>False once the path is gone for good.</summary>
    bool IsOpen { get; }

    /// <summary>Queues one WireGuard datagram. False: dropped and counted.</summary>
    bool Send(ReadOnlySpan<byte> datagram);

    /// <summary>Longest WireGuard datagram that goes this way as it is, in bytes.</summary>
    int MaxDatagram => ushort.MaxValue;

    /// <summary>
    /// Queues a train: datagrams of <paramref name="segmentSize"/> bytes one behind the other, of which the last may be shorter.
    /// False: at least one was dropped.
    /// </summary>
    bool SendTrain(ReadOnlySpan<byte> train, int segmentSize)
    {
        bool sent = true;
        while (!train.IsEmpty)
        {
            int length = Math.Min(segmentSize, train.Length);
            sent &= Send(train[..length]);
            train = train[length..];
        }

        return sent;
    }

    /// <summary>Sends what <see cref="Send"/> gathered. Called once per batch.</summary>
    void Flush();
}
