using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Xunit;

namespace Diode.Tunnel.Tests.Edge.Tickets;

public sealed class LocalAddressTests
{
    private static readonly Address Server = Address.Parse("0x37e71eefd3265d5589f906a0ce2621a95df3b047");

    [Fact]
    public void The_published_form_is_written()
    {
        Assert.Equal(
            "02dfd773d59437e71eefd3265d5589f906a0ce2621a95df3b047c6748469800e80",
            Convert.ToHexStringLower(LocalAddress.Encode([Server], 1_770_000_000)));
    }

    [Fact]
    public void Our_keys_travel_and_do_not_hide_the_others()
    {
        byte[] key = [.. Enumerable.Range(7, 32).Select(i => (byte)i)];
        LocalAddress local = LocalAddress.Read(LocalAddress.Encode([Server], 5, key, 2));
        Assert.Equal(LocalAddressForm.Metadata, local.Form);
        Assert.Equal([Server], local.Relays);
        Assert.Equal(5UL, local.Timestamp);
        Assert.Equal(key, local.TunnelKey.ToArray());
        Assert.Equal(2UL, local.CapabilityVersion);
        Assert.Empty(local.UnknownEntries);
        Assert.Throws<ArgumentException>(() => LocalAddress.Encode([Server], 5, new byte[31]));
    }

    [Fact]
    public void Unknown_entries_are_kept_and_a_key_of_wrong_length_is_not_a_key()
    {
        // 02 | [["x", [1]], ["w", 3 bytes], ["v", 9]]
        LocalAddress local = LocalAddress.Read(Convert.FromHexString("02cdc378c101c57783010203c27609"));
        Assert.Equal(LocalAddressForm.Metadata, local.Form);
        Assert.False(local.HasTunnelKey);
        Assert.Equal(9UL, local.CapabilityVersion);
        LocalAddressEntry entry = Assert.Single(local.UnknownEntries);
        Assert.Equal("x"u8.ToArray(), entry.Key.ToArray());
        Assert.Equal([0xc1, 0x01], entry.EncodedValue.ToArray());
        Assert.Equal([Server], local.PreferredRelays(Server));
    }

    [Fact]
    public void Changing_a_ticket_changes_what_its_local_address_says()
    {
        var ticket = new TicketV2
        {
            ChainId = 1,
            EpochNumber = 1,
            Fleet = default,
            Server = Server,
            TotalBytes = 0,
            TotalConnections = 0,
            LocalAddress = LocalAddress.Encode([Server], 5),
        };
        Assert.Equal(5UL, ticket.ReadLocalAddress().Timestamp);
        Assert.Equal(6UL, (ticket with { LocalAddress = LocalAddress.Encode([Server], 6) }).ReadLocalAddress().Timestamp);
    }
}
