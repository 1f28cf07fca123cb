using System.Collections.Immutable;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Proofs;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <content>
/// Names whose destinations are a fleet.
/// </content>
internal sealed partial class ChainFleetReader
{
    private static async Task<EvmResult<Address[]>> ListNameAsync(
        EvmClient client, Address bns, string name, ulong block, CancellationToken cancel)
    {
        EvmResult<byte[]> answer = await client.CallContractAsync(bns, BnsCalls.ResolveEntry(name), block, cancel).ConfigureAwait(false);
        return !answer.IsOk ? answer.As<Address[]>()
            : BnsCalls.TryReadEntry(answer.Value, out BnsEntry? entry) ? new([.. entry.Destinations.Where(static d => !d.IsZero).Distinct()], null)
            : new(null, $"{bns} is no name service", IsRefusal: true);
    }

    private async Task<EvmResult<ChainFleetReading>> ReadProvenNameAsync(
        Address bns, string name, Agreement agreement, AccountState account, CancellationToken cancel)
    {
        EvmResult<ImmutableArray<Address>> devices = await BnsEntrySlots.ReadAsync(bns, name, async slots =>
        {
            var words = new List<Hash256>();
            foreach (Hash256[] batch in slots.Chunk(SlotsPerProof(agreement)))
            {
                if (await ProveSlotsAsync(bns, agreement, account, batch, cancel).ConfigureAwait(false) is not { } values)
                {
                    return new(null, $"none of the {agreement.Noun}s proves what {name} stands for");
                }

                words.AddRange(values);
            }

            return new([.. words], null);
        }).ConfigureAwait(false);
        return devices.IsOk
            ? new(Reading(agreement.Header, devices.Value, ProvenAssurance(), ProvenText(agreement), account.StorageRoot), null)
            : devices.As<ChainFleetReading>();
    }
}
