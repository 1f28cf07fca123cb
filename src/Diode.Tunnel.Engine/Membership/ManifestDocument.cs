using System.Buffers;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Engine.Membership;

/// <summary>
/// The JSON form of a manifest:
/// <code>
/// { "format": "diode-tunnel fleet manifest v1",
///   "payload": { "fleet": "home", "operator": "0x…", "version": 3, "issued": "2026-08-01T12:00:00Z", "expires": "…",
///                "members": [ { "address": "0x…", "label": "laptop", "roles": ["member"] } ] },
///   "signature": "0x… (65 bytes)" }
/// </code>
/// Unknown and repeated fields are refused: what is not signed must not look as if it were.
/// </summary>
internal static class ManifestDocument
{
    private const string FormatName = "diode-tunnel fleet manifest v1";
    private const string TimeFormat = "yyyy-MM-dd'T'HH:mm:ss'Z'";

    public static bool TryRead(
        ReadOnlySpan<byte> document, [NotNullWhen(true)] out FleetManifest? manifest, out ManifestVerdict verdict)
    {
        manifest = null;
        if (document.Length > FleetManifest.MaxDocumentLength)
        {
            verdict = new ManifestVerdict(ManifestError.TooLarge, $"larger than {FleetManifest.MaxDocumentLength >> 20} MiB");
            return false;
        }

        try
        {
            var reader = new Utf8JsonReader(document, new JsonReaderOptions { MaxDepth = 8 });
            using JsonDocument json = JsonDocument.ParseValue(ref reader);
            if (reader.Read())
            {
                throw Malformed("the end", "one document only");
            }

            manifest = ReadRoot(json.RootElement);
            verdict = ManifestVerdict.Good;
            return true;
        }
        catch (MalformedException e)
        {
            verdict = new ManifestVerdict(ManifestError.Malformed, $"malformed at {e.Message}");
        }
        catch (JsonException e)
        {
            verdict = new ManifestVerdict(
                ManifestError.Malformed, $"malformed at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}: not valid JSON");
        }
        catch (InvalidOperationException)
        {
            // Text with broken UTF-16 escapes is only noticed when it is read.
            verdict = new ManifestVerdict(ManifestError.Malformed, "malformed at a text: not valid Unicode");
        }

        return false;
    }

    public static byte[] Write(FleetManifest manifest)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteString("format", FormatName);
            json.WriteStartObject("payload");
            json.WriteString("fleet", manifest.Name);
            json.WriteString("operator", manifest.Operator.ToString());
            json.WriteNumber("version", manifest.Version);
            json.WriteString("issued", FleetManifest.Format(manifest.Issued));
            json.WriteString("expires", FleetManifest.Format(manifest.Expires));
            json.WriteStartArray("members");
            foreach (FleetMember member in manifest.Members)
            {
                json.WriteStartObject();
                json.WriteString("address", member.Device.ToString());
                json.WriteString("label", member.Label);
                json.WriteStartArray("roles");
                foreach (string role in member.Roles)
                {
                    json.WriteStringValue(role);
                }

                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteString("signature", "0x" + Convert.ToHexStringLower(manifest.Signature.ToArray()));
            json.WriteEndObject();
        }

