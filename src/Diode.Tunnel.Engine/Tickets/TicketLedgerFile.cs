using System.Text.Json;
using System.Text.Json.Serialization;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform.Storage;

namespace Diode.Tunnel.Engine.Tickets;

/// <summary>The ledger on the disk, <c>tickets.json</c>: totals of the epoch for each relay and the budget the user chose.</summary>
internal sealed class TicketLedgerFile(string path)
{
    /// <summary>Name of the file in the state folder.</summary>
    public const string FileName = "tickets.json";

    private const int Schema = 1;

    /// <summary>Reads the file. A damaged one is set aside and its last good copy tried; the result says so.</summary>
    public string? Load(out TrafficBudget? budget, out IReadOnlyList<LedgerRow> rows)
    {
        if (TryLoad(path, out budget, out rows))
        {
            return null;
        }

        string aside = path + ".damaged";
        try
        {
            File.Move(path, aside, overwrite: true);
        }
        catch (IOException)
        {
            aside = path;
        }

        return TryLoad(path + AtomicFile.LastGoodSuffix, out budget, out rows) && rows.Count > 0
            ? $"The ticket ledger was damaged; its last good copy is used. The other is kept as {aside}."
            : $"The ticket ledger was damaged and is set aside as {aside}; the traffic budget is that of the configuration.";
    }

    /// <summary>Writes the file.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Save(TrafficBudget? budget, IReadOnlyList<LedgerRow> rows)
    {
        LedgerDocument document = new(Schema)
        {
            Budget = budget,
            Relays = [.. rows.Select(static r => new LedgerEntry(r.Relay.ToString(), r.Totals.Epoch)
            {
                Uri = r.Uri,
                ChainId = r.Totals.ChainId,
                Fleet = r.Totals.Fleet.ToString(),
                Counted = r.Totals.CountedBytes,
                Foreign = r.Totals.ForeignBytes,
                Signed = r.Totals.SignedBytes,
                Accepted = r.Totals.AcceptedBytes,
                Connections = r.Totals.Connections,
                LastAccepted = r.LastAccepted,
                Refused = r.Refused,
                Asked = r.Asked,
                LastRefusal = r.LastRefusal,
                Claimed = r.Claim?.Claimed,
                Confirmed = r.Claim?.Confirmed,
                Overclaimed = r.IsOverclaimed,
            })],
        };
        AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(document, LedgerContext.Default.LedgerDocument));
    }

    private static bool TryLoad(string file, out TrafficBudget? budget, out IReadOnlyList<LedgerRow> rows)
    {
        budget = null;
        rows = [];
        try
        {
            LedgerDocument? document = JsonSerializer.Deserialize(File.ReadAllBytes(file), LedgerContext.Default.LedgerDocument);
            if (document?.Schema != Schema)
            {
                return false;
            }

            budget = document.Budget;
            rows = [.. document.Relays.Select(ToRow).OfType<LedgerRow>()];
            return true;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return true;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static LedgerRow? ToRow(LedgerEntry entry)
    {
        if (!Address.TryParse(entry.Relay, out Address relay) || !Address.TryParse(entry.Fleet, out Address fleet))
        {
            return null;
        }

        return new LedgerRow
        {
            Relay = relay,
            Uri = entry.Uri,
            Totals = new TicketTotals
            {
                ChainId = entry.ChainId,
                Fleet = fleet,
                Epoch = entry.Epoch,
                CountedBytes = entry.Counted,
                ForeignBytes = entry.Foreign,
                SignedBytes = entry.Signed,
                AcceptedBytes = entry.Accepted,
                Connections = entry.Connections,
            },
            LastAccepted = entry.LastAccepted,
            Refused = entry.Refused,
            Asked = entry.Asked,
            LastRefusal = entry.LastRefusal,
            Claim = entry is { Claimed: ulong claimed, Confirmed: ulong confirmed } ? (claimed, confirmed) : null,
            IsOverclaimed = entry.Overclaimed,
        };
    }
}

/// <summary>The file as a whole.</summary>
internal sealed record LedgerDocument(int Schema)
{
    public TrafficBudget? Budget { get; init; }

    public IReadOnlyList<LedgerEntry> Relays { get; init => field = value ?? []; } = [];
}

/// <summary>One relay in the file.</summary>
internal sealed record LedgerEntry(string Relay, ulong Epoch)
{
    public string Uri { get; init => field = value ?? ""; } = "";

    public ulong ChainId { get; init; }

    public string Fleet { get; init => field = value ?? ""; } = "";

    public ulong Counted { get; init; }

    public ulong Foreign { get; init; }

    public ulong Signed { get; init; }

    public ulong Accepted { get; init; }

    public ulong Connections { get; init; }

    public DateTimeOffset? LastAccepted { get; init; }

    public long Refused { get; init; }

    public long Asked { get; init; }

    public string? LastRefusal { get; init; }

    public ulong? Claimed { get; init; }

    public ulong? Confirmed { get; init; }

    public bool Overclaimed { get; init; }
}

/// <summary>Generated JSON code of the ledger.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(LedgerDocument))]
internal sealed partial class LedgerContext : JsonSerializerContext;
