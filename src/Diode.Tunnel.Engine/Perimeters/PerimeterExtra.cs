using System.Collections.Immutable;
using System.Text.Json;

namespace Diode.Tunnel.Engine.Perimeters;

/// <summary>
/// The <c>extra_config</c> of a perimeter: a JSON object whose members are further settings. As in the Diode client they are applied after the
/// properties, so that a member takes the place of the property of its name; members that are null say nothing (diode-client §14.4). Pure.
/// </summary>
internal static class PerimeterExtra
{
    private const string AllowKey = "allowlists";
    private const string BlockKey = "blocklists";

    private static readonly ImmutableHashSet<string> Known =
        ["public", "private", "protected", "sshd", "socksd", "bind", "debug", "diodeaddrs", "fleet", AllowKey, BlockKey];

    // Other names by which the client knows its settings, and what to do instead of those that say nothing here.
    private static readonly ImmutableDictionary<string, string> Aliases = new Dictionary<string, string>
    {
        ["published_public_ports"] = "public",
        ["published_private_ports"] = "private",
        ["published_protected_ports"] = "protected",
        ["ssh_services"] = "sshd",
        ["bnscachetime"] = "resolvecachetime",
    }.ToImmutableDictionary();

    private static readonly ImmutableDictionary<string, string> Meaningless = new Dictionary<string, string>
    {
        ["resolvecachetime"] = "names are asked for again after a minute here, and members are followed as they change",
        ["blockdomains"] = "there is no SOCKS server in this program",
        ["fallback"] = "there is no SOCKS server in this program",
        ["socksd_host"] = "there is no SOCKS server in this program",
        ["socksd_port"] = "there is no SOCKS server in this program",
        ["wireguard"] = "it is a property of its own",
        ["proxy_to"] = "it is a property of its own",
        ["extra_config"] = "it is a property of its own",
    }.ToImmutableDictionary();

    /// <summary>Who only may reach published ports, and who may not: settings that are no properties.</summary>
    public static (string Allow, string Block) Lists => (AllowKey, BlockKey);

    /// <summary>The properties with the members in their place.</summary>
    /// <param name="values">By key, as a contract has them.</param>
    /// <param name="text">The property <c>extra_config</c>.</param>
    /// <param name="warn">Gets what is left out and why.</param>
    public static IReadOnlyDictionary<string, string> Apply(IReadOnlyDictionary<string, string> values, string text, Action<string> warn)
    {
        // The lists are no properties of a perimeter.
        values = values.Where(static v => v.Key is not (AllowKey or BlockKey)).ToDictionary();
        if (text.Length == 0)
        {
            return values;
        }

        var merged = new Dictionary<string, string>(values);
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 16 });
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty member in document.RootElement.EnumerateObject()
                    .Where(static m => m.Value.ValueKind != JsonValueKind.Null).Take(PerimeterSettings.MostItems))
                {
                    Take(merged, member, warn);
                }

                return merged;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            // Reported below. Text that is not valid UTF-16 is noticed here or there.
        }

        warn("it is no JSON object");
        return values;
    }

    private static void Take(Dictionary<string, string> merged, JsonProperty member, Action<string> warn)
    {
        string key = member.Name.Trim().ToLowerInvariant();
        key = Aliases.GetValueOrDefault(key, key);
        if (!Known.Contains(key))
        {
            warn(Meaningless.TryGetValue(key, out string? why)
                ? $"{member.Name} is not applied: {why}"
                : $"{member.Name} is not applied: settings of this program are made on this machine");
        }
        else if (ToText(member.Value) is { } value)
        {
            merged[key] = value;
        }
        else
        {
            // Kept as it is, the property could let in whom the member was to keep out.
            merged[key] = "";
            warn($"{member.Name} is neither a text nor a list of texts; nothing is set by it");
        }
    }

    // A list has one definition in each element; white space separates definitions in a text.
    private static string? ToText(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
        JsonValueKind.Array when value.EnumerateArray().All(static e => e.ValueKind is JsonValueKind.String or JsonValueKind.Number) =>
            string.Join(' ', value.EnumerateArray().Select(static e => string.Concat(e.ToString().Where(static c => !char.IsWhiteSpace(c))))),
        _ => null,
    };
}
