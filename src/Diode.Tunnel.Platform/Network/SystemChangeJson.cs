using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Diode.Tunnel.Platform.Network;

/// <summary>JSON of the journal, generated at build time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    Converters = [typeof(AddressConverter), typeof(NetworkConverter)])]
[JsonSerializable(typeof(JournalRecord))]
[JsonSerializable(typeof(LinkChange))]
[JsonSerializable(typeof(AddressChange))]
[JsonSerializable(typeof(RouteChange))]
[JsonSerializable(typeof(RuleChange))]
[JsonSerializable(typeof(TableChange))]
[JsonSerializable(typeof(SysctlChange))]
[JsonSerializable(typeof(ResolverChange))]
internal sealed partial class SystemChangeJson : JsonSerializerContext
{
    internal static JsonElement ToElement(SystemChange change) =>
        JsonSerializer.SerializeToElement(change, TypeOf(change.Kind)!);

    /// <returns>Null if the kind is unknown or its content does not fit.</returns>
    internal static SystemChange? FromElement(string kind, JsonElement content)
    {
        if (TypeOf(kind) is not { } type)
        {
            return null;
        }

        try
        {
            return (SystemChange?)content.Deserialize(type);
        }
        catch (Exception unfit) when (unfit is JsonException or ArgumentException or InvalidOperationException)
        {
            return null;
        }
    }

    private static JsonTypeInfo? TypeOf(string kind) => kind switch
    {
        "link" => Default.LinkChange,
        "address" => Default.AddressChange,
        "route" => Default.RouteChange,
        "rule" => Default.RuleChange,
        "table" => Default.TableChange,
        "sysctl" => Default.SysctlChange,
        "resolver" => Default.ResolverChange,
        _ => null,
    };

    internal sealed class AddressConverter : JsonConverter<IPAddress>
    {
        public override IPAddress Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            System.Net.IPAddress.TryParse(reader.GetString(), out IPAddress? address)
                ? address
                : throw new JsonException("Not an IP address.");

        public override void Write(Utf8JsonWriter writer, IPAddress value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.ToString());
    }

    internal sealed class NetworkConverter : JsonConverter<IPNetwork>
    {
        public override IPNetwork Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            System.Net.IPNetwork.TryParse(reader.GetString(), out IPNetwork network)
                ? network
                : throw new JsonException("Not an IP prefix.");

        public override void Write(Utf8JsonWriter writer, IPNetwork value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.ToString());
    }
}
