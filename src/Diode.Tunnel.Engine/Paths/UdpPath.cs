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
    private int _tooLong;
    private bool _isRefused;
    private bool _isUnreachable;
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

    /// <summary>This machine has no way to the far end now: everything takes <see cref="Fallback"/>, if there is one.</summary>
    public bool IsUnreachable
    {
        get => Volatile.Read(ref _isUnreachable);
        set => Volatile.Write(ref _isUnreachable, value);
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

        if (Fallback is not { IsOpen: true } fallback)
        {
            return length <= Math.Max(MaxDatagram, SafeDatagram) && _transport.Send(_remote, train, segmentSize);
        }

        if (Carries(length))
        {
            if (_transport.Send(_remote, train, segmentSize))
            {
                return true;
            }

            // A full queue; or this machine refuses, and nothing is lost: what of a train went out all the same is ignored the second time.
            if (Carries(length))
            {
                return false;
            }
        }

        Volatile.Write(ref _usedFallback, true);
        return fallback.SendTrain(train, segmentSize);
    }

    /// <summary>
    /// This machine does not take datagrams of a length, or none. What follows takes the fallback at once; the owner is to ask
    /// <see cref="TakeRefusals"/>. Any thread.
    /// </summary>
    /// <returns>True if the owner does not know of it yet.</returns>
    public bool Refuse(SendRefusal why, int length)
    {
        if (why == SendRefusal.Unreachable || length <= PathTimings.LeastDatagram)
        {
            IsUnreachable = true;
            return !Interlocked.Exchange(ref _isRefused, true);
        }

        if (length <= SafeDatagram)
        {
            SafeDatagram = PathTimings.LeastDatagram;
        }

        int known = Volatile.Read(ref _tooLong);
        return (known == 0 || length < known) && Interlocked.CompareExchange(ref _tooLong, length, known) == known;
    }

    private bool Carries(int length) => length <= SafeDatagram && !IsUnreachable;

    /// <summary>What was refused since the last call.</summary>
    /// <param name="tooLong">Shortest length that was too long; 0 none.</param>
    /// <param name="isUnreachable">Everything.</param>
    /// <returns>Whether there is news.</returns>
    public bool TakeRefusals(out int tooLong, out bool isUnreachable)
    {
        tooLong = Interlocked.Exchange(ref _tooLong, 0);
        isUnreachable = Interlocked.Exchange(ref _isRefused, false);
        return tooLong != 0 || isUnreachable;
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
