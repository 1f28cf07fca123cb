using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>
/// What the devices of a contract's fleet are called: as the perimeter describes them, else by the name that a name service keeps for
/// them and that points back, else as they call themselves. A label that two would have, nobody has: then it is <c>d</c> and the digits
/// of the address, which nobody else can have.
/// </summary>
internal static class ChainLabels
{
    /// <summary>Devices whose names are asked for at a time.</summary>
    public const int MostAsked = 16;

    /// <summary>The label of a device without a name.</summary>
    public static string Plain(Address device) => "d" + device.ToString()[2..];

    /// <summary>Gives each device its label.</summary>
    /// <param name="devices">The devices.</param>
    /// <param name="told">What the chain says, as it says it.</param>
    /// <param name="claimed">What devices say of themselves.</param>
    public static FrozenDictionary<Address, string> Assign(
        ImmutableArray<Address> devices, IReadOnlyDictionary<Address, string> told, IReadOnlyDictionary<Address, string> claimed)
    {
        HashSet<string> taken = [.. devices.Select(Plain)];
        Dictionary<Address, string> labels = [];
        foreach (IReadOnlyDictionary<Address, string> names in (IReadOnlyDictionary<Address, string>[])[told, claimed])
        {
            // Who has a better name already does not dispute this one.
            ILookup<string, Address> wanted = devices.Where(d => !labels.ContainsKey(d) && names.ContainsKey(d))
                .ToLookup(d => ToLabel(names[d]) ?? "");
            foreach (IGrouping<string, Address> group in wanted)
            {
                if (group.Key.Length > 0 && group.Count() == 1 && !taken.Contains(group.Key))
                {
                    labels[group.First()] = group.Key;
                }

                taken.Add(group.Key);
            }
        }

        return devices.ToFrozenDictionary(static d => d, d => labels.GetValueOrDefault(d) ?? Plain(d));
    }

    /// <summary>A name as a label; null where nothing is left of it.</summary>
    public static string? ToLabel(string name)
    {
        var text = new StringBuilder();
        foreach (char c in name.ToLowerInvariant().Take(FleetLabel.MaxLength))
        {
            if (char.IsAsciiLetterOrDigit(c))
            {
                text.Append(c);
            }
            else if (text.Length > 0 && text[^1] != '-')
            {
                text.Append('-');
            }
        }

        string label = text.ToString().Trim('-');
        return FleetLabel.IsValid(label) ? label : null;
    }

    /// <summary>Asks the chain what devices are called. What too few agree on is left out.</summary>
    /// <param name="reader">How the chain is read.</param>
    /// <param name="fleet">The fleet's contract, which may be a perimeter; null for a name.</param>
    /// <param name="bns">The name service; null where there is none.</param>
    /// <param name="self">This device: perimeters tell members only.</param>
    /// <param name="devices">At most <see cref="MostAsked"/>.</param>
    /// <param name="cancel">Gives up.</param>
    public static async Task<EvmResult<Dictionary<Address, string>>> ReadAsync(
        ChainFleetReader reader, Address? fleet, Address? bns, Address self, Address[] devices, CancellationToken cancel)
    {
        EvmResult<EvmResult<byte[]>[]> first = await reader.CallAllAsync(
            [.. fleet is { } contract ? devices.Select(d => new ChainCall(contract, PerimeterCalls.GetDevice(d), self)) : [],
                .. bns is { } service ? devices.Select(d => new ChainCall(service, BnsCalls.ResolveReverse(d))) : []], cancel).ConfigureAwait(false);
        if (!first.IsOk)
        {
            return first.As<Dictionary<Address, string>>();
        }

        Dictionary<Address, string> names = [];
        List<(Address Device, string Name)> reverse = [];
        int described = fleet is null ? 0 : devices.Length;
        for (int i = 0; i < devices.Length; i++)
        {
            if (i < described && first.Value[i].IsOk && PerimeterCalls.TryReadDeviceName(first.Value[i].Value, out string? words) && ToLabel(words) is not null)
            {
                names[devices[i]] = words;
            }
            else if (bns is not null && first.Value[described + i] is { IsOk: true } answer
                && PerimeterCalls.TryReadText(answer.Value, out string? text) && BnsName.TryNormalize(text, out string? name, out _))
            {
                reverse.Add((devices[i], name));
            }
        }

        // Anybody may have been allowed to set a reverse name once: what counts is that the name still stands for the device.
        EvmResult<EvmResult<byte[]>[]> second = reverse.Count == 0 ? new([], null)
            : await reader.CallAllAsync([.. reverse.Select(r => new ChainCall(bns!.Value, BnsCalls.ResolveEntry(r.Name)))], cancel).ConfigureAwait(false);
        for (int i = 0; second.IsOk && i < reverse.Count; i++)
        {
            if (second.Value[i].IsOk && BnsCalls.TryReadEntry(second.Value[i].Value, out BnsEntry? entry) && entry.Destinations.Contains(reverse[i].Device))
            {
                names[reverse[i].Device] = reverse[i].Name;
            }
        }

        return new(names, null);
    }
}
