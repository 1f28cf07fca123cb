using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Diode.Tunnel.Engine.Paths.PortMapping;
using Diode.Tunnel.Platform.Sockets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Paths;

/// <summary>Asking a gateway for a port: right answers, wrong ones, and gateways that mean harm.</summary>
public sealed class PortMappingTests
{
    private const ushort Port = 41042;
    private static readonly IPAddress Gateway = IPAddress.Parse("192.168.1.1");
    private static readonly byte[] Nonce = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    [Fact]
    public void Pcp_requests_and_answers_have_the_form_of_the_rfc()
    {
        EndpointAddress client = PathWorld.Address("192.168.1.7:1");
        byte[] request = PcpMessage.MakeMapRequest(client, Port, 7200, Nonce);
        Assert.Equal(
            "0201000000001c20" + "00000000000000000000ffffc0a80107" + "0102030405060708090a0b0c" + "11000000" + "a052a052" + "00000000000000000000ffff00000000",
            Convert.ToHexStringLower(request));
        byte[] answer = PcpAnswer(request, "198.51.100.9", 5000);
        Assert.True(PcpMessage.TryReadMapping(answer, Port, Nonce, out EndpointAddress external, out uint seconds));
        Assert.Equal(("198.51.100.9:5000", 3600u), (external.ToString(), seconds));
        byte[] otherNonce = [.. Nonce];
        otherNonce[0]++;
        Assert.False(PcpMessage.TryReadMapping(answer, Port, otherNonce, out _, out _));
        Assert.False(PcpMessage.TryReadMapping(answer, Port + 1, Nonce, out _, out _));
        answer[3] = 2;
        Assert.False(PcpMessage.TryReadMapping(answer, Port, Nonce, out _, out _));
    }

    [Fact]
    public void Nat_pmp_answers_are_read_and_errors_are_not()
    {
        byte[] address = [0, 128, 0, 0, 0, 0, 0, 9, 198, 51, 100, 9];
        Assert.True(NatPmpMessage.TryReadAddress(address, out EndpointAddress external));
        Assert.Equal("198.51.100.9:1", external.ToString());
        byte[] mapping = [0, 129, 0, 0, 0, 0, 0, 9, 0xa0, 0x52, 0x13, 0x88, 0, 0, 0x0e, 0x10];
        Assert.True(NatPmpMessage.TryReadMapping(mapping, Port, out ushort port, out uint seconds));
        Assert.Equal((5000, 3600u), (port, seconds));
        mapping[3] = 2;
        Assert.False(NatPmpMessage.TryReadMapping(mapping, Port, out _, out _));
        Assert.False(NatPmpMessage.TryReadAddress(mapping, out _));
    }

    [Fact]
    public void Nothing_a_gateway_sends_throws()
    {
        Random random = new(11);
        byte[] pcp = PcpAnswer(PcpMessage.MakeMapRequest(PathWorld.Address("192.168.1.7:1"), Port, 7200, Nonce), "198.51.100.9", 5000);
        byte[] soap = Encoding.ASCII.GetBytes(Description("http://192.168.1.1:5000/ctl"));
        for (int i = 0; i < 100_000; i++)
        {
            byte[] datagram = [.. pcp];
            datagram[random.Next(datagram.Length)] = (byte)random.Next(256);
            datagram = datagram[..random.Next(datagram.Length + 1)];
            PcpMessage.TryReadMapping(datagram, Port, Nonce, out _, out _);
            NatPmpMessage.TryReadAddress(datagram, out _);
            NatPmpMessage.TryReadMapping(datagram, Port, out _, out _);
            if (i % 20 == 0)
            {
                byte[] text = [.. soap];
                text[random.Next(text.Length)] = (byte)random.Next(128);
                UpnpDocument.ReadService(Encoding.ASCII.GetString(text, 0, random.Next(text.Length + 1)), new Uri("http://192.168.1.1/"), Gateway);
            }
        }
    }

