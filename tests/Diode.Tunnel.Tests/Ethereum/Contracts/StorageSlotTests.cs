using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.Contracts;

public sealed class StorageSlotTests
{
    [Fact]
    public void Slots_are_those_of_the_reference()
    {
        Hash256 name = BnsName.Hash("diodedemo");
        Assert.Equal("0x4957a93ce578cdc5044983af4ba08605b87f758180c323fc370e52459b406bd0", name.ToString());
        Assert.Equal("0xc6609e37f63c56b6a4bbbbe61633bf4ad7aeb887239b48e2c627c869b3ebebbb", StorageSlots.BnsEntry(name).ToString());
        Assert.Equal(
            "0x7cc173957fec2a78be5f60731f04bf6d2cd5a5843d902349e61551d04c07dc97",
            StorageSlots.FleetMember(Address.Parse("0x960c3362c86aac83b6f67907e4f0736ee48d9a81")).ToString());
        Assert.Equal(
            "0xcfa4bec1d3298408bb5afcfcd9c430549c5b31f8aa5c5848151c0a55f473c34d",
            StorageSlots.Element(StorageSlots.GroupMembers, 0).ToString());
        Assert.Equal(
            "0x0000000000000000000000000000000000000000000000010000000000000001",
            StorageSlots.Next(StorageSlots.At(2), ulong.MaxValue).ToString());
    }

    [Fact]
    public void Words_hold_addresses_and_numbers_or_not()
    {
        var address = Address.Parse("0x960c3362c86aac83b6f67907e4f0736ee48d9a81");
        Assert.True(StorageSlots.TryReadAddress(StorageSlots.Pad(address), out Address read));
        Assert.Equal(address, read);
        Assert.False(StorageSlots.TryReadAddress(Hash256.Sha256([1]), out _));
        Assert.True(StorageSlots.TryReadUInt64(StorageSlots.At(ulong.MaxValue), out ulong number));
        Assert.Equal(ulong.MaxValue, number);
        Assert.False(StorageSlots.TryReadUInt64(StorageSlots.Next(StorageSlots.At(1), ulong.MaxValue), out _));
    }
}
