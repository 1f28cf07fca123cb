using System.Collections.Immutable;
using Diode.Tunnel.Engine.Names;
using Diode.Tunnel.Ethereum;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Names;

public sealed class BnsNameCacheTests
{
    private static readonly ImmutableArray<Address> One = [DnsResponderTests.Device(1)];
    private static readonly ImmutableArray<Address> Two = [DnsResponderTests.Device(1), DnsResponderTests.Device(2)];
    private readonly BnsNameCache _names = new(TimeSpan.FromHours(1));
    private DateTimeOffset _now = DateTimeOffset.UnixEpoch.AddDays(20_000);

    [Fact]
    public void A_reading_counts_for_a_minute_and_nothing_for_ten_seconds()
    {
        Assert.True(Put("my-first-name", Two));
        Assert.True(Put("a-free-name", []));
        Assert.Equal(Two, Assert.Single(_names.Names(_now)).Value);
        _now += TimeSpan.FromSeconds(11);
        Assert.Null(_names.Find("a-free-name", _now));
        Assert.NotNull(_names.Find("my-first-name", _now));
        Assert.False(Put("my-first-name", Two));
        Assert.True(Put("my-first-name", One));
        DateTimeOffset before = _now;
        _now += TimeSpan.FromSeconds(61);
        Assert.Null(_names.Find("my-first-name", _now));
        Assert.Empty(_names.Names(_now));
        Assert.True(_names.HasEnded(before, _now));
        Assert.False(_names.HasEnded(_now, _now.AddSeconds(1)));
    }

    [Fact]
    public void The_last_reading_goes_on_counting_while_the_chain_cannot_be_read_but_not_for_ever()
    {
        Put("my-first-name", Two);
        for (int minute = 0; minute < 60; minute++)
        {
            _now += TimeSpan.FromMinutes(1);
            Assert.Equal(Two, _names.Prolong("my-first-name", _now)!.Devices);
            Assert.NotNull(_names.Find("my-first-name", _now));
            Assert.Null(_names.Find("my-first-name", _now.AddSeconds(11)));
        }

        _now += TimeSpan.FromMinutes(1);
        Assert.Null(_names.Prolong("my-first-name", _now));
        Assert.Null(_names.Prolong("never-asked", _now));
    }

    [Fact]
    public void Made_up_names_take_no_more_than_a_bounded_place()
    {
        for (int i = 0; i < 2 * BnsNameCache.MaxNames; i++)
        {
            _now += TimeSpan.FromMilliseconds(1);
            Put($"made-up-{i}", One);
        }

        Assert.Equal(BnsNameCache.MaxNames, _names.Names(_now).Count());
        Assert.Null(_names.Find("made-up-0", _now));
    }

    private bool Put(string name, ImmutableArray<Address> devices) => _names.Put(name, new BnsReading(devices, "av: 2 of 3 relays agree", _now));
}
