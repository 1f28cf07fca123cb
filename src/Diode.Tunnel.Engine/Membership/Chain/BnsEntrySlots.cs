using System.Collections.Immutable;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>
/// The destinations of a name, out of the words of its entry in the name service's storage: with proofs nobody has to propose anything,
/// what the words say is the list.
/// </summary>
internal static class BnsEntrySlots
{
    // Slots of an entry, counted from its first (diode-contracts §11.2).
    private const ulong DestinationsOffset = 3;

    /// <summary>Reads them.</summary>
    /// <param name="bns">The name service.</param>
    /// <param name="name">The name.</param>
    /// <param name="read">Proves the words in some slots.</param>
    public static async Task<EvmResult<ImmutableArray<Address>>> ReadAsync(
        Address bns, string name, Func<Hash256[], Task<EvmResult<Hash256[]>>> read)
    {
        Hash256 entry = StorageSlots.BnsEntry(BnsName.Hash(name));
        Hash256 list = StorageSlots.Next(entry, DestinationsOffset);
        EvmResult<Hash256[]> head = await read([entry, list]).ConfigureAwait(false);
        if (!head.IsOk)
        {
            return head.As<ImmutableArray<Address>>();
        }

        if (!StorageSlots.TryReadUInt64(head.Value[1], out ulong count) || count > BnsCalls.MaxDestinations)
        {
            return new(default, $"{name} stands for more than {BnsCalls.MaxDestinations} devices", IsRefusal: true);
        }

        // Old entries have no list.
        EvmResult<Hash256[]> words = count == 0
            ? new([head.Value[0]], null)
            : await read([.. Enumerable.Range(0, (int)count).Select(i => StorageSlots.Element(list, (ulong)i))]).ConfigureAwait(false);
        if (!words.IsOk)
        {
            return words.As<ImmutableArray<Address>>();
        }

        var devices = new List<Address>();
        foreach (Hash256 word in words.Value)
        {
            if (!StorageSlots.TryReadAddress(word, out Address device))
            {
                return new(default, $"{bns} is no name service", IsRefusal: true);
            }

            if (!device.IsZero && !devices.Contains(device))
            {
                devices.Add(device);
            }
        }

        return new([.. devices], null);
    }
}
