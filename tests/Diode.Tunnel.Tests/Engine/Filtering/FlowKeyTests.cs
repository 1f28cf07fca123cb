using System.Security.Cryptography;
using Diode.Tunnel.Engine.Filtering;
using Diode.Tunnel.Engine.Packets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Filtering;

public sealed class FlowKeyTests
{
    private const int Sets = 8192;
    private const int Ways = 8;

    /// <summary>Programs take one port after the other, scanners one address after the other: whatever the seed, no set of the table may overflow.</summary>
    [Theory]
    [InlineData("local ports")]
    [InlineData("remote ports")]
    [InlineData("remote addresses")]
    [InlineData("peers")]
    public void Flows_in_a_row_are_spread_with_every_seed(string what)
    {
        PacketAddress me = Ipv4(0x6440_0001);
        int[] used = new int[Sets];
        for (int round = 0; round < 1000; round++)
        {
            ulong seed = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));
            Array.Clear(used);
            for (int i = 0; i < 2000; i++)
            {
                PacketAddress them = Ipv4(0x6440_0100 + (what == "remote addresses" ? (uint)i : 0));
                FlowKey key = new(
                    me, them, what == "peers" ? i : 1, (ushort)(what == "local ports" ? 10_000 + i : 53), (ushort)(what == "remote ports" ? 10_000 + i : 99), 17);
                used[(int)(key.Hash(seed) % Sets)]++;
            }

            Assert.True(used.Max() <= Ways, $"{used.Max()} in one set with seed {seed:x16}");
        }
    }

    private static PacketAddress Ipv4(uint address) => new(0, (0xFFFFUL << 32) | address);
}
