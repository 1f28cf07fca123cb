using Diode.Tunnel.Engine.Paths.Probing;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Engine.Paths;

/// <content>What comes by UDP; on the receive threads.</content>
internal sealed partial class PathManager
{
    private void Receive(int socket, DatagramBatch batch)
    {
        for (int i = 0; i < batch.Count; i++)
        {
            PacketBuffer buffer = batch.Buffer(i);
            ref readonly EndpointAddress source = ref batch.Source(i);
            int segmentSize = batch.SegmentSize(i);
            int step = segmentSize == 0 ? Math.Max(1, buffer.Length) : segmentSize;

            // Trains are made by the system of whatever one sender sent: probes may be among the datagrams.
            int end = buffer.Offset + buffer.Length;
            int run = buffer.Offset;
            for (int at = buffer.Offset; at < end; at += step)
            {
                Span<byte> datagram = buffer.Array.AsSpan(at, Math.Min(step, end - at));
                bool isAnswer = StunMessage.IsAnswer(datagram);
                if (!isAnswer && !ProbeMessage.IsProbe(datagram))
                {
                    continue;
                }

                Pass(socket, source, buffer, run, at, segmentSize);
                run = at + datagram.Length;
                if (isAnswer)
                {
                    ReceiveGathering(datagram, source);
                }
                else
                {
                    ReceiveProbe(datagram, source);
                }
            }

            Pass(socket, source, buffer, run, end, segmentSize);
        }

        _events.OnUdpDatagramsEnd(socket);
    }

    private void Pass(int socket, in EndpointAddress source, PacketBuffer buffer, int start, int end, int segmentSize)
    {
        if (start >= end)
        {
            return;
        }

        buffer.Offset = start;
        buffer.Length = end - start;
        if (_bySource.TryGetValue(source, out UdpPath? path))
        {
            path.CountReceived(end - start);
        }

        _events.OnUdpDatagrams(socket, path is null ? FindUnknown(source) : path, buffer, segmentSize);
    }

    private void ReceiveProbe(ReadOnlySpan<byte> datagram, in EndpointAddress source)
    {
        long now = _clock.Now;
        bool changed = false;
        TunnelPeer? peer = null;
        lock (_gate)
        {
            if (!ProbeMessage.TryRead(datagram, out ProbeMessage probe)
                || !_byId.TryGetValue(probe.Receiver, out PeerPaths? paths)
                || !CandidatePolicy.IsUsable(source, _pool))
            {
                _strayProbes++;
                return;
            }

            PathRoute? route = IsDirectAllowed || paths.Session.Find(source) is not null
                ? paths.Session.Receive(datagram, null, source, now)
                : null;
            if (route is null)
            {
                return;
            }

            if (route.Tag is UdpPath path)
            {
                _bySource[source] = path;
            }

            changed = paths.Publish();
            peer = paths.Peer;
            paths.NextAt = 0;
        }

        SendOutbox();
        if (changed)
        {
            _events.OnPathChosen(peer);
        }

        _wake.Set();
    }

    private UnknownUdpPath FindUnknown(in EndpointAddress source)
    {
        _unknown.Paths ??= new UnknownUdpPath?[MaxUnknown];
        foreach (UnknownUdpPath? known in _unknown.Paths)
        {
            if (known is not null && known.Remote == source)
            {
                return known;
            }
        }

        UnknownUdpPath path = new(_transport, source);
        _unknown.Paths[_unknown.Next] = path;
        _unknown.Next = (_unknown.Next + 1) % MaxUnknown;
        return path;
    }
}
