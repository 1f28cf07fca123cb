using System.Net;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Tests.Engine.Packets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.PlainPeers;

public sealed class StackTranslatorTests
{
    private const ushort Listener = 40_000;
    private static readonly long Second = TimeSpan.TicksPerSecond;

    public static TheoryData<string, string> Families => new()
    {
        { "100.64.1.2", "100.100.3.4" },
        { "fd11:2233:4455::1:2", "fd11:2233:4455::9:8" },
    };

    [Theory]
    [MemberData(nameof(Families))]
    public void A_connection_goes_to_the_listener_and_back(string self, string device)
    {
        StackTranslator stack = new(10);
        byte[] syn = PacketBuilder.Tcp(self, device, 5555, 80, TcpFlags.Syn, options: [2, 4, 5, 180]);
        Assert.Equal(StackVerdict.Open, Translate(stack, syn, out StackFlow? flow));
        Assert.Equal(StackVerdict.Wait, Translate(stack, [.. syn], out _));

        byte[] released = stack.Release(flow!, Listener, Second).ToArray();
        AssertPacket(released, device, flow!.StackPort, self, Listener);
        Assert.True(stack.Release(flow, Listener, Second).IsEmpty);
        Assert.Same(flow, stack.FindAccepted(Parse(device), flow.StackPort));
        Assert.Null(stack.FindAccepted(Parse(device), (ushort)(flow.StackPort + 1)));
        Assert.Null(stack.FindAccepted(Parse(self), flow.StackPort));

        byte[] answer = PacketBuilder.Tcp(self, device, Listener, flow.StackPort, TcpFlags.Syn | TcpFlags.Ack);
        Assert.Equal(StackVerdict.Write, Translate(stack, answer, out _));
        AssertPacket(answer, device, 80, self, 5555);

        byte[] data = PacketBuilder.Tcp(self, device, 5555, 80, TcpFlags.Ack, payload: 333);
        Assert.Equal(StackVerdict.Write, Translate(stack, data, out _));
        AssertPacket(data, device, flow.StackPort, self, Listener);
    }

    [Fact]
    public void Unknown_segments_are_reset_and_first_ones_of_any_form_but_a_plain_syn_too()
    {
        StackTranslator stack = new(10);
        foreach (byte flags in new[] { TcpFlags.Ack, TcpFlags.Fin, (byte)(TcpFlags.Syn | TcpFlags.Ack), (byte)(TcpFlags.Syn | TcpFlags.Rst), (byte)0 })
        {
            Assert.Equal(StackVerdict.Reset, Translate(stack, PacketBuilder.Tcp("100.64.1.2", "100.100.3.4", 5555, 80, flags), out _));
        }

        Assert.Equal(
            StackVerdict.Reset, Translate(stack, PacketBuilder.Tcp("100.64.1.2", "100.100.3.4", Listener, 1024, TcpFlags.Ack), out _));
        Assert.Equal(0, stack.Count);
    }

    [Fact]
    public void Ports_used_again_make_a_new_flow_once_the_old_one_is_closed()
    {
        StackTranslator stack = new(10);
        StackFlow first = Open(stack, 5555);
        byte[] again = PacketBuilder.Tcp("100.64.1.2", "100.100.3.4", 5555, 80, TcpFlags.Syn);
        Assert.Equal(StackVerdict.Write, Translate(stack, [.. again], out _));
        stack.Close(first, Second);
        byte[] last = PacketBuilder.Tcp("100.64.1.2", "100.100.3.4", 5555, 80, TcpFlags.Ack);
        Assert.Equal(StackVerdict.Write, Translate(stack, last, out _));
        Assert.Null(stack.FindAccepted(Parse("100.100.3.4"), first.StackPort));
        Assert.Equal(StackVerdict.Open, Translate(stack, again, out StackFlow? second));
        Assert.NotEqual(first.StackPort, second!.StackPort);
        Assert.Equal(1, stack.Count);
    }

    [Fact]
    public void The_table_is_bounded_and_closed_flows_give_way()
    {
        StackTranslator stack = new(3);
        StackFlow[] flows = [Open(stack, 1), Open(stack, 2), Open(stack, 3)];
        byte[] syn = PacketBuilder.Tcp("100.64.1.2", "100.100.3.4", 4, 80, TcpFlags.Syn);
        Assert.Equal(StackVerdict.Full, Translate(stack, syn, out _));
        stack.Close(flows[1], Second);
        Assert.Equal(StackVerdict.Open, Translate(stack, syn, out _));
        Assert.Equal(3, stack.Count);
    }

