using System.Collections.Immutable;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Perimeters;

/// <summary>
/// Reads what a perimeter says about a device (diode-client §14.4). Every value has to be told by as many endpoints as have to agree on the
/// members of a fleet, all at one block. Thread-safe; only cancellation throws.
/// </summary>
internal static class PerimeterReader
{
    /// <summary>Key of the contract that decides instead.</summary>
    public const string ProxyKey = "proxy_to";

    /// <summary>Most contracts that are followed.</summary>
    public const int MaxHops = 16;

    private const int MaxValueLength = 16384;
    private const string NotRegistered = "DNE";

    /// <summary>The properties, in the order they are shown.</summary>
    public static ImmutableArray<string> Keys { get; } =
        ["public", "private", "protected", "sshd", "wireguard", "socksd", "bind", "debug", "diodeaddrs", "fleet", "extra_config"];

    /// <summary>Reads all properties.</summary>
    /// <param name="reader">How the chain is read.</param>
    /// <param name="perimeter">The contract.</param>
    /// <param name="device">This device.</param>
    /// <param name="last">The reading before: what fails now keeps its value.</param>
    /// <param name="cancel">Gives up.</param>
    public static async Task<EvmResult<PerimeterReading>> ReadAsync(
        ChainFleetReader reader, Address perimeter, Address device, PerimeterReading? last, CancellationToken cancel)
    {
        EvmResult<Address> effective = await FollowAsync(reader, perimeter, device, cancel).ConfigureAwait(false);
        if (!effective.IsOk)
        {
            return IsUnknownDevice(effective)
                ? new(new PerimeterReading(perimeter, false, ImmutableSortedDictionary<string, string>.Empty, effective.Failure), null)
                : effective.As<PerimeterReading>();
        }

        Address contract = effective.Value;
        EvmResult<(EvmResult<byte[]> Answer, string Assurance)[]> answers = await reader.AskAllAsync(
            [.. Keys.Select(key => Property(contract, device, key))], cancel).ConfigureAwait(false);
        if (!answers.IsOk)
        {
            return answers.As<PerimeterReading>();
        }

        ImmutableSortedDictionary<string, string>.Builder values = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        var problems = new List<string>();
        string? assurance = null;
        for (int i = 0; i < Keys.Length; i++)
        {
            EvmResult<string> value = ReadText(answers.Value[i].Answer, contract);
            if (IsUnknownDevice(value))
            {
                return new(new PerimeterReading(contract, false, ImmutableSortedDictionary<string, string>.Empty, value.Failure!), null);
            }

            if (value.IsOk)
            {
                values[Keys[i]] = value.Value;
                assurance ??= answers.Value[i].Assurance;
            }
            else
            {
                problems.Add($"{Keys[i]}: {value.Failure}");
                if (last?.Effective == contract && last.Values.TryGetValue(Keys[i], out string? kept))
                {
                    values[Keys[i]] = kept;
                }
            }
        }

        return assurance is null
            ? new(null, problems[0])
            : new(new PerimeterReading(contract, true, values.ToImmutable(), assurance) { Problems = [.. problems] }, null);
    }

    // Loops end the walk, like everything that is no address.
    private static async Task<EvmResult<Address>> FollowAsync(ChainFleetReader reader, Address perimeter, Address device, CancellationToken cancel)
    {
        Address contract = perimeter;
        HashSet<Address> seen = [perimeter];
        for (int hop = 0; hop < MaxHops; hop++)
        {
            EvmResult<EvmResult<byte[]>[]> answer = await reader.CallAllAsync([Property(contract, device, ProxyKey)], cancel).ConfigureAwait(false);
            EvmResult<string> next = ReadText(answer.IsOk ? answer.Value[0] : answer.As<byte[]>(), contract);
            if (!next.IsOk)
            {
                return next.As<Address>();
            }

            if (!Address.TryParse(next.Value.Trim().ToLowerInvariant(), out Address target) || target.IsZero || !seen.Add(target))
            {
                break;
            }

            contract = target;
        }

        return new(contract, null);
    }

    private static ChainCall Property(Address contract, Address device, string key) =>
        new(contract, PerimeterCalls.GetPropertyValue(device, key), Refusal: NotRegistered);

    private static EvmResult<string> ReadText(EvmResult<byte[]> answer, Address contract) =>
        !answer.IsOk ? answer.As<string>()
        : PerimeterCalls.TryReadText(answer.Value, out string? text) && text.Length <= MaxValueLength ? new(text, null)
        : new(null, $"there is no perimeter at {contract}", IsRefusal: true);

    private static bool IsUnknownDevice<T>(in EvmResult<T> result) =>
        result.IsRefusal && result.Failure!.Contains(NotRegistered, StringComparison.Ordinal);
}
