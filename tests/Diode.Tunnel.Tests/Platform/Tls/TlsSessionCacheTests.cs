using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tls;

public sealed class TlsSessionCacheTests
{
    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch);

    [Fact]
    public void Entries_are_found_by_role_and_key_for_five_minutes()
    {
        using TlsSessionCache cache = new(4, _time);
        cache.Store(TlsRole.Client, "a", [1, 2, 3]);
        Assert.False(cache.TryGet(TlsRole.Server, "a", out _));
        Assert.False(cache.TryGet(TlsRole.Client, "b", out _));
        _time.Advance(TlsSessionCache.Lifetime - TimeSpan.FromSeconds(1));
        Assert.True(cache.TryGet(TlsRole.Client, "a", out byte[]? state));
        Assert.Equal([1, 2, 3], state);

        // Being used does not make a session younger.
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(cache.TryGet(TlsRole.Client, "a", out _));
        Assert.Equal(0, cache.Count);
    }

    [Fact]
    public void The_least_recently_used_entry_goes_first()
    {
        using TlsSessionCache cache = new(2, _time);
        cache.Store(TlsRole.Server, "a", [1]);
        cache.Store(TlsRole.Server, "b", [2]);
        Assert.True(cache.TryGet(TlsRole.Server, "a", out _));
        cache.Store(TlsRole.Server, "c", [3]);
        cache.Store(TlsRole.Client, "d", [4]);
        Assert.True(cache.TryGet(TlsRole.Server, "a", out _));
        Assert.False(cache.TryGet(TlsRole.Server, "b", out _));
        Assert.True(cache.TryGet(TlsRole.Server, "c", out _));
        Assert.Equal(3, cache.Count);
    }

    [Fact]
    public void A_caller_that_zeroes_its_copy_leaves_the_entry_alone()
    {
        using TlsSessionCache cache = new(2, _time);
        byte[] given = [1, 2];
        cache.Store(TlsRole.Client, "a", given);
        Array.Clear(given);
        Assert.True(cache.TryGet(TlsRole.Client, "a", out byte[]? first));
        Array.Clear(first);
        Assert.True(cache.TryGet(TlsRole.Client, "a", out byte[]? second));
        Assert.Equal([1, 2], second);
    }

    [Fact]
    public void Many_entries_stay_within_the_capacity()
    {
        using TlsSessionCache cache = new(100, _time);
        for (int i = 0; i < 10_000; i++)
        {
            cache.Store(TlsRole.Server, i.ToString(System.Globalization.CultureInfo.InvariantCulture), new byte[64]);
        }

        Assert.Equal(100, cache.Count);
        cache.Store(TlsRole.Server, "large", new byte[100_000]);
        Assert.False(cache.TryGet(TlsRole.Server, "large", out _));
        cache.Clear();
        Assert.Equal(0, cache.Count);
        cache.Dispose();
        cache.Store(TlsRole.Server, "late", [1]);
        Assert.Equal(0, cache.Count);
    }
}
