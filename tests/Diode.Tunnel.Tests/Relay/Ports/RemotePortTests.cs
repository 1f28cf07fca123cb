using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.RelayPeers;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Ports;

/// <summary>Flag <c>p</c>: both relays' ends of a port, with the link between them replaced by direct calls.</summary>
public sealed class RemotePortTests
{
    private const uint NearRef = 0x0111_1111;
    private const uint FarRef = 0x0222_2222;

    private readonly RelayWorld _near = new();
    private readonly RelayWorld _far = new();
    private readonly DirectNetwork _network;
    private readonly RelayPeer _opener;
    private readonly RelayPeer _target;

    public RemotePortTests()
    {
        _network = new DirectNetwork(_near, _far);
        _near.Core.Network = _network;
        _far.Core.Network = new DirectNetwork(_far, _near);
        _opener = _near.Connect();
        _opener.AskTicket(1, 100_000);
        _target = _far.Connect();
        _near.Expect(NearRef);
        _far.Expect(FarRef);
    }

    [Fact]
    public void Opens_carries_and_closes_and_charges_each_device_at_its_relay()
    {
        Open("rwp");
        Assert.Equal("[response ok]", _opener.Ask("portsend", NearRef, "there"));
        Assert.Equal(["[portsend 0x02222222 there]"], _target.ReadTexts());
        Assert.Equal("[response ok]", _target.Ask("portsend", FarRef, "back"));
        Assert.Equal(["[portsend 0x01111111 back]"], _opener.ReadTexts());
        long near = _opener.Session.Account.Usage;
        long far = _target.Session.Account.Usage;
        Assert.Equal("[response ok]", _opener.Ask("portsend", NearRef, new byte[10_000]));
        Assert.InRange(_opener.Session.Account.Usage - near, 10_000, 10_100);
        Assert.InRange(_target.Session.Account.Usage - far, 10_000, 10_100);
        _target.ReadTexts();
        Assert.Equal("[response ok]", _opener.Ask("portclose", NearRef));
        Assert.Equal(["[portclose 0x02222222]"], _target.ReadTexts());
        Assert.Equal("[error port does not exist]", _target.Ask("portsend", FarRef, "late"));
        AssertNothingIsLeft();
    }

    [Fact]
    public void The_target_closes_or_leaves()
    {
        Open("rwp");
        Assert.Equal("[response ok]", _target.Ask("portclose", FarRef));
        Assert.Equal(["[portclose 0x01111111]"], _opener.ReadTexts());
        AssertNothingIsLeft();
        _near.Expect(NearRef);
        _far.Expect(FarRef);
        Open("rwp");
        _target.Disconnect();
        Assert.Equal(["[portclose 0x01111111]"], _opener.ReadTexts());
        AssertNothingIsLeft();
    }

    [Fact]
    public void Refusals_and_silence_are_told()
    {
        _opener.Send("portopen", _target.Device.Address, "tls:22", "rwp");
        _target.Send("error", FarRef, "go away");
        Assert.Equal(["[error go away]"], _opener.ReadTexts());
        _opener.Send("portopen", new byte[20], "tls:22", "rwp");
        Assert.Equal(["[error not found]"], _opener.ReadTexts());
        _opener.Send("portopen", _target.Device.Address, new byte[2], "rwp");
        Assert.Equal(["[error invalid port]"], _opener.ReadTexts());
        _opener.Send("portopen", _target.Device.Address, "tls:22", "rw");
        Assert.Equal(["[error not found]"], _opener.ReadTexts());
        _opener.Send("portopen", _target.Device.Address, "tls:22", "rwp");
        _near.Advance(TimeSpan.FromSeconds(36));
        Assert.Contains("[error unknown]", _opener.ReadTexts());
        _target.ReadTexts();

        // The late yes of the target finds nobody.
        _target.Send("response", 0x1000_0000u, "ok");
        Assert.Equal(["[portclose 0x10000000]"], _target.ReadTexts());
        AssertNothingIsLeft();
    }