    [Fact]
    public void Closed_flows_go_after_a_while_and_silent_ones_are_named()
    {
        StackTranslator stack = new(10);
        StackFlow closed = Open(stack, 1);
        StackFlow open = Open(stack, 2);
        stack.Close(closed, Second);
        Assert.Empty(stack.Expire(Second + (59 * Second)));
        Assert.Equal(2, stack.Count);
        Assert.Empty(stack.Expire(Second + (62 * Second)));
        Assert.Equal(1, stack.Count);
        Assert.Same(open, Assert.Single(stack.Expire(StackTranslator.IdleTimeout.Ticks + (2 * Second))));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Resets_answer_what_was_sent(string self, string device)
    {
        byte[] syn = PacketBuilder.Tcp(self, device, 5555, 80, TcpFlags.Syn);
        byte[] reset = new byte[TcpReset.MaxLength];
        reset = reset[..TcpReset.Write(syn, PacketBuilder.Parse(syn), reset)];
        AssertPacket(reset, device, 80, self, 5555);
        Assert.Equal(TcpFlags.Rst | TcpFlags.Ack, PacketBuilder.Parse(reset).Flags);
        Assert.Equal(1, reset[^9]); // acknowledges the SYN at sequence 0

        byte[] refused = new byte[TcpReset.MaxLength];
        Assert.Equal(0, TcpReset.Write(reset, PacketBuilder.Parse(reset), refused));
        byte[] udp = PacketBuilder.Udp(self, device, 1, 2);
        Assert.Equal(0, TcpReset.Write(udp, PacketBuilder.Parse(udp), refused));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Datagrams_become_sound_packets(string self, string device)
    {
        byte[] packet = new byte[70_000];
        foreach (int length in new[] { 0, 1, 1400, 65_000 })
        {
            int total = UdpPacket.Write(Parse(device), 53, Parse(self), 999, new byte[length], packet);
            AssertPacket(packet[..total], device, 53, self, 999);
        }

        Assert.Equal(0, UdpPacket.Write(Parse(device), 53, Parse(self), 999, new byte[65_535], packet));
        Assert.Equal(0, UdpPacket.Write(Parse(device), 53, Parse(self), 999, new byte[100], packet.AsSpan(0, 50)));
    }

    [Fact]
    public void Damaged_packets_never_throw_and_the_table_stays_bounded()
    {
        StackTranslator stack = new(64);
        InputMutator mutator = new(
            11,
            PacketBuilder.Tcp("100.64.1.2", "100.100.3.4", 5555, 80, TcpFlags.Syn, options: [2, 4, 5, 180]),
            PacketBuilder.Tcp("100.64.1.2", "100.100.3.4", Listener, 1024, TcpFlags.Ack, payload: 20),
            PacketBuilder.Tcp("fd11:2233:4455::1:2", "fd11:2233:4455::9:8", 5555, 80, TcpFlags.Syn));
        byte[] reset = new byte[TcpReset.MaxLength];
        for (int i = 0; i < 100_000; i++)
        {
            byte[] damaged = mutator.Next().ToArray();
            if (!IpPacket.TryParse(damaged, out IpPacket packet) || packet.Protocol != IpProtocol.Tcp || !packet.HasPorts || packet.IsFragment)
            {
                continue;
            }

            TcpReset.Write(damaged, packet, reset);
            if (stack.Translate(damaged, packet, Listener, i, out StackFlow? flow) == StackVerdict.Open && i % 3 == 0)
            {
                stack.Release(flow!, Listener, i);
                stack.Close(flow!, i);
            }

            Assert.True(stack.Count <= 64);
        }
    }

    [Fact]
    public void Bound_ports_are_read_and_refused_with_the_reason()
    {
        const string Device = "0x1111111111111111111111111111111111111111";
        Assert.True(BindDefinition.TryParse($"8080:{Device}:80", out BindDefinition? bind, out _));
        Assert.Equal(new BindDefinition(8080, Device, 80, PortProtocol.Tls), bind);
        Assert.True(BindDefinition.TryParse("auto:my-sensor:53:udp", out bind, out _));
        Assert.Equal(new BindDefinition(0, "my-sensor", 53, PortProtocol.Udp), bind);
        Assert.True(BindDefinition.TryParse("0:Sensor:53:tcp", out bind, out _));
        Assert.Equal("auto:sensor:53:tcp", bind.ToString());

        // Names of a chain have any number of them.
        Assert.True(BindDefinition.TryParse("80:two-dash-es:80", out bind, out _));
        Assert.Equal("two-dash-es", bind.To);
        foreach (string bad in new[]
        {
            "", "80", "80:x", "x:sensor:80", "65536:sensor:80", "80:sensor:0", "80:sensor:65536", "80:sensor:80:sctp", "80:sensor:80:",
            "80:with.dot:80", "80::80", "80:sensor:80:tls:x", "80:0x11-:80", "-1:sensor:80",
        })
        {
            Assert.False(BindDefinition.TryParse(bad, out _, out string? problem), bad);
            Assert.NotEmpty(problem);
        }
    }

    private static StackFlow Open(StackTranslator stack, ushort port)
    {
        byte[] syn = PacketBuilder.Tcp("100.64.1.2", "100.100.3.4", port, 80, TcpFlags.Syn);
        Assert.Equal(StackVerdict.Open, Translate(stack, syn, out StackFlow? flow));
        stack.Release(flow!, Listener, Second);
        return flow!;
    }

    private static StackVerdict Translate(StackTranslator stack, byte[] packet, out StackFlow? flow)
    {
        return stack.Translate(packet, PacketBuilder.Parse(packet), Listener, Second, out flow);
    }

    private static void AssertPacket(byte[] packet, string source, int sourcePort, string destination, int destinationPort)
    {
        Assert.True(PacketBuilder.IsSound(packet));
        IpPacket parsed = PacketBuilder.Parse(packet);
        Assert.Equal((source, sourcePort, destination, destinationPort), (parsed.Source.ToString(), parsed.SourcePort, parsed.Destination.ToString(), parsed.DestinationPort));
    }

    private static PacketAddress Parse(string address)
    {
        return PacketAddress.From(IPAddress.Parse(address));
    }
}
