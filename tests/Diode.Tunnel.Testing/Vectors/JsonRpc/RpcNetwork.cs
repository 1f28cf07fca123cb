using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.RelayPeers;

namespace Diode.Tunnel.Testing.Vectors.JsonRpc;

/// <summary>The other relays of an <see cref="RpcWorld"/>.</summary>
internal sealed class RpcNetwork(RpcWorld world) : IObjectNetwork
{
    public ValueTask<byte[]?> FindObjectAsync(ReadOnlyMemory<byte> key, CancellationToken cancel)
    {
        return Address.TryRead(key.Span, out Address address) ? FindNodeAsync(address, cancel) : new((byte[]?)null);
    }

    public ValueTask<byte[]?> FindNodeAsync(Address relay, CancellationToken cancel)
    {
        return new(world.Nodes.TryGetValue(relay, out (byte[] Encoded, bool Connected) node) ? node.Encoded : null);
    }

    public IReadOnlyList<byte[]> NearestNodes(ReadOnlySpan<byte> key) => [];

    public IReadOnlyList<NetworkNode> ListNodes()
    {
        return
        [
            new NetworkNode(world.Node, true, true, true, null, null, 0, null),
            .. world.Nodes.Select(node => new NetworkNode(
                node.Key, false, node.Value.Connected, true, 0, null, 0, Read(node.Value.Encoded))),
        ];
    }

    public void Publish(Ticket ticket)
    {
    }

    public bool TryForwardMessage(Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata) => false;

    public void OpenRemotePort(Address device, Address opener, ReadOnlySpan<byte> name, IRemotePortEnd end)
    {
        throw new NotSupportedException();
    }

    private static ServerObject? Read(byte[] encoded)
    {
        return ServerObject.TryReadRlp(encoded, out ServerObject? server) ? server : null;
    }
}
