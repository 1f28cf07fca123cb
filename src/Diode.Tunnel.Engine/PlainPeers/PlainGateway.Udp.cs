using System.Buffers;
using System.IO.Pipelines;
using Diode.Tunnel.Edge;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <content>
/// UDP. Datagrams of a <c>udp:</c> port travel in clear text through the relay, so they are refused unless the user allows it for the
/// device. No socket is needed: datagrams are taken out of packets and put into packets.
/// </content>
internal sealed partial class PlainGateway
{
    private const int MaxUdpFlows = 1024;
    private const int UdpHeaderLength = 8;

    /// <summary>How long a refusal is remembered.</summary>
    private static readonly TimeSpan RefusalTime = TimeSpan.FromSeconds(2);

    private readonly Lock _udpGate = new();
    private readonly Dictionary<StackFlowKey, UdpFlow> _udpFlows = [];

    /// <summary>UDP flows in the table.</summary>
    public int UdpFlows
    {
        get
        {
            lock (_udpGate)
            {
                return _udpFlows.Count;
            }
        }
    }

    private void TakeUdp(PacketBuffer buffer, in IpPacket packet, PlainTarget target)
    {
        if (!target.AllowsClearText)
        {
            target.LastProblem = $"udp:{packet.DestinationPort}: clear text is not allowed";
            Unreachable(buffer.Span, packet, UnreachableReason.AdministrativelyProhibited);
            return;
        }

        StackFlowKey key = new(packet.Source, packet.SourcePort, packet.Destination, packet.DestinationPort);
        UdpFlow? flow;
        bool isNew = false;
        lock (_udpGate)
        {
            if (!_udpFlows.TryGetValue(key, out flow) && _udpFlows.Count < MaxUdpFlows)
            {
                flow = new UdpFlow(key, target);
                _udpFlows.Add(key, flow);
                isNew = true;
            }
        }

        if (flow is null)
        {
            Interlocked.Increment(ref _dropped);
            return;
        }

        if (flow.IsRefused)
        {
            Unreachable(buffer.Span, packet, UnreachableReason.Port);
            return;
        }

        // The UDP header in front of the datagram gives the room for its length in the stream.
        int start = packet.TransportOffset + UdpHeaderLength - DatagramStreamWriter.HeaderLength;
        int length = System.Buffers.Binary.BinaryPrimitives.ReadUInt16BigEndian(buffer.Span[(packet.TransportOffset + 4)..]) - UdpHeaderLength;
        byte[]? kept = isNew ? buffer.Span[..packet.TotalLength].ToArray() : null;
        Span<byte> framed = buffer.Span.Slice(start, DatagramStreamWriter.HeaderLength + length);
        DatagramStreamWriter.WriteHeader(framed, length);
        target.Count(0, length);
        flow.Send(framed);
        if (isNew)
        {
            Run(() => OpenUdpAsync(flow, kept!));
        }
    }

    private async Task OpenUdpAsync(UdpFlow flow, byte[] first)
    {
        try
        {
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(flow.Stop.Token, _stop.Token);
            PlainOpening opening = await OpenAsync(flow.Target, [new PortName(PortProtocol.Udp, flow.Key.RemotePort)], either.Token).ConfigureAwait(false);
            if (opening.Port is not { } port)
            {
                flow.IsRefused = true;
                if (IpPacket.TryParse(first, out IpPacket packet))
                {
                    Unreachable(first, packet, opening.IsRefusal ? UnreachableReason.Port : UnreachableReason.Host);
                }

                await Task.Delay(RefusalTime, _time, either.Token).ConfigureAwait(false);
                return;
            }

            try
            {
                port.Inbox!.OnFailed = () => _ = flow.Stop.CancelAsync();
                flow.Open(port);
                Task inward = DeliverAsync(flow, port.Inbox, either.Token);
                long before;
                do
                {
                    before = flow.Moved;
                    await Task.WhenAny(inward, Task.Delay(DatagramPort.IdleTimeout, _time, either.Token)).ConfigureAwait(false);
                }
                while (!inward.IsCompleted && !either.IsCancellationRequested && flow.Moved != before);
                await flow.Stop.CancelAsync().ConfigureAwait(false);
                await inward.ConfigureAwait(false);
            }
            finally
            {
                port.Close();
                port.Inbox!.OnFailed = null;
                port.Inbox.Dispose();
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
        finally
        {
            lock (_udpGate)
            {
                _udpFlows.Remove(flow.Key);
            }
        }
    }

    /// <summary>Datagrams of the device become packets from its virtual address.</summary>
    private async Task DeliverAsync(UdpFlow flow, PortInbox inbox, CancellationToken cancellation)
    {
        using DatagramStreamReader reader = new();
        byte[] packet = ArrayPool<byte>.Shared.Rent(UdpPacket.MaxHeader + EdgeLimits.MaxDatagram);
        try
        {
            while (true)
            {
                ReadResult read = await inbox.ReadAsync(cancellation).ConfigureAwait(false);
                foreach (ReadOnlyMemory<byte> piece in read.Buffer)
                {
                    DeliverPiece(flow, reader, piece.Span, packet);
                }

                bool over = read.IsCompleted || reader.IsBroken;
                inbox.Advance(read);
                if (over)
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(packet);
        }
    }

    private void DeliverPiece(UdpFlow flow, DatagramStreamReader reader, ReadOnlySpan<byte> piece, byte[] packet)
    {
        while (reader.TryRead(ref piece, out ReadOnlySpan<byte> datagram))
        {
            flow.CountMoved();
            flow.Target.Count(datagram.Length, 0);
            int length = UdpPacket.Write(
                flow.Key.Remote, flow.Key.RemotePort, flow.Key.Local, flow.Key.LocalPort, datagram, packet);
            if (length == 0 || !_adapter.Write(packet.AsSpan(0, length)))
            {
                Interlocked.Increment(ref _dropped);
            }
        }
    }

    private void ForgetUdp(PlainTarget target)
    {
        lock (_udpGate)
        {
            foreach (UdpFlow flow in _udpFlows.Values.Where(f => ReferenceEquals(f.Target, target)))
            {
                _ = flow.Stop.CancelAsync();
            }
        }
    }

    private void AbortUdp()
    {
        lock (_udpGate)
        {
            foreach (UdpFlow flow in _udpFlows.Values)
            {
                _ = flow.Stop.CancelAsync();
            }
        }
    }
}
