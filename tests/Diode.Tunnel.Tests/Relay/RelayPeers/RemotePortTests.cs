using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay.RelayPeers;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.RelayPeers;

/// <summary>Ports on a link: windows, slow devices, floods.</summary>
public sealed class RemotePortTests : IRemoteDevices, IRemotePortEnd, IFrameOutboxWaiter, IDisposable
{
    private readonly PeerWorld _world = new();
    private readonly PrivateKey _peer = PrivateKey.Generate();
    private readonly PeerSession _link;
    private readonly List<byte> _received = [];
    private readonly Address _device = new(Enumerable.Repeat((byte)7, Address.Length).ToArray());
    private IRemotePort? _port;
    private IFrameOutboxWaiter? _waiter;
    private string _opener = "";
    private string _failed = "";
    private bool _isFull;
    private int _closed;
    private int _roomSignals;

    public RemotePortTests()
    {
        _world.Core.Devices = this;
        _link = _world.OpenReady(_peer);
    }

    public void Dispose()
    {
        _link.Dispose();
        _world.Dispose();
        _peer.Dispose();
    }

    [Fact]
    public void A_slow_device_stops_its_own_port_only_and_a_flood_closes_it()
    {
        Ask(5);
        Assert.Equal(_peer.Address.ToString(), _opener);
        _port!.Confirm();
        Assert.Contains("ok", Show(Assert.Single(PeerWorld.Read(_link))));
        _isFull = true;
        byte[] piece = new byte[32_768];
        for (int i = 0; i < PeerLimits.PortWindow / piece.Length; i++)
        {
            piece[0] = (byte)i;
            Send(piece);
        }

        Assert.Empty(_received);
        Assert.Single(_world.Ask(_link, PeerWorld.Message("ping")));

        // It reads again: everything comes in order, and the sender hears that there is room.
        _isFull = false;
        _waiter!.OnOutboxRoom();
        Assert.True(SpinWait.SpinUntil(() => { lock (_received) { return _received.Count == PeerLimits.PortWindow; } }, 5000));
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7], _received.Where((_, at) => at % piece.Length == 0));
        Assert.True(SpinWait.SpinUntil(() => PeerWorld.Read(_link).Any(term => PeerTerms.TryGetTag(term, out string tag) && tag == PeerTerms.PortTaken), 5000));

        // Who does not keep to the window loses the port, not the link.
        _isFull = true;
        for (int i = 0; i < 20; i++)
        {
            Send(piece);
        }

        Assert.Contains(PeerWorld.Read(_link), term => PeerTerms.TryGetTag(term, out string tag) && tag == PeerTerms.PortClose);
        Assert.Equal(PeerCloseReason.None, _link.Failure);
        _isFull = false;
        _waiter!.OnOutboxRoom();
        Assert.True(SpinWait.SpinUntil(() => _closed == 1, 5000));
        Assert.Equal(0, _link.PortCount);
    }

    [Fact]
    public void A_sender_waits_for_the_window()
    {
        Assert.True(_link.TryOpenPort(_device, _device, "tcp:1"u8, this, _world.NowMs));
        BertTerm open = Assert.Single(PeerWorld.Read(_link));
        Assert.Equal(5, open.Items.Count);
        BertTerm reference = open.Items[2];
        Assert.True(_world.Send(_link, PeerWorld.Message("response", BertTerm.FromAtom("portopen"), reference, PeerWorld.Bin("ok"u8))));
        int sent = 0;
        byte[] piece = new byte[30_000];
        while (_port!.Send(piece, this, _world.NowMs) == PortSendStatus.Accepted)
        {
            sent += piece.Length;
        }

        Assert.InRange(sent, PeerLimits.PortWindow, PeerLimits.PortWindow + piece.Length);
        Assert.Equal(0, _roomSignals);
        Assert.True(_world.Send(_link, PeerWorld.Message("porttaken", reference, BertTerm.FromNumber(90_000))));
        Assert.Equal(1, _roomSignals);
        Assert.Equal(PortSendStatus.Accepted, _port.Send(piece, this, _world.NowMs));

        // The other end closes.
        Assert.True(_world.Send(_link, PeerWorld.Message("portclose", reference)));
        Assert.Equal(1, _closed);
        Assert.Equal(PortSendStatus.NoPort, _port.Send(piece, this, _world.NowMs));
    }

    [Fact]
    public void An_open_without_answer_ends_and_so_does_one_whose_link_goes_down()
    {
        Assert.True(_link.TryOpenPort(_device, _device, "tcp:1"u8, this, _world.NowMs));
        _ = _link.Tick(_world.NowMs + PeerLimits.PortTimeoutMs);
        Assert.Equal("unknown", _failed);
        _failed = "";
        Assert.True(_link.TryOpenPort(_device, _device, "tcp:1"u8, this, _world.NowMs));
        _link.Close(PeerCloseReason.PeerLeft);
        Assert.Equal("unknown", _failed);
        Assert.Equal(0, _link.PortCount);
    }

    [Fact]
    public void A_flood_of_opens_is_refused()
    {
        for (int i = 0; i < PeerLimits.PortBurst; i++)
        {
            Ask((uint)(1000 + i));
        }

        _ = PeerWorld.Read(_link);
        Ask(9999);
        Assert.Contains(Convert.ToHexStringLower("too many open ports"u8), Show(Assert.Single(PeerWorld.Read(_link))));
        Assert.Equal(PeerLimits.PortBurst, _link.PortCount);
    }

    [Fact]
    public void The_frame_of_port_data_reads_the_same_both_ways()
    {
        foreach (int length in new[] { 0, 1, 1000, PortFrame.MaxData })
        {
            byte[] data = [.. Enumerable.Range(0, length).Select(i => (byte)i)];
            byte[] frame = PortFrame.Rent(0x12345678, data, out int total);
            ReadOnlySpan<byte> payload = frame.AsSpan(PeerLimits.HeaderLength, total - PeerLimits.HeaderLength);
            Assert.True(PortFrame.TryRead(payload, out ulong portRef, out ReadOnlySpan<byte> read));
            Assert.Equal(0x12345678ul, portRef);
            Assert.True(read.SequenceEqual(data));

            // Every inflater understands it.
            Assert.True(PeerFrames.TryRead(payload, out BertTerm? term));
            Assert.True(term.Items[2].Bytes.Span.SequenceEqual(data));
            for (int cut = 0; cut < Math.Min(payload.Length, 60); cut++)
            {
                Assert.False(PortFrame.TryRead(payload[..cut], out _, out _));
            }
        }
    }

    bool IRemoteDevices.DeliverMessage(Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata) => false;

    string IRemoteDevices.OpenPort(
        IRemotePort port, Address device, Address opener, ReadOnlySpan<byte> name, long nowMs, out IRemotePortEnd? end)
    {
        _port = port;
        _opener = opener.ToString();
        end = this;
        return "";
    }

    void IRemotePortEnd.OnOpened(IRemotePort port) => _port = port;

    void IRemotePortEnd.OnFailed(ReadOnlySpan<byte> reason) => _failed = System.Text.Encoding.ASCII.GetString(reason);

    PortSendStatus IRemotePortEnd.OnData(ReadOnlySpan<byte> data, IFrameOutboxWaiter waiter, long nowMs)
    {
        _waiter = waiter;
        if (_isFull)
        {
            return PortSendStatus.Blocked;
        }

        lock (_received)
        {
            _received.AddRange(data);
        }

        return PortSendStatus.Accepted;
    }

    void IRemotePortEnd.OnClosed() => Interlocked.Increment(ref _closed);

    void IFrameOutboxWaiter.OnOutboxRoom() => _roomSignals++;

    private void Ask(uint portRef)
    {
        Assert.True(_world.Send(_link, PeerWorld.Message(
            "portopen",
            BertTerm.FromNumber(80),
            PeerTerms.OfRef(portRef),
            PeerWorld.Bin(_device.ToArray()),
            PeerWorld.Bin(_peer.Address.ToArray()))));
    }

    private void Send(byte[] data)
    {
        byte[] frame = PortFrame.Rent(5, data, out int length);
        Assert.True(_link.Receive(frame.AsSpan(0, length), _world.NowMs));
    }

    private static string Show(BertTerm term)
    {
        return PeerWorld.Show(term).Replace(Convert.ToHexStringLower("ok"u8), "ok", StringComparison.Ordinal);
    }
}
