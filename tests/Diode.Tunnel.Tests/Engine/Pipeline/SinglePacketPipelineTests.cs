namespace Diode.Tunnel.Tests.Engine.Pipeline;

/// <summary>The same where datagrams are taken one by one, as from a peer that sends little.</summary>
public sealed class SinglePacketPipelineTests() : PacketPipelineTests(trains: false);
