using System.Net;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Sockets;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <content>
/// The way of a packet; nothing here allocates per packet, waits or logs. This machine is an end and no router: what comes in is for an address
/// of the interface, what goes out is from one. So nobody behind the interface reaches a virtual address of the mesh, where the mesh's filter
/// would not see it, nor the networks of this machine.
/// </content>
internal sealed partial class PerimeterWireGuardCore
{
    private const int MostRemotes = 1024;
    private const int Ipv4HeaderLength = 20;
    private const int Ipv6HeaderLength = 40;

    private readonly PacketTrain _train;
    private readonly ReceivedPacket[] _received = new ReceivedPacket[WireGuardInterface.MaxTrainLength];
    private readonly Dictionary<EndpointAddress, PeerRemote> _remotes = [];
    private byte[][] _own = [];
    private PeerRemote? _latest;

    /// <summary>The addresses of the interface.</summary>
    public void SetAddresses(IEnumerable<IPAddress> addresses) => Volatile.Write(ref _own, [.. addresses.Select(static a => a.GetAddressBytes())]);

    /// <summary>Takes datagrams of one sender. One thread.</summary>
    /// <param name="buffer">One behind the other; overwritten, and not free before the output has written its packets.</param>
    /// <param name="stride">Length of each but the last; 0 for one.</param>
    /// <param name="from">The sender.</param>
    public void Receive(PacketBuffer buffer, int stride, in EndpointAddress from)
    {
        long now = _clock.Now;
        PeerRemote remote = RemoteOf(from);
        stride = stride == 0 ? Math.Max(1, buffer.Length) : stride;
        int most = stride * WireGuardInterface.MaxTrainLength;
        for (int at = 0; at < buffer.Length; at += most)
        {
            Span<byte> train = buffer.Span.Slice(at, Math.Min(most, buffer.Length - at));
            int count = _wireGuard.ReceiveTrain(train, stride, remote, remote.Source, now, _received, out int dropped);
            CountDrop(dropped);
            for (int i = 0; i < count; i++)
            {
                ReceivedPacket packet = _received[i];
                if (IsOwn(train.Slice(packet.Offset, packet.Length), isSource: false))
                {
                    _output.WritePacket(buffer, buffer.Offset + at + packet.Offset, packet.Length);
                }
                else
                {
                    CountDrop(1);
                }
            }
        }
    }

    /// <summary>Takes a packet of the system, or many in one. They leave with <see cref="Flush"/> at the latest. One thread.</summary>
    public void Send(PacketBuffer packet)
    {
        SegmentLayout layout = packet.Layout;
        int count = layout.SegmentCount(packet.Length);
        if (!IsOwn(packet.Span, isSource: true) || _wireGuard.Route(packet.Span) is not { } peer)
        {
            CountDrop(count);
            return;
        }

        for (int i = 0; i < count; i++)
        {
            int length = layout.SegmentLength(packet.Length, i);
            if (!_train.TryReserve(peer, length, out Span<byte> room))
            {
                Flush();
                _train.TryReserve(peer, length, out room);
            }

            if (layout.IsSuperPacket)
            {
                Segmenter.Write(packet.Span, layout, i, room);
            }
            else
            {
                packet.Span.CopyTo(room);
            }
        }
    }

    /// <summary>Encrypts and sends what was gathered. Thread of <see cref="Send"/>.</summary>
    public void Flush()
    {
        if (_train.Peer is not { } peer)
        {
            return;
        }

        SealResult result = _wireGuard.SealTrain(peer, _train.Bytes, _train.Stride, _clock.Now);
        if (result.Status == SealStatus.Sealed && peer.Endpoint is PeerRemote remote)
        {
            _output.SendDatagrams(remote.Endpoint, _train.Bytes, _train.Stride);
        }
        else if (result.Status != SealStatus.Staged)
        {
            CountDrop(_train.Count);
        }

        _train.Clear();
    }

    /// <inheritdoc/>
    void IWireGuardOutput.Send(Peer? peer, object? endpoint, ReadOnlySpan<byte> datagram)
    {
        if (endpoint is PeerRemote remote)
        {
            _output.SendDatagrams(remote.Endpoint, datagram, 0);
        }
    }

    /// <inheritdoc/>
    void IWireGuardOutput.OnSessionEstablished(Peer peer)
    {
        // Shown when somebody looks.
    }

    /// <inheritdoc/>
    void IWireGuardOutput.OnHandshakeFailed(Peer peer)
    {
        // The next packet, or whoever looks for the peer's port, begins anew.
    }

    private void CountDrop(int count) => Interlocked.Add(ref _dropped, count);

    private bool IsOwn(ReadOnlySpan<byte> packet, bool isSource)
    {
        ReadOnlySpan<byte> address = packet switch
        {
            { Length: >= Ipv4HeaderLength } when packet[0] >> 4 == 4 => packet.Slice(isSource ? 12 : 16, 4),
            { Length: >= Ipv6HeaderLength } when packet[0] >> 4 == 6 => packet.Slice(isSource ? 8 : 24, 16),
            _ => default,
        };
        foreach (byte[] own in Volatile.Read(ref _own))
        {
            if (address.SequenceEqual(own))
            {
                return true;
            }
        }

        return false;
    }

    // Sockets overwrite the address they receive into: each sender has one object. Forgotten all at once when there are many.
    private PeerRemote RemoteOf(in EndpointAddress from)
    {
        if (_latest is { } latest && latest.Endpoint == from)
        {
            return latest;
        }

        if (!_remotes.TryGetValue(from, out PeerRemote? remote))
        {
            if (_remotes.Count >= MostRemotes)
            {
                _remotes.Clear();
            }

            remote = new PeerRemote(from);
            _remotes.Add(from, remote);
        }

        return _latest = remote;
    }
}