    [Fact]
    public void An_opener_that_leaves_before_the_answer_leaves_nothing_behind()
    {
        _opener.Send("portopen", _target.Device.Address, "tls:22", "rwp");
        _opener.Disconnect();
        _target.ReadTexts();
        _target.Send("response", FarRef, "ok");
        Assert.Equal(["[portclose 0x02222222]"], _target.ReadTexts());
        AssertNothingIsLeft();
    }

    [Fact]
    public void A_relay_speaks_only_for_devices_whose_tickets_name_it()
    {
        _network.Claimed = _far.Key.Address;
        _opener.Send("portopen", _target.Device.Address, "tls:22", "rwp");
        Assert.Equal(["[error invalid ticket]"], _opener.ReadTexts());
        _network.Claimed = _near.Key.Address;
        RelayPeer stranger = _near.Connect();
        stranger.Send("portopen", _target.Device.Address, "tls:22", "rwp");
        Assert.Equal(["[error invalid ticket]"], stranger.ReadTexts());
        Assert.Empty(_target.ReadTexts());
        AssertNothingIsLeft();
        _near.Expect(NearRef);
        Open("rwp");
    }

    [Fact]
    public void The_target_is_asked_when_the_opener_was_looked_up()
    {
        var lookup = new TaskCompletionSource();
        ((DirectNetwork)_far.Core.Network!).Lookup = lookup;
        _opener.Send("portopen", _target.Device.Address, "tls:22", "rwp");
        Assert.Empty(_target.ReadTexts());
        lookup.SetResult();
        IReadOnlyList<string> asked = [];
        Assert.True(SpinWait.SpinUntil(() => (asked = [.. _target.ReadTexts()]).Count > 0, 5000));
        Assert.Equal([$"[portopen tls:22 0x{FarRef:x8} {_opener.Device.Address}]"], asked);
        _target.Send("response", FarRef, "ok");
        Assert.Equal([$"[response ok 0x{NearRef:x8}]"], _opener.ReadTexts());
        _opener.Disconnect();
        Assert.Equal(["[portclose 0x02222222]"], _target.ReadTexts());
        AssertNothingIsLeft();
    }

    [Fact]
    public void Permissions_hold_across_relays()
    {
        Open("rp");
        Assert.Equal("[response ok]", _opener.Ask("portsend", NearRef, "not heard"));
        Assert.Empty(_target.ReadTexts());
        _target.Send("portsend", FarRef, "heard");
        Assert.Equal(["[portsend 0x01111111 heard]"], _opener.ReadTexts());
    }

    [Fact]
    public void A_full_device_holds_the_sender_back()
    {
        Open("rwp");
        byte[] frame = RelayPeer.Frame(9, "portsend", NearRef, new byte[60_000]);
        EdgeServerStatus status = EdgeServerStatus.NeedInput;
        int sent = 0;
        for (; status == EdgeServerStatus.NeedInput && sent < 100; sent++)
        {
            status = _opener.Feed(frame);
            _opener.Drain(int.MaxValue);
        }

        Assert.Equal(EdgeServerStatus.Blocked, status);
        Assert.InRange(_target.Session.Edge.Output.Length, 1 << 20, (1 << 20) + 70_000);
        _target.Drain(int.MaxValue);
        Assert.Equal(EdgeServerStatus.NeedInput, _opener.Session.Edge.Process(_near.NowMs));
    }

    [Fact]
    public void Unanswered_opens_elsewhere_are_limited()
    {
        _network.Answers = false;
        for (int i = 0; i < 16; i++)
        {
            Assert.Equal("", _opener.Ask("portopen", _target.Device.Address, "tls:22", "rwp"));
        }

        Assert.Equal("[error too many hanging ports]", _opener.Ask("portopen", _target.Device.Address, "tls:22", "rwp"));
    }

