using System.Text.Json;
using System.Text.Json.Serialization;

namespace Diode.Tunnel.Platform.Dns;

/// <summary>How the machine's questions are redirected.</summary>
public enum ResolverMode
{
    /// <summary>By rewriting resolv.conf: every question goes to us, we forward the rest.</summary>
    ResolvConf,

    /// <summary>By systemd-resolved: only questions for our domains come to us, unless all are wanted.</summary>
    SystemdResolved,
}

/// <summary>What the journal keeps to restore the resolver.</summary>
internal sealed record ResolverState
{
    public ResolverMode Mode { get; init; }

    /// <summary>The file that is rewritten.</summary>
    public string Path { get; init; } = "";

    /// <summary>Its content before; null if there was none.</summary>
    public string? Content { get; init; }

    /// <summary>Where the path pointed to, if it was a link that ours replaces.</summary>
    public string? LinkTarget { get; init; }

    internal string ToJson() => JsonSerializer.Serialize(this, ResolverStateJson.Default.ResolverState);

    internal static ResolverState? FromJson(string? json)
    {
        try
        {
            return json is null ? null : JsonSerializer.Deserialize(json, ResolverStateJson.Default.ResolverState);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

[JsonSourceGenerationOptions(
    UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ResolverState))]
internal sealed partial class ResolverStateJson : JsonSerializerContext;
