using Diode.Tunnel.WireGuard.Routing;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard.Routing;

public class PrefixTrieTests
{
    [Theory]
    [InlineData(1, 128)]
    [InlineData(2, 128)]
    [InlineData(3, 16)]
    [InlineData(4, 16)]
    public void Find_agrees_with_a_linear_search(int seed, int bits)
    {
        Random random = new(seed);
        PrefixTrie<string> trie = PrefixTrie<string>.Empty;
        Dictionary<(UInt128 Bits, int Length), string> prefixes = [];
        for (int step = 0; step < 1000; step++)
        {
            int length = random.Next(bits + 1);
            UInt128 prefix = Mask(RandomBits(random), length);
            if (random.Next(3) == 0 && prefixes.Count > 0)
            {
                ((UInt128 b, int l), string v) = prefixes.ElementAt(random.Next(prefixes.Count));
                Assert.Equal(v, trie.Remove(b, l, "other").Find(b) is { } found && l == 128 ? found : v);
                trie = trie.Remove(b, l, v);
                prefixes.Remove((b, l));
            }
            else
            {
                string value = $"{prefix:x}/{length}#{step}";
                trie = trie.Set(prefix, length, value);
                prefixes[(prefix, length)] = value;
            }

            UInt128 address = RandomBits(random);
            string? expected = prefixes.Where(p => Mask(address, p.Key.Length) == p.Key.Bits)
                .OrderByDescending(p => p.Key.Length).Select(p => p.Value).FirstOrDefault();
            Assert.Equal(expected, trie.Find(address));
        }
    }

    [Fact]
    public void A_change_does_not_touch_earlier_snapshots()
    {
        PrefixTrie<string> before = PrefixTrie<string>.Empty.Set(0, 0, "default");
        PrefixTrie<string> after = before.Set(UInt128.One << 127, 1, "upper half");
        Assert.Equal("default", before.Find(UInt128.MaxValue));
        Assert.Equal("upper half", after.Find(UInt128.MaxValue));
        Assert.Equal("default", after.Find(0));
    }

    private static UInt128 RandomBits(Random random)
    {
        // Few distinct bytes, so that prefixes nest and addresses hit.
        UInt128 bits = 0;
        for (int i = 0; i < 16; i++)
        {
            bits = (bits << 8) | (UInt128)(random.Next(2) * 0x81);
        }

        return bits;
    }

    private static UInt128 Mask(UInt128 bits, int length)
    {
        return length == 0 ? 0 : bits >> (128 - length) << (128 - length);
    }
}
