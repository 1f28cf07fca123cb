using System.Buffers;
using System.Buffers.Binary;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Engine.Paths.Probing;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Paths;

/// <summary>
/// Datagrams inside <c>portsend</c> of one relay port (diode-edge §3.8: <c>u32le length | bytes</c>). The datagrams of one batch share a
/// <c>portsend</c>, which is what relays carry cheapest. A queue on TCP: <see cref="RelayConnection.TrySendData"/> bounds it in time.
/// At rest it holds no buffer: a device has a path like this with every member that is online.
/// </summary>
internal sealed class RelayStreamPath(RelayConnection relay, PortRef port, Address device) : IPath, IRouteTraffic
{
    /// <summary>Bytes gathered before a <c>portsend</c> goes out on its own; well under the 65,000 that a relay forwards.</summary>
    private const int FlushBytes = 16_000;

    /// <summary>Room for them and the datagram that makes them enough.</summary>
    private const int GatherBytes = 32 * 1024;

    private readonly Lock _gate = new();
    private readonly byte[] _sourceId = device.ToArray();
    private byte[]? _gathered;
    private int _length;
    private bool _closed;
    private long _sent;
    private long _received;

    /// <inheritdoc/>
    public PathKind Kind => PathKind.RelayStream;

    /// <inheritdoc/>
    public string Via => relay.Uri.ToString();

    /// <inheritdoc/>
    public ReadOnlySpan<byte> SourceId => _sourceId;

    /// <inheritdoc/>
    public bool IsOpen => !Volatile.Read(ref _closed) && relay.IsReady;

    /// <inheritdoc/>
    public long SentDatagrams => Volatile.Read(ref _sent);

    // No length is too long for a stream.
    long IRouteTraffic.SentLong => 0;

    /// <inheritdoc/>
    public long ReceivedDatagrams => Volatile.Read(ref _received);

    /// <summary>The relay port that carries this path.</summary>
    public PortRef Port => port;

    /// <summary>The relay session that carries this path.</summary>
    public RelayConnection Relay => relay;

    /// <inheritdoc/>
    public bool Send(ReadOnlySpan<byte> datagram)
    {
        return Gather(datagram, 1);
    }

    /// <summary>Sends a probe at once; it does not count as traffic.</summary>
    public void SendProbe(ReadOnlySpan<byte> datagram)
    {
        if (Gather(datagram, 0))
        {
            Flush();
        }
    }

    private bool Gather(ReadOnlySpan<byte> datagram, int counted)
    {
        if (!IsOpen || datagram.Length > ushort.MaxValue)
        {
            return false;
        }

        lock (_gate)
        {
            int needed = sizeof(uint) + datagram.Length;
            bool sent = _gathered is null || _length + needed <= _gathered.Length || FlushLocked();
            _gathered ??= ArrayPool<byte>.Shared.Rent(Math.Max(GatherBytes, needed));
            BinaryPrimitives.WriteUInt32LittleEndian(_gathered.AsSpan(_length), (uint)datagram.Length);
            datagram.CopyTo(_gathered.AsSpan(_length + sizeof(uint)));
            _length += needed;
            _sent += counted;
            return (_length < FlushBytes || FlushLocked()) && sent;
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        lock (_gate)
        {
            FlushLocked();
        }
    }

    /// <summary>Counts a datagram of the peer. Receive thread of the session only.</summary>
    public void CountReceived()
    {
        Volatile.Write(ref _received, _received + 1);
    }

    /// <summary>Marks the path as gone; the port is closed by its owner.</summary>
    public void Close()
    {
        Volatile.Write(ref _closed, true);
    }

    private bool FlushLocked()
    {
        if (_length == 0)
        {
            return true;
        }

        bool sent = relay.TrySendData(port, _gathered.AsSpan(0, _length));
        ArrayPool<byte>.Shared.Return(_gathered!);
        _gathered = null;
        _length = 0;
        return sent;
    }
}