    [Theory]
    [InlineData("http://192.168.1.1:5000/rootDesc.xml", true)]
    [InlineData("http://192.168.1.2:5000/rootDesc.xml", false)]
    [InlineData("http://gateway.example/rootDesc.xml", false)]
    [InlineData("https://192.168.1.1/rootDesc.xml", false)]
    [InlineData("file:///etc/passwd", false)]
    [InlineData("nonsense", false)]
    public void A_gateway_sends_nobody_elsewhere(string location, bool isTaken)
    {
        string answer = $"HTTP/1.1 200 OK\r\nST: x\r\nLOCATION: {location}\r\n\r\n";
        Assert.Equal(isTaken, UpnpDocument.ReadLocation(answer, Gateway) is not null);
        if (location.Contains(':', StringComparison.Ordinal))
        {
            Assert.Equal(isTaken, UpnpDocument.ReadService(Description(location), new Uri("http://192.168.1.1/"), Gateway) is not null);
        }
    }

    [Fact]
    public void Upnp_texts_are_read_with_bounds()
    {
        Assert.Equal(
            "http://192.168.1.1:5000/ctl/IPConn",
            UpnpDocument.ReadService(Description("/ctl/IPConn"), new Uri("http://192.168.1.1:5000/rootDesc.xml"), Gateway)!.Value.Control.ToString());
        const string Bomb = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\"><!ENTITY c \"&b;&b;&b;\">]><a><serviceType>&c;</serviceType></a>";
        Assert.Null(UpnpDocument.ReadService(Bomb, new Uri("http://192.168.1.1/"), Gateway));
        Assert.Null(UpnpDocument.ReadAddress(new string('x', UpnpDocument.MaxLength + 1)));
        Assert.Equal(
            IPAddress.Parse("198.51.100.9"),
            UpnpDocument.ReadAddress("<s:E xmlns:s=\"s\"><NewExternalIPAddress>198.51.100.9</NewExternalIPAddress></s:E>"));
        Assert.Contains(
            "<NewInternalClient>192.168.1.7</NewInternalClient>",
            UpnpDocument.MakeMapRequest("urn:x", IPAddress.Parse("192.168.1.7"), Port, 0),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_is_asked_for_told_and_given_back()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            // Sockets of the underlay are marked, which needs root.
            return;
        }

        using Socket gateway = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        gateway.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        TaskCompletionSource<PortMappingLease?> told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        PortMapper mapper = new(
            Port, static () => (IPAddress.Loopback, IPAddress.Loopback), lease => told.TrySetResult(lease), TimeProvider.System, ((IPEndPoint)gateway.LocalEndPoint!).Port);
        mapper.Start();
        byte[] buffer = new byte[100];
        uint lastLifetime = uint.MaxValue;
        TimeSpan limit = TimeSpan.FromSeconds(30);
        Task<SocketReceiveFromResult> receiving = ReceiveAsync();
        while (await Task.WhenAny(told.Task, receiving).WaitAsync(limit) != told.Task)
        {
            SocketReceiveFromResult got = await receiving;
            if (got.ReceivedBytes == PcpMessage.Length)
            {
                await gateway.SendToAsync(new byte[1000], got.RemoteEndPoint);
                await gateway.SendToAsync(PcpAnswer(buffer[..PcpMessage.Length], "198.51.100.9", 5000), got.RemoteEndPoint);
            }

            receiving = ReceiveAsync();
        }

        Assert.Equal(("PCP", "198.51.100.9:5000"), ((await told.Task)!.Protocol, (await told.Task)!.External.ToString()));
        await mapper.DisposeAsync();
        while (lastLifetime != 0)
        {
            SocketReceiveFromResult got = await receiving.WaitAsync(limit);
            lastLifetime = got.ReceivedBytes == PcpMessage.Length ? BinaryPrimitives.ReadUInt32BigEndian(buffer.AsSpan(4)) : lastLifetime;
            receiving = ReceiveAsync();
        }

        Task<SocketReceiveFromResult> ReceiveAsync() => gateway.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0));
    }

    private static string Description(string control) =>
        "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><serviceList><service>"
        + "<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>"
        + $"<controlURL>{control}</controlURL></service></serviceList></device></root>";

    private static byte[] PcpAnswer(byte[] request, string external, int port)
    {
        byte[] answer = [.. request];
        answer[1] = 0x81;
        answer[3] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(answer.AsSpan(4), 3600);
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(42), (ushort)port);
        IPAddress.Parse(external).MapToIPv6().GetAddressBytes().CopyTo(answer, 44);
        return answer;
    }
}