    [Fact]
    public void Messages_go_on_to_the_other_relay()
    {
        _opener.Send("message", _target.Device.Address, "hello", Array.Empty<object>());
        Assert.Equal(["[message_received hello []]"], _target.ReadTexts());
        Assert.Empty(_opener.ReadTexts());
    }

    private void Open(string flags)
    {
        _opener.Send("portopen", _target.Device.Address, "tls:22", flags);
        Assert.Equal([$"[portopen tls:22 0x{FarRef:x8} {Show(_opener.Device.Address)}]"], _target.ReadTexts());
        _target.Send("response", FarRef, "ok");
        Assert.Equal([$"[response ok 0x{NearRef:x8}]"], _opener.ReadTexts());
    }

    private void AssertNothingIsLeft()
    {
        Assert.Equal(0, _near.Core.Ports.Count);
        Assert.Equal(0, _far.Core.Ports.Count);
        Assert.Equal(0, _opener.Session.RemoteOpens);
        Assert.Equal(0, _target.Session.HangingOpens);
    }

    private static string Show(Address address)
    {
        return address.ToString();
    }

    /// <summary>Both sides of a link in one place; queues nothing.</summary>
    private sealed class DirectNetwork(RelayWorld near, RelayWorld far) : IObjectNetwork
    {
        public bool Answers { get; set; } = true;

        /// <summary>Who the other relay takes this one for.</summary>
        public Address Claimed { get; set; } = near.Core.Address;

        public TaskCompletionSource? Lookup { get; set; }

        public async ValueTask<byte[]?> FindObjectAsync(ReadOnlyMemory<byte> key, CancellationToken cancel)
        {
            await (Lookup?.Task ?? Task.CompletedTask);
            if (far.Core.Tickets.Find(new Address(key.Span)) is not Ticket ticket)
            {
                return null;
            }

            var writer = new Diode.Tunnel.Ethereum.Rlp.RlpWriter();
            ticket.WriteObject(writer);
            return writer.ToArray();
        }

        public ValueTask<byte[]?> FindNodeAsync(Address relay, CancellationToken cancel) => default;

        public IReadOnlyList<byte[]> NearestNodes(ReadOnlySpan<byte> key) => [];

        public IReadOnlyList<NetworkNode> ListNodes() => [];

        public void Publish(Ticket ticket)
        {
        }

        public bool TryForwardMessage(Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
        {
            return far.Core.RemoteDevices.DeliverMessage(device, payload, metadata);
        }

        public void OpenRemotePort(Address device, Address opener, ReadOnlySpan<byte> name, IRemotePortEnd end)
        {
            if (!Answers)
            {
                return;
            }

            var ours = new Side { Relay = far.Core.Address };
            var remote = new Side { Relay = Claimed, Opener = end, Other = ours };
            ours.Other = remote;
            remote.Local = end;
            string error = far.Core.RemoteDevices.OpenPort(
                remote, device, opener, name, far.NowMs, out IRemotePortEnd? target);
            ours.Local = target;
            if (error.Length > 0)
            {
                end.OnFailed(System.Text.Encoding.ASCII.GetBytes(error));
            }
        }
    }

    // What the device of one relay calls; Local is the end on the other relay.
    private sealed class Side : IRemotePort
    {
        private bool _over;

        public Side Other { get; set; } = null!;

        public IRemotePortEnd? Opener { get; init; }

        public IRemotePortEnd? Local { get; set; }

        public Address Relay { get; init; }

        public void Confirm()
        {
            Opener!.OnOpened(Other);
        }

        public void Refuse(ReadOnlySpan<byte> reason)
        {
            _over = Other._over = true;
            Opener!.OnFailed(reason);
        }

        public PortSendStatus Send(ReadOnlySpan<byte> data, IFrameOutboxWaiter sender, long nowMs)
        {
            return _over ? PortSendStatus.NoPort : Local!.OnData(data, sender, nowMs);
        }

        public void Close()
        {
            if (!_over)
            {
                _over = Other._over = true;
                Local!.OnClosed();
            }
        }
    }
}
