using System.Text.Json;
using System.Text.Json.Serialization;
using Diode.Tunnel.Platform.Storage;

namespace Diode.Tunnel.Engine.State;

/// <summary>What the user asked for and what must survive a restart. Immutable; replaced as a whole.</summary>
internal sealed record EngineState
{
    /// <summary>Form of the file; a newer one is refused rather than half-read.</summary>
    public const int CurrentSchema = 1;

    public int Schema { get; init; } = CurrentSchema;

    /// <summary>The user wants the tunnel up.</summary>
    public bool WantUp { get; init; } = true;

    /// <summary>Published ports, in the words of the publish grammar.</summary>
    public IReadOnlyList<PublishedPort> Published { get; init; } = [];

    /// <summary>
    /// Last address of each relay that is configured by name: with the kill switch on, names cannot be resolved before a relay is reached.
    /// </summary>
    public IReadOnlyDictionary<string, string> RelayAddresses { get; init; } = new Dictionary<string, string>();

    /// <summary>The exit in use, null when off.</summary>
    public ExitChoice? Exit { get; init; }

    /// <summary>The exit this device offers, null when it offers none.</summary>
    public ExitOfferState? Offer { get; init; }

}

/// <summary>One published port.</summary>
internal sealed record PublishedPort(string Port, IReadOnlyList<string> To);

/// <summary>The exit a user chose: a region, a device, or <c>auto</c>.</summary>
internal sealed record ExitChoice(string Target, bool AllowLan);

/// <summary>The exit this device offers.</summary>
internal sealed record ExitOfferState(string Region, bool? Ipv4, bool? Ipv6);

/// <summary>Generated JSON code of the state file.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(EngineState))]
internal sealed partial class EngineStateContext : JsonSerializerContext;

/// <summary>The state file: loaded at start, written at each change. Used by the engine loop alone.</summary>
internal sealed class EngineStateFile(string path)
{
    /// <summary>What the file says now.</summary>
    public EngineState Current { get; private set; } = new();

    /// <summary>Problem found at loading, for <c>status</c>; null if none.</summary>
    public string? Warning { get; private set; }

    /// <summary>Loads the file, else its last good copy, else the defaults. Never throws on a damaged file; it is set aside.</summary>
    public void Load()
    {
        if (TryLoad(path))
        {
            return;
        }

        if (File.Exists(path))
        {
            string aside = path + ".damaged";
            File.Move(path, aside, overwrite: true);
            bool recovered = TryLoad(path + AtomicFile.LastGoodSuffix);
            Warning = recovered
                ? $"The state file was damaged; its last good copy is used. The damaged one is {aside}."
                : $"The state file was damaged and is set aside as {aside}; published ports and exit choice start empty.";
        }
    }

    /// <summary>Replaces the state and writes it.</summary>
    /// <exception cref="IOException">The file cannot be written; the state in memory is then unchanged.</exception>
    public void Update(EngineState state)
    {
        AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(state, EngineStateContext.Default.EngineState));
        Current = state;
    }

    private bool TryLoad(string file)
    {
        try
        {
            EngineState? state = JsonSerializer.Deserialize(File.ReadAllBytes(file), EngineStateContext.Default.EngineState);
            if (state is null || state.Schema != EngineState.CurrentSchema)
            {
                return false;
            }

            Current = state;
            return true;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
