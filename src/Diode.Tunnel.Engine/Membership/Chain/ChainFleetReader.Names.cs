using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Proofs;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <content>
/// Names whose destinations are a fleet. The entry lies in a few words of the name service's storage, so with proofs nobody has to propose
/// anything: what the words say is the list.
/// </content>
internal sealed partial class ChainFleetReader
{
    // Slots of an entry, counted from its first (diode-contracts §11.2).
    private const ulong DestinationsOffset = 3;

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
        Hash256 entry = StorageSlots.BnsEntry(BnsName.Hash(name));
        Hash256 list = StorageSlots.Next(entry, DestinationsOffset);
        Hash256[]? head = await ProveSlotsAsync(bns, agreement, account, [entry, list], cancel).ConfigureAwait(false);
        if (head is null)
        {
            return NotProven(agreement, name);
        }

        if (!StorageSlots.TryReadUInt64(head[1], out ulong count) || count > BnsCalls.MaxDestinations)
        {
            return new(null, $"{name} stands for more than {BnsCalls.MaxDestinations} devices", IsRefusal: true);
        }

        // Old entries have no list.
        var words = new List<Hash256>();
        if (count == 0)
        {
            words.Add(head[0]);
        }

        foreach (Hash256[] batch in Enumerable.Range(0, (int)count).Select(i => StorageSlots.Element(list, (ulong)i)).Chunk(SlotsPerProof(agreement)))
        {
            if (await ProveSlotsAsync(bns, agreement, account, batch, cancel).ConfigureAwait(false) is not { } values)
            {
                return NotProven(agreement, name);
            }

            words.AddRange(values);
        }

        var devices = new List<Address>();
        foreach (Hash256 word in words)
        {
            if (!StorageSlots.TryReadAddress(word, out Address device))
            {
                return new(null, $"{bns} is no name service", IsRefusal: true);
            }

            if (!device.IsZero && !devices.Contains(device))
            {
                devices.Add(device);
            }
        }

        return new(Reading(agreement.Header, [.. devices], ProvenAssurance(), ProvenText(agreement), account.StorageRoot), null);
    }

    private static EvmResult<ChainFleetReading> NotProven(Agreement agreement, string name) =>
        new(null, $"none of the {agreement.Noun}s proves what {name} stands for");
}
