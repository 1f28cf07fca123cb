using System.Collections.Immutable;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Membership.Chain;

public sealed class ChainLabelsTests
{
    private static readonly ImmutableArray<Address> Devices = [.. Enumerable.Range(1, 4).Select(static i => new Address([.. new byte[19], (byte)i]))];

    [Theory]
    [InlineData("server", "server")]
    [InlineData("My Laptop!", "my-laptop")]
    [InlineData("  --a__b--  ", "a-b")]
    [InlineData("0x00000000000000000000000000000000000000aa", null)]
    [InlineData("", null)]
    [InlineData("§$%", null)]
    public void Names_become_labels(string name, string? label)
    {
        Assert.Equal(label, ChainLabels.ToLabel(name));
        Assert.True(label is null || FleetLabel.IsValid(label));
        Assert.True(FleetLabel.IsValid(ChainLabels.Plain(Devices[0])));
    }

    [Fact]
    public void What_two_would_be_called_nobody_is_and_what_the_chain_says_comes_first()
    {
        Assert.Equal(["server", "-", "-", "phone"], Labels(new() { [0] = "Server" }, new() { [0] = "phone", [1] = "server", [3] = "phone" }));
        Assert.Equal(["-", "-", "-", "-"], Labels(new() { [0] = "twin", [1] = "twin" }, new() { [2] = "twin" }));
        Assert.Equal(["-", "-", "x", "-"], Labels([], new() { [0] = "same", [1] = "same", [2] = "x" }));
    }

    [Fact]
    public void Nobody_is_called_like_the_address_of_another()
    {
        Assert.Equal(["-", "-", "-", "-"], Labels([], new() { [0] = ChainLabels.Plain(Devices[1]) }));
    }

    private static string[] Labels(Dictionary<int, string> told, Dictionary<int, string> claimed)
    {
        IReadOnlyDictionary<Address, string> labels = ChainLabels.Assign(
            Devices, told.ToDictionary(n => Devices[n.Key], n => n.Value), claimed.ToDictionary(n => Devices[n.Key], n => n.Value));
        return [.. Devices.Select(d => labels[d] == ChainLabels.Plain(d) ? "-" : labels[d])];
    }
}