        return [.. buffer.WrittenSpan, (byte)'\n'];
    }

    private static FleetManifest ReadRoot(JsonElement root)
    {
        JsonElement[] fields = Fields(root, "document", "format", "payload", "signature");
        if (Text(fields[0], "format") != FormatName)
        {
            throw Malformed("format", $"must be \"{FormatName}\"");
        }

        JsonElement[] payload = Fields(fields[1], "payload", "fleet", "operator", "version", "issued", "expires", "members");
        string name = Label(payload[0], "payload.fleet");
        Address operatorAddress = ReadAddress(payload[1], "payload.operator");
        if (payload[2].ValueKind != JsonValueKind.Number || !payload[2].TryGetUInt64(out ulong version) || version == 0)
        {
            throw Malformed("payload.version", "must be a whole number from 1");
        }

        DateTimeOffset issued = Time(payload[3], "payload.issued");
        DateTimeOffset expires = Time(payload[4], "payload.expires");
        if (expires <= issued)
        {
            throw Malformed("payload.expires", "must be later than issued");
        }

        return new FleetManifest(
            name, operatorAddress, version, issued, expires, Members(payload[5]), ReadSignature(fields[2]));
    }

    private static ImmutableArray<FleetMember> Members(JsonElement array)
    {
        if (array.ValueKind != JsonValueKind.Array)
        {
            throw Malformed("payload.members", "must be a list");
        }

        if (array.GetArrayLength() > FleetManifest.MaxMembers)
        {
            throw Malformed("payload.members", $"more than {FleetManifest.MaxMembers} members");
        }

        var devices = new HashSet<Address>();
        var labels = new HashSet<string>();
        ImmutableArray<FleetMember>.Builder members = ImmutableArray.CreateBuilder<FleetMember>(array.GetArrayLength());
        foreach (JsonElement element in array.EnumerateArray())
        {
            string place = $"payload.members[{members.Count}]";
            JsonElement[] fields = Fields(element, place, "address", "label", "roles");
            var member = new FleetMember(
                ReadAddress(fields[0], place + ".address"), Label(fields[1], place + ".label"), Roles(fields[2], place + ".roles"));
            if (!devices.Add(member.Device))
            {
                throw Malformed(place + ".address", "listed twice");
            }

            if (!labels.Add(member.Label))
            {
                throw Malformed(place + ".label", $"'{member.Label}' is used twice");
            }

            members.Add(member);
        }

        return members.MoveToImmutable();
    }

    private static ImmutableArray<string> Roles(JsonElement array, string place)
    {
        if (array.ValueKind != JsonValueKind.Array || array.GetArrayLength() > FleetRoles.MaxPerMember)
        {
            throw Malformed(place, $"must be a list of at most {FleetRoles.MaxPerMember} role names");
        }

        ImmutableArray<string>.Builder roles = ImmutableArray.CreateBuilder<string>(array.GetArrayLength());
        foreach (JsonElement element in array.EnumerateArray())
        {
            string role = Text(element, place);
            if (!FleetRoles.IsValid(role) || roles.Contains(role))
            {
                throw Malformed(place, "a role name is invalid or repeated");
            }

            roles.Add(role);
        }

        return roles.MoveToImmutable();
    }

    private static JsonElement[] Fields(JsonElement element, string place, params ReadOnlySpan<string> names)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw Malformed(place, "must be an object");
        }

        var values = new JsonElement[names.Length];
        foreach (JsonProperty property in element.EnumerateObject())
        {
            int index = names.IndexOf(property.Name);
            if (index < 0 || values[index].ValueKind != JsonValueKind.Undefined)
            {
                throw Malformed(place, index < 0 ? "has an unknown field" : $"'{names[index]}' is given twice");
            }

            values[index] = property.Value;
        }

        int missing = Array.FindIndex(values, v => v.ValueKind == JsonValueKind.Undefined);
        return missing < 0 ? values : throw Malformed(place, $"'{names[missing]}' is missing");
    }

    private static string Text(JsonElement element, string place)
    {
        return element.ValueKind == JsonValueKind.String ? element.GetString()! : throw Malformed(place, "must be a text");
    }

    private static string Label(JsonElement element, string place)
    {
        string text = Text(element, place);
        return FleetLabel.IsValid(text) ? text : throw Malformed(place, "must be " + FleetLabel.Rule);
    }

    private static Address ReadAddress(JsonElement element, string place)
    {
        return Address.TryParse(Text(element, place), out Address address) && !address.IsZero
            ? address
            : throw Malformed(place, "must be an address (0x and 40 hexadecimal digits)");
    }

    private static DateTimeOffset Time(JsonElement element, string place)
    {
        return DateTimeOffset.TryParseExact(
                Text(element, place), TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time)
            && time >= DateTimeOffset.UnixEpoch
            ? time
            : throw Malformed(place, "must be a time such as 2026-08-01T12:00:00Z");
    }

    private static Signature65 ReadSignature(JsonElement element)
    {
        string text = Text(element, "signature");
        Span<byte> bytes = stackalloc byte[Signature65.Length];
        return text.StartsWith("0x", StringComparison.Ordinal) && text.Length == 2 + (2 * Signature65.Length)
            && Convert.FromHexString(text.AsSpan(2), bytes, out _, out _) == OperationStatus.Done
            && Signature65.TryFromBytes(bytes, out Signature65 signature)
            ? signature
            : throw Malformed("signature", "must be 0x and 130 hexadecimal digits of a SIG65 signature");
    }

    private static MalformedException Malformed(string place, string message)
    {
        return new MalformedException($"{place}: {message}");
    }

    // Control flow inside this file only: a document is read once in a while, not per packet.
    private sealed class MalformedException(string message) : Exception(message);
}
