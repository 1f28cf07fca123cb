using System.Buffers.Binary;
using Diode.Tunnel.WireGuard;
using Diode.Tunnel.WireGuard.Cookies;
using Diode.Tunnel.WireGuard.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.WireGuard;

public class MutationTests
{
    private const int Inputs = 120_000;

    /// <summary>
    /// Datagrams of every type, each changed in at least one byte or in its length. A tenth of the handshake messages get a
    /// valid mac1 again, which anybody who knows the public key can make, so that they reach the curve operations.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Receive_never_throws_and_never_delivers_changed_datagrams(int seed)
    {
        VirtualWire wire = new(seed);
        VirtualNode a = wire.AddNode("a");
        VirtualNode b = wire.AddNode("b", options => options with { HandshakesPerSecond = 400 });
        Peer toB = a.Connect(b);
        b.Connect(a);
        b.Interface.IsUnderLoad = true;
        a.SendPacket(toB, b);
        wire.RunSeconds(6);
        b.Interface.IsUnderLoad = false;
        for (int i = 0; i < 20; i++)
        {
            a.SendPacket(toB, b, i, 20 + (i * 70));
        }

        wire.Filter = _ => false;
        wire.RunSeconds(1);
        VirtualWire.Flight[] corpus = [.. wire.Log];
        Assert.Equal([1, 2, 3, 4], corpus.Select(flight => flight.Type).Distinct().Order());
        int delivered = a.Delivered.Count + b.Delivered.Count;
        int handled = Authentic(a) + Authentic(b);
        a.Results.Clear();
        b.Results.Clear();

        byte[] buffer = new byte[2048];
        for (int i = 0; i < Inputs / 2; i++)
        {
            VirtualWire.Flight flight = corpus[wire.Random.Next(corpus.Length)];
            byte[] changed = Mutate(wire.Random, flight.Datagram, buffer);
            if (flight.Type <= 2 && changed.Length == flight.Datagram.Length && wire.Random.Next(10) == 0)
            {
                new CookieGenerator(flight.To.Interface.PublicKey.ToArray(), AeadFactory.Default).AddMacs(changed, 0);
            }

            flight.To.Receive(changed, flight.From);
            if (i % 1000 == 0)
            {
                wire.Log.Clear();
                wire.RunSeconds(0.01);
            }
        }

        Assert.Equal(delivered, a.Delivered.Count + b.Delivered.Count);
        Assert.Equal(0, Authentic(a) + Authentic(b));
        Assert.True(handled > 0);
        Assert.True(a.Results.Count + b.Results.Count >= Inputs / 2);
        Assert.Same(b, toB.Endpoint);
    }

    /// <summary>A peer may put anything into its datagrams.</summary>
    [Fact]
    public void Receive_never_throws_for_what_an_authentic_peer_sends()
    {
        VirtualWire wire = new(3);
        VirtualNode a = wire.AddNode("a");
        VirtualNode b = wire.AddNode("b");
        Peer toB = a.Connect(b);
        b.Connect(a);
        a.SendPacket(toB, b);
        wire.RunSeconds(1);
        byte[] packet = VirtualNode.MakePacket(a.Address, b.Address, 1, 60);
        byte[] buffer = new byte[2048];
        for (int i = 0; i < 20_000; i++)
        {
            int count = b.Delivered.Count;
            byte[] changed = Mutate(wire.Random, packet, buffer);
            a.SendRaw(toB, changed.Length == 0 ? [0] : changed);
            wire.RunSeconds(0.02);
            if (b.Delivered.Count > count)
            {
                byte[] delivered = b.Delivered[^1];
                Assert.True(delivered.Length <= changed.Length + 15);
                Assert.Equal(delivered.Length, BinaryPrimitives.ReadUInt16BigEndian(delivered.AsSpan(2)));
                Assert.True(delivered.AsSpan(12, 4).SequenceEqual(a.Address.GetAddressBytes()));
            }

            wire.Log.Clear();
        }
    }

    private static int Authentic(VirtualNode node)
    {
        return node.Results.Count(result => result.Status != ReceiveStatus.Dropped);
    }

    private static byte[] Mutate(Random random, byte[] original, byte[] buffer)
    {
        int length = original.Length;
        original.CopyTo(buffer, 0);
        if (random.Next(4) == 0)
        {
            length = random.Next(3) == 0 ? random.Next(buffer.Length) : Math.Max(0, length + random.Next(-40, 40));
            random.NextBytes(buffer.AsSpan(Math.Min(length, original.Length), Math.Abs(length - original.Length)));
        }

        int changes = random.Next(1, 6);
        for (int i = 0; i < changes && length > 0; i++)
        {
            // Headers more often than the rest.
            int at = random.Next(2) == 0 ? random.Next(Math.Min(length, 20)) : random.Next(length);
            buffer[at] ^= (byte)random.Next(1, 256);
        }

        byte[] result = buffer[..length];
        if (result.AsSpan().SequenceEqual(original))
        {
            result[0] ^= 0x80;
        }

        return result;
    }
}
