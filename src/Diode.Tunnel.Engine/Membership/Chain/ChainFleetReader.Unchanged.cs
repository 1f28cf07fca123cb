using System.Globalization;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <content>
/// With a new block the cheapest question first: has anything changed? Who would hide a change here could as well hide the block that it is
/// in: it takes as many either way.
/// </content>
internal sealed partial class ChainFleetReader
{
    // Where nothing else is to be had the list itself is asked for, if it fits in one answer.
    private const int MostListedAtOnce = 400;

    // Null: something has changed, or it can't be told so cheaply.
    private async Task<ChainFleetReading?> ConfirmUnchangedAsync(
        ChainMembers members, ChainFleetReading last, Heads heads, CancellationToken cancel)
    {
        ChainEndpoint[] there = [.. heads.Asked.Where((_, i) => heads.Told[i].IsOk && heads.Told[i].Value >= heads.Target)];
        if (last.LastChange is { } change)
        {
            return last.ReadAt < change + SettledBlocks ? null : Confirm(members, last, heads, there, await Task.WhenAll(there.Select(
                e => HasNoteAsync(e.Client, members, change, heads.Target, cancel))).ConfigureAwait(false));
        }

        return last.StorageRoot is not null || last.Devices.Length > MostListedAtOnce ? null : Confirm(members, last, heads, there, await Task.WhenAll(
            there.Select(e => HasListAsync(e.Client, members, [.. last.Devices], heads.Target, cancel))).ConfigureAwait(false));
    }

    private ChainFleetReading? Confirm(
        ChainMembers members, ChainFleetReading last, Heads heads, ChainEndpoint[] there, bool?[] unchanged)
    {
        int agreeing = unchanged.Count(static u => u == true);
        if (agreeing < quorum)
        {
            return null;
        }

        for (int i = 0; i < there.Length; i++)
        {
            if (unchanged[i] == false)
            {
                standings.Disagreed(there[i], $"it tells of a change of {members} that {agreeing} others do not see");
            }
        }

        string text = string.Create(
            CultureInfo.InvariantCulture, $"{last.ReadText}; {agreeing} of {heads.All.Count} say at block {heads.Target} that nothing has changed since");
        return last with { Block = heads.Target, Text = text };
    }

    // Null: no answer.
    private static async Task<bool?> HasNoteAsync(EvmClient client, ChainMembers members, ulong change, ulong block, CancellationToken cancel)
    {
        EvmResult<Hash256> note = await client.GetStorageAsync(members.Contract, StorageSlots.ChangeTracker, block, cancel).ConfigureAwait(false);
        return note.IsOk ? note.Value == StorageSlots.At(change) : null;
    }

    private static async Task<bool?> HasListAsync(EvmClient client, ChainMembers members, HashSet<Address> devices, ulong block, CancellationToken cancel)
    {
        // One more than there were, so that another one shows.
        int most = devices.Count + 1;
        EvmResult<Address[]> list;
        if (members.Name is { } name)
        {
            list = await ListNameAsync(client, members.Contract, name, block, cancel).ConfigureAwait(false);
        }
        else
        {
            EvmResult<byte[]> page = await client.CallContractAsync(members.Contract, FleetCalls.List(0, most), block, cancel).ConfigureAwait(false);
            list = page.IsOk && FleetCalls.TryReadList(page.Value, most, out Address[]? listed) ? new(listed, null) : new(null, page.Failure ?? "malformed");
        }

        return list.IsOk ? devices.SetEquals(list.Value) : null;
    }
}
