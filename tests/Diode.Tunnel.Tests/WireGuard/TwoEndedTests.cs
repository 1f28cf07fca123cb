using System.Net;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Tests.WireGuard;

/// <summary>Base of the tests that run two connected interfaces on a virtual wire.</summary>
public abstract class TwoEndedTests
{
    private protected TwoEndedTests(
        int seed = 1, Func<WireGuardOptions, WireGuardOptions>? configure = null, Func<PeerOptions, PeerOptions>? peer = null)
    {
        Wire = new VirtualWire(seed);
        A = Wire.AddNode("a", configure);
        B = Wire.AddNode("b", configure);
        ToB = A.Connect(B, peer);
        ToA = B.Connect(A, peer);
    }

    private protected VirtualWire Wire { get; }

    private protected VirtualNode A { get; }

    private protected VirtualNode B { get; }

    private protected Peer ToB { get; }

    private protected Peer ToA { get; }

    /// <summary>Handshakes, and leaves both lists of deliveries empty.</summary>
    private protected void Establish()
    {
        A.SendPacket(ToB, B);
        Wire.RunSeconds(1);
        B.SendPacket(ToA, A);
        Wire.RunSeconds(0.5);
        A.Delivered.Clear();
        B.Delivered.Clear();
        Wire.Log.Clear();
    }

    private protected int Sent(VirtualNode from, int type)
    {
        return Wire.Log.Count(flight => flight.From == from && flight.Type == type);
    }

    private protected static byte[] Packet(IPAddress from, IPAddress to)
    {
        return VirtualNode.MakePacket(from, to, 0, 60);
    }
}
