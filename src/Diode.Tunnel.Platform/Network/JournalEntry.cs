using System.Text.Json;
using System.Text.Json.Serialization;

namespace Diode.Tunnel.Platform.Network;

/// <summary>One announced change.</summary>
internal sealed class JournalEntry(
    long id, string scope, string kind, JsonElement content, SystemChange? change, string? before)
{
    internal long Id => id;

    internal string Scope => scope;

    internal string Kind => kind;

    /// <summary>Null if a newer version wrote a kind this one does not know.</summary>
    internal SystemChange? Change => change;

    internal string? Before { get; set; } = before;

    /// <summary>True if an earlier process announced it.</summary>
    internal bool IsInherited { get; init; }

    internal bool SameContent(SystemChange other) =>
        kind == other.Kind && content.GetRawText() == SystemChangeJson.ToElement(other).GetRawText();

    internal JournalRecord ToRecord() =>
        new() { Op = JournalRecord.ApplyOp, Id = id, Scope = scope, Kind = kind, Change = content, Before = Before };
}

/// <summary>One line of the journal.</summary>
internal sealed record JournalRecord
{
    internal const string ApplyOp = "apply";
    internal const string BeforeOp = "before";
    internal const string UndoneOp = "undone";

    [JsonRequired]
    public string Op { get; init; } = "";

    [JsonRequired]
    public long Id { get; init; }

    public string? Scope { get; init; }

    public string? Kind { get; init; }

    public JsonElement? Change { get; init; }

    public string? Before { get; init; }

    internal static bool TryParse(ReadOnlySpan<byte> line, out JournalRecord? record)
    {
        try
        {
            record = JsonSerializer.Deserialize(line, SystemChangeJson.Default.JournalRecord);
            return record is { Id: > 0 and < long.MaxValue };
        }
        catch (JsonException)
        {
            record = null;
            return false;
        }
    }
}
