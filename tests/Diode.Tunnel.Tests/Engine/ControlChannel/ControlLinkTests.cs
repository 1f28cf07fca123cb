using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Ethereum.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.ControlChannel;

public sealed class ControlLinkTests : IDisposable
{
    private readonly PrivateKey _clientKey = PrivateKey.Generate();
    private readonly PrivateKey _serverKey = PrivateKey.Generate();
    private readonly PrivateKey _otherKey = PrivateKey.Generate();

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(7)]
    public void Two_devices_prove_their_keys_and_talk(int piece)
    {
        using LinkEnd client = new(_clientKey, _serverKey.Address, opener: true);
        using LinkEnd server = new(_serverKey, _clientKey.Address, opener: false);
        client.Link.Start();
        LinkEnd.Run(client, server, piece);
        Assert.True(client.WasOpened && server.WasOpened);
        Assert.True(client.Link.IsOpen && server.Link.IsOpen);
        ControlMessage hello = new()
        {
            Type = ControlMessage.Hello,
            Version = 1,
            HostName = "a",
            TunnelKey = new string('0', 64),
            Exit = new ExitOfferPart("de", true, false),
            Fleets = [new FleetPart("0x01", 7)],
        };
        client.Link.Send(hello);
        server.Link.Send(new ControlMessage { Type = ControlMessage.ExitGrant, Ipv4 = true, Resolvers = ["100.64.0.1"] });
        LinkEnd.Run(client, server, piece);
        ControlMessage heard = Assert.Single(server.Messages);
        Assert.Equal((hello.Type, hello.Version, hello.HostName, hello.TunnelKey), (heard.Type, heard.Version, heard.HostName, heard.TunnelKey));
        Assert.Equal(hello.Exit, heard.Exit);
        Assert.Equal(hello.Fleets, heard.Fleets);
        Assert.Equal(["100.64.0.1"], Assert.Single(client.Messages).Resolvers);
        Assert.Null(client.ClosedBecause ?? server.ClosedBecause);
    }

    [Fact]
    public void A_message_of_megabytes_arrives_whole()
    {
        (LinkEnd client, LinkEnd server) = LinkEnd.Pair(_clientKey, _serverKey);
        using (client)
        using (server)
        {
            string document = new('x', 3_000_000);
            client.Link.Send(new ControlMessage { Type = ControlMessage.Manifest, Document = document });
            client.Link.Send(new ControlMessage { Type = ControlMessage.Ping, Number = 5 });
            LinkEnd.Run(client, server);
            Assert.Equal([document, null], server.Messages.Select(static m => m.Document));
        }
    }

    [Fact]
    public void A_server_with_another_key_is_refused()
    {
        using LinkEnd client = new(_clientKey, _serverKey.Address, opener: true);
        using LinkEnd server = new(_otherKey, _clientKey.Address, opener: false);
        AssertRefused(client, server);
        Assert.Contains("did not prove", client.ClosedBecause, StringComparison.Ordinal);
        Assert.True(client.IsPortClosed);
    }

    [Fact]
    public void A_client_with_another_key_is_refused()
    {
        using LinkEnd client = new(_otherKey, _serverKey.Address, opener: true);
        using LinkEnd server = new(_serverKey, _clientKey.Address, opener: false);
        AssertRefused(client, server);
        Assert.Contains("did not prove", server.ClosedBecause, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_not_TLS_close_the_link()
    {
        using LinkEnd server = new(_serverKey, _clientKey.Address, opener: false);
        server.Link.Receive("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
        Assert.NotNull(server.ClosedBecause);
        server.Link.Receive([1, 2, 3]);
        server.Link.Close("again");
        Assert.DoesNotContain("again", server.ClosedBecause, StringComparison.Ordinal);
    }

    [Fact]
    public void A_changed_record_closes_the_link()
    {
        (LinkEnd client, LinkEnd server) = LinkEnd.Pair(_clientKey, _serverKey);
        using (client)
        using (server)
        {
            server.Link.Receive([0x17, 3, 3, 0, 40, .. new byte[40]]);
            Assert.False(server.Link.IsOpen);
            Assert.Contains("TLS failed", server.ClosedBecause, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Nothing_is_sent_before_the_keys_are_proven_or_after_the_end()
    {
        using LinkEnd client = new(_clientKey, _serverKey.Address, opener: true);
        using LinkEnd server = new(_serverKey, _clientKey.Address, opener: false);
        client.Link.Send(new ControlMessage { Type = ControlMessage.Ping });
        client.Link.Start();
        LinkEnd.Run(client, server);
        client.Link.Close("done");
        client.Link.Send(new ControlMessage { Type = ControlMessage.Ping });
        LinkEnd.Run(client, server);
        Assert.Empty(server.Messages);
    }

    [Fact]
    public void A_link_closed_while_it_reads_delivers_no_more()
    {
        (LinkEnd client, LinkEnd server) = LinkEnd.Pair(_clientKey, _serverKey);
        using (client)
        using (server)
        {
            server.OnMessage = _ =>
            {
                server.Link.Close("enough");
                server.Link.Dispose();
            };
            client.Link.Send(new ControlMessage { Type = ControlMessage.Goodbye });
            client.Link.Send(new ControlMessage { Type = ControlMessage.Ping });
            LinkEnd.Run(client, server);
            Assert.Equal("enough", server.ClosedBecause);
            Assert.Equal(ControlMessage.Goodbye, Assert.Single(server.Messages).Type);
        }
    }

    public void Dispose()
    {
        _clientKey.Dispose();
        _serverKey.Dispose();
        _otherKey.Dispose();
    }

    private static void AssertRefused(LinkEnd client, LinkEnd server)
    {
        client.Link.Start();
        LinkEnd.Run(client, server);
        Assert.False(client.Link.IsOpen && server.Link.IsOpen);
        client.Link.Send(new ControlMessage { Type = ControlMessage.Ping });
        server.Link.Send(new ControlMessage { Type = ControlMessage.Ping });
        LinkEnd.Run(client, server);
        Assert.Empty(client.Messages);
        Assert.Empty(server.Messages);
    }
}
