using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Chains;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Relay;

/// <summary>What the relay asks the chains for on behalf of tickets: fleets and blocks.</summary>
public sealed class FleetWarningTests
{
    private static readonly Hash256 Block = Hash256.Sha256("block"u8);

    private readonly FakeChains _chains = new();
    private readonly RelayWorld _world = new(chain: new BothVersions());

    [Theory]
    [InlineData(FleetStanding.NotRegistered, "[notify warning fleet_not_found Fleet is not registered on this chain]")]
    [InlineData(FleetStanding.NotAContract, "[notify warning invalid_fleet_contract Fleet address is not a contract]")]
    [InlineData(FleetStanding.Registered, null)]
    [InlineData(FleetStanding.Unknown, null)]
    internal void Unknown_fleets_are_warned_about_once_an_hour(FleetStanding standing, string? warning)
    {
        _world.Core.Chains = _chains;
        _chains.Standing = standing;
        RelayPeer device = _world.Connect();
        device.Ask("hello", 1002);
        device.Send(device.TicketItems(1, 1000));
        Assert.Equal(warning is null ? 0 : 1, device.ReadTexts().Count(text => text == warning));
        device.Send(device.TicketItems(2, 2000));
        Assert.Equal(1, _chains.FleetChecks);
        Assert.DoesNotContain(warning, device.ReadTexts());
        _world.NowMs += 3_600_000;
        device.Send(device.TicketItems(3, 3000));
        Assert.Equal(2, _chains.FleetChecks);
        Assert.Equal(warning is null ? 0 : 1, device.ReadTexts().Count(text => text == warning));
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(1001)]
    public void Older_protocols_are_not_warned(int version)
    {
        _world.Core.Chains = _chains;
        _chains.Standing = FleetStanding.NotAContract;
        RelayPeer device = _world.Connect();
        device.Ask("hello", version);
        device.Send(device.TicketItems(1, 1000));
        Assert.Equal(["[response thanks! 0x03e8]"], device.ReadTexts());
        Assert.Equal(0, _chains.FleetChecks);
    }

    [Fact]
    public void Without_a_chain_nothing_is_sent_and_version_1_has_no_blocks()
    {
        RelayPeer device = _world.Connect();
        device.Ask("hello", 1002);
        Assert.Equal("[response thanks! 0x03e8]", device.AskTicket(1, 1000));
        Assert.Equal("[error block not found]", device.Ask(FirstVersion(device)));
        RelayPeer other = new RelayWorld().Connect();
        Assert.Equal("[error block not found]", other.Ask(FirstVersion(other)));
    }

    [Fact]
    public void Version_1_tickets_are_judged_when_the_chain_has_told_the_block()
    {
        _world.Core.Chains = _chains;
        RelayPeer device = _world.Connect();
        _chains.Block = new TaskCompletionSource<Hash256?>();
        Assert.Equal("", device.Ask(FirstVersion(device)));
        Assert.Equal("[response pong]", device.Ask("ping"));
        _chains.Block.SetResult(Block);
        Assert.Equal(["[response thanks! 0x03e8]"], device.ReadTexts());
        _chains.Block = new TaskCompletionSource<Hash256?>();
        _chains.Block.SetResult(null);
        Assert.Equal("[error block not found]", device.Ask(FirstVersion(device)));
    }

    [Fact]
    public void Unanswered_requests_are_limited_and_die_with_the_session()
    {
        _world.Core.Chains = _chains;
        RelayPeer device = _world.Connect();
        _chains.Block = new TaskCompletionSource<Hash256?>();
        object[] ticket = FirstVersion(device);
        for (int i = 0; i < 64; i++)
        {
            Assert.Equal("", device.Ask(ticket));
        }

        _world.NowMs += 1000;
        Assert.Equal("[error too many requests]", device.Ask(ticket));
        device.Disconnect();
        Assert.True(_chains.LastCancel.IsCancellationRequested);
        _chains.Block.SetResult(Block);
        Assert.Equal(0, device.Session.Edge.Output.Length);
    }

    private object[] FirstVersion(RelayPeer device)
    {
        var ticket = new TicketV1
        {
            BlockNumber = 3,
            BlockHash = Block,
            Fleet = default,
            Server = _world.Core.Address,
            TotalConnections = 1,
            TotalBytes = 1000,
        };
        return
        [
            "ticket", 3ul, ticket.Fleet, 1ul, 1000ul, Array.Empty<byte>(),
            ticket.Sign(device.Device).DeviceSignature!.Value.ToArray(),
        ];
    }

    private sealed class BothVersions : Diode.Tunnel.Relay.Accounting.IChainClock
    {
        public bool IsKnown(ulong chainId) => true;

        public ulong GetEpoch(ulong chainId, long unixTimeMs) => chainId == 15 ? 0UL : RelayWorld.Epoch;

        public bool TryGetBlockHash(ulong chainId, ulong blockNumber, out Hash256 hash)
        {
            hash = default;
            return false;
        }
    }

    private sealed class FakeChains : IChainGateway
    {
        public FleetStanding Standing { get; set; }

        public int FleetChecks { get; private set; }

        public CancellationToken LastCancel { get; private set; }

        public TaskCompletionSource<Hash256?> Block { get; set; } = new();

        public bool IsActive(ReadOnlySpan<byte> prefix) => false;

        public bool IsReadable(ulong chainId) => true;

        public ValueTask<byte[]> HandleCommandAsync(string prefix, ReadOnlyMemory<byte> command, CancellationToken cancel)
        {
            return ValueTask.FromResult(new byte[] { 0xc0 });
        }

        public bool TryGetPeak(ulong chainId, out ChainPeak peak)
        {
            peak = default;
            return false;
        }

        public bool TryGetBlockHash(ulong chainId, ulong number, out Hash256 hash)
        {
            hash = default;
            return false;
        }

        public async ValueTask<Hash256?> GetBlockHashAsync(ulong chainId, ulong number, CancellationToken cancel)
        {
            LastCancel = cancel;
            return await Block.Task.WaitAsync(cancel);
        }

        public ValueTask<byte[]?> EthCallAsync(
            ulong chainId, Address to, ReadOnlyMemory<byte> data, CancellationToken cancel) => default;

        public ValueTask<FleetStanding> CheckFleetAsync(ulong chainId, Address fleet, CancellationToken cancel)
        {
            FleetChecks++;
            return ValueTask.FromResult(Standing);
        }

        public ValueTask<bool?> IsDeviceAllowedAsync(
            ulong chainId, Address fleet, Address device, CancellationToken cancel) => default;

        public bool CanSubscribe(string prefix) => false;

        public IDisposable? Subscribe(string prefix, IChainSubscriber subscriber) => null;
    }
}
