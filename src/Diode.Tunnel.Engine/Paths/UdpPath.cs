using Diode.Tunnel.Engine.Paths.Probing;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>
/// Datagrams by UDP to one address: the peer itself, or a port of a relay. What is longer than the way carries takes the relay stream,
/// so that nothing disappears while senders learn the length.
/// </summary>
internal sealed class UdpPath : IPath, IRouteTraffic
{
    private readonly UdpTransport _transport;
    private readonly EndpointAddress _remote;
    private readonly byte[] _sourceId;
    private IPath? _fallback;
    private long _sent;
    private long _sentLong;
    private long _received;
    private long _sentBytes;
    private long _receivedBytes;
    private int _maxDatagram = PathTimings.LeastDatagram;
    private int _safeDatagram = PathTimings.LeastDatagram;
    private bool _usedFallback;
    private bool _closed;

    public UdpPath(UdpTransport transport, PathKind kind, in EndpointAddress remote)
    {
        _transport = transport;
        _remote = remote;
        Kind = kind;
        Via = remote.ToString();
        _sourceId = MakeSourceId(remote);
    }

    /// <inheritdoc/>
    public PathKind Kind { get; }

    /// <inheritdoc/>
    public string Via { get; }

    /// <summary>The far end.</summary>
    public EndpointAddress Remote => _remote;

    /// <inheritdoc/>
    public ReadOnlySpan<byte> SourceId => _sourceId;

    /// <inheritdoc/>
    public bool IsOpen => !Volatile.Read(ref _closed);

    /// <inheritdoc/>
    public int MaxDatagram
    {
        get => Volatile.Read(ref _maxDatagram);
        set => Volatile.Write(ref _maxDatagram, value);
    }

    /// <summary>
    /// What is longer takes <see cref="Fallback"/>. Less than <see cref="MaxDatagram"/> while that is measured anew: senders are not told
    /// of a length that may be wrong, and nothing is lost if the old one is.
    /// </summary>
    public int SafeDatagram
    {
        get => Volatile.Read(ref _safeDatagram);
        set => Volatile.Write(ref _safeDatagram, value);
    }

    /// <summary>Takes what is too long; null: it is sent all the same while the length is in doubt, and dropped otherwise.</summary>
    public IPath? Fallback
    {
        get => Volatile.Read(ref _fallback);
        set => Volatile.Write(ref _fallback, value);
    }

    /// <inheritdoc/>
    public long SentDatagrams => Volatile.Read(ref _sent);

    /// <inheritdoc/>
    public long SentLong => Volatile.Read(ref _sentLong);

    /// <inheritdoc/>
    public long ReceivedDatagrams => Volatile.Read(ref _received);

    /// <summary>Bytes both ways; what a relay charges for its ports. Of what is sent only that by relays is counted.</summary>
    public long CarriedBytes => Volatile.Read(ref _sentBytes) + Volatile.Read(ref _receivedBytes);

    /// <summary>How much of <see cref="CarriedBytes"/> was told to the session that pays. For the owner of the path.</summary>
    public long ChargedBytes { get; set; }

    /// <summary>Address and port as the handshake limiter wants them.</summary>
    public static byte[] MakeSourceId(in EndpointAddress remote)
    {
        Span<byte> bytes = stackalloc byte[18];
        int length = remote.CopyAddressTo(bytes);
        bytes[length] = (byte)(remote.Port >> 8);
        bytes[length + 1] = (byte)remote.Port;
        return bytes[..(length + 2)].ToArray();
    }

    /// <inheritdoc/>
    public bool Send(ReadOnlySpan<byte> datagram)
    {
        return SendTrain(datagram, datagram.Length);
    }

    /// <inheritdoc/>
    public bool SendTrain(ReadOnlySpan<byte> train, int segmentSize)
    {
        if (!IsOpen)
        {
            return false;
        }

        Interlocked.Increment(ref _sent);
        if (Kind == PathKind.RelayUdp)
        {
            Interlocked.Add(ref _sentBytes, train.Length);
        }

        int length = Math.Min(segmentSize, train.Length);
        if (length > PathTimings.LeastDatagram)
        {
            Interlocked.Increment(ref _sentLong);
        }

        if (length <= SafeDatagram)
        {
            return _transport.Send(_remote, train, segmentSize);
        }

        if (Fallback is not { IsOpen: true } fallback)
        {
            return length <= MaxDatagram && _transport.Send(_remote, train, segmentSize);
        }

        Volatile.Write(ref _usedFallback, true);
        return fallback.SendTrain(train, segmentSize);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        if (Volatile.Read(ref _usedFallback))
        {
            Volatile.Write(ref _usedFallback, false);
            Fallback?.Flush();
        }
    }

    /// <summary>Sends a probe, which does not count as traffic.</summary>
    public void SendProbe(ReadOnlySpan<byte> datagram)
    {
        _transport.Send(_remote, datagram, 0);
    }

    /// <summary>Counts datagrams that came from the far end's address. Receive thread only.</summary>
    public void CountReceived(int bytes)
    {
        Volatile.Write(ref _received, _received + 1);
        Volatile.Write(ref _receivedBytes, _receivedBytes + bytes);
    }

    /// <summary>Nothing is sent any more.</summary>
    public void Close()
    {
        Volatile.Write(ref _closed, true);
    }
}
