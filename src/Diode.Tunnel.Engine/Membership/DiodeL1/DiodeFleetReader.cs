using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Membership.DiodeL1;

/// <summary>
/// Reads fleet contracts of Diode L1: who is in is proven by the contract's storage under the state hash of the newest final block, so
/// that one relay is enough. The list that our contract keeps is read whole; where a contract keeps none, the devices that are known
/// here are proven one by one. Thread-safe; only cancellation throws.
/// </summary>
/// <param name="chain">The chain.</param>
/// <param name="standings">Who of the relays is believed.</param>
/// <param name="known">Devices to ask about besides those that the contract lists.</param>
/// <param name="time">The clock.</param>
internal sealed class DiodeFleetReader(
    DiodeChain chain, EndpointStandings standings, Func<IReadOnlyCollection<Address>> known, TimeProvider time) : IFleetReader
{
    /// <summary>Most devices of a fleet: two proofs of a few kilobytes for each one.</summary>
    public const int MaxDevices = 2000;

    /// <summary>Most devices that are asked about unlisted.</summary>
    public const int MaxKnown = 256;

    // Devices that knock are asked about a few at a time, and not remembered without end.
    private const int MaxNews = 16;
    private const int MaxAsked = MaxDevices + (8 * MaxKnown);

    // Blocks come every 15 s and are final within minutes: whoever shows nothing newer than this hides something, or the chain stands.
    private static readonly TimeSpan MaxAge = TimeSpan.FromHours(1);

    private static readonly Hash256 One = StorageSlots.At(1);

    private readonly ConcurrentDictionary<Address, (Hash256 Root, HashSet<Address> Devices)> _asked = new();

    /// <inheritdoc/>
    public bool UsesRelays => false;

    /// <inheritdoc/>
    public ChainFleetReader? Names => null;

    /// <inheritdoc/>
    public async Task<EvmResult<ChainFleetReading>> ReadAsync(
        ChainMembers members, ChainFleetReading? last, bool isThorough, CancellationToken cancel)
    {
        EvmResult<DiodeHead> followed = await chain.FollowAsync(cancel).ConfigureAwait(false);
        if (!followed.IsOk)
        {
            return followed.As<ChainFleetReading>();
        }

        DiodeHead head = followed.Value;
        BlockHeader block = head.Block;
        DateTimeOffset blockTime = DateTimeOffset.FromUnixTimeSeconds((long)Math.Min(block.Fields.Timestamp, (ulong)int.MaxValue * 2));
        if (last is not null && block.Number < last.Block)
        {
            return new(null, $"the newest final block is {block.Number}, before {last.Block} that was read already");
        }

        if (time.GetUtcNow() - blockTime > MaxAge)
        {
            return new(null, string.Create(
                CultureInfo.InvariantCulture, $"the newest block that relays can prove to be final, {block.Number}, is of {blockTime:yyyy-MM-ddTHH:mm:ssZ}"));
        }

        // Null: what was asked before is not known any more, or was too much to remember.
        HashSet<Address>? asked = last is not null && _asked.TryGetValue(members.Id, out (Hash256 Root, HashSet<Address> Devices) before)
            && before.Root == last.StorageRoot && before.Devices.Count < MaxAsked ? before.Devices : null;
        Address[] news = [.. known().Take(MaxKnown).Where(d => asked?.Contains(d) != true)];
        if (last is not null && last.Block == block.Number && asked is not null && news.Length == 0)
        {
            return new(last with { Text = Text(head) }, null);
        }

        (DiodeVault? vault, EvmResult<ChainFleetReading> failure) = await DiodeVault.OpenAsync(head, members.Contract, standings, cancel).ConfigureAwait(false);
        if (vault is null)
        {
            return failure;
        }

        // What decides is the contract's storage: while its root stays, everything that was proven by it holds.
        Hash256 root = vault.Account.StorageRoot;
        bool isSame = asked is not null && root == last!.StorageRoot;
        if (members.Name is { } name)
        {
            EvmResult<ImmutableArray<Address>> named = isSame
                ? new(last!.Devices, null)
                : await BnsEntrySlots.ReadAsync(members.Contract, name, slots => vault.ReadAsync(slots, cancel)).ConfigureAwait(false);
            _asked[members.Id] = (root, [.. known()]);
            return named.IsOk
                ? new(new ChainFleetReading(block.Number, blockTime, named.Value, FleetAssurance.Proven, Text(head), root), null)
                : named.As<ChainFleetReading>();
        }

        Address[] proposed;
        if (isSame)
        {
            proposed = [.. news.Take(MaxNews)];
        }
        else
        {
            EvmResult<Address[]> listed = await ListAsync(vault, cancel).ConfigureAwait(false);
            if (!listed.IsOk)
            {
                return listed.As<ChainFleetReading>();
            }

            proposed = [.. listed.Value.Concat(last?.Devices ?? []).Concat(news).Distinct()];
            asked = null;
        }

        EvmResult<Hash256[]> allowed = await vault.ReadAsync([.. proposed.Select(StorageSlots.FleetMember)], cancel).ConfigureAwait(false);
        if (!allowed.IsOk)
        {
            return allowed.As<ChainFleetReading>();
        }

        ImmutableArray<Address> devices = [.. isSame ? last!.Devices : [], .. proposed.Where((_, i) => allowed.Value[i] == One)];
        _asked[members.Id] = (root, [.. asked ?? [], .. proposed]);
        return new(new ChainFleetReading(block.Number, blockTime, devices, FleetAssurance.Proven, Text(head), root), null);
    }

    // Empty for a contract that keeps other things there. Nobody is let in for being listed.
    private static async Task<EvmResult<Address[]>> ListAsync(DiodeVault vault, CancellationToken cancel)
    {
        EvmResult<Hash256[]> length = await vault.ReadAsync([StorageSlots.FleetDevices], cancel).ConfigureAwait(false);
        if (!length.IsOk)
        {
            return length.As<Address[]>();
        }

        if (!StorageSlots.TryReadUInt64(length.Value[0], out ulong count))
        {
            return new([], null);
        }

        if (count > MaxDevices)
        {
            return new(null, $"the fleet has {count} devices; fleets of Diode L1 are read up to {MaxDevices}");
        }

        EvmResult<Hash256[]> words = await vault.ReadAsync(
            [.. Enumerable.Range(0, (int)count).Select(static i => StorageSlots.Element(StorageSlots.FleetDevices, (ulong)i))], cancel).ConfigureAwait(false);
        return words.IsOk ? new([.. words.Value.Select(ReadDevice).OfType<Address>()], null) : words.As<Address[]>();
    }

    private static Address? ReadDevice(Hash256 word) =>
        StorageSlots.TryReadAddress(word, out Address device) && !device.IsZero ? device : null;

    private static string Text(DiodeHead head) => string.Create(CultureInfo.InvariantCulture, $"proven (BlockQuick, block {head.Block.Number})")
        + (head.Doubted.Count == 0 ? "" : $"; contradicted by {string.Join(", ", head.Doubted)}");
}
