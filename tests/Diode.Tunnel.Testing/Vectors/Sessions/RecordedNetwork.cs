using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.RelayPeers;
using Diode.Tunnel.Testing.Relay;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>The other relays of a scenario, asked directly instead of over links.</summary>
internal sealed class RecordedNetwork(IEnumerable<RelayWorld> others) : IObjectNetwork
{
    private readonly RelayWorld[] _others = [.. others];

    public ValueTask<byte[]?> FindObjectAsync(ReadOnlyMemory<byte> key, CancellationToken cancel)
    {
        if (!Address.TryRead(key.Span, out Address address))
        {
            return ValueTask.FromResult<byte[]?>(null);
        }

        foreach (RelayWorld other in _others)
        {
            if (other.Core.Tickets.Find(address) is Ticket ticket)
            {
                var writer = new RlpWriter();
                ticket.WriteObject(writer);
                return ValueTask.FromResult<byte[]?>(writer.ToArray());
            }
        }

        return FindNodeAsync(address, cancel);
    }

    public ValueTask<byte[]?> FindNodeAsync(Address relay, CancellationToken cancel)
    {
        RelayWorld? world = Array.Find(_others, other => other.Core.Address == relay);
        return ValueTask.FromResult(world?.Core.GetServerObject(world.NowMs).ToArray());
    }

    public IReadOnlyList<byte[]> NearestNodes(ReadOnlySpan<byte> key)
    {
        return [.. _others.Select(other => other.Core.GetServerObject(other.NowMs).ToArray())];
    }

    public IReadOnlyList<NetworkNode> ListNodes()
    {
        return [];
    }

    public void Publish(Ticket ticket)
    {
    }

    public bool TryForwardMessage(Address device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
        return false;
    }

    public void OpenRemotePort(Address device, Address opener, ReadOnlySpan<byte> name, IRemotePortEnd end)
    {
        end.OnFailed("not found"u8);
    }
}
