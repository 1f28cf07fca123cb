using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>Somebody who tells about a chain, independent of the others.</summary>
/// <param name="Name">What it is called in texts; the same over all its sessions.</param>
/// <param name="Client">How it is asked.</param>
internal sealed record ChainEndpoint(string Name, EvmClient Client)
{
    /// <summary>Most slots that one answer may prove: half a second of work for a busy node.</summary>
    public int SlotsPerProof { get; init; } = 100;

    /// <summary>The relay that it is; null for an address of the configuration.</summary>
    public Address? Relay { get; init; }

    /// <summary>What it tells about new blocks by itself; null where it has to be asked.</summary>
    public RelayBlocks? Blocks { get; init; }

    /// <summary>Number of its newest block: as it told by itself a moment ago, else it is asked.</summary>
    public async ValueTask<EvmResult<ulong>> GetBlockNumberAsync(CancellationToken cancel)
    {
        if (Blocks?.Newest is { } told)
        {
            return new(told, null);
        }

        EvmResult<ulong> answer = await Client.GetBlockNumberAsync(cancel).ConfigureAwait(false);
        if (answer.IsOk)
        {
            Blocks?.Confirm(answer.Value);
        }

        return answer;
    }
}
