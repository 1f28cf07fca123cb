using System.Text.Json;
using System.Text.Json.Serialization;
using Diode.Tunnel.Engine.Perimeters;
using Diode.Tunnel.Platform.Storage;

namespace Diode.Tunnel.Engine.State;

/// <summary>What the user asked for and what must survive a restart. Immutable; replaced as a whole.</summary>
/// <remarks>
/// Generated JSON code gives members that a file lacks their type's default, not the initializer's: hence the optional parameter and
/// the setters that turn null into empty.
/// </remarks>
/// <param name="WantUp">The user wants the tunnel up.</param>
internal sealed record EngineState(bool WantUp = true)
{
    /// <summary>Form of the file; a newer one is refused rather than half-read.</summary>
    public const int CurrentSchema = 1;

    private static readonly Dictionary<string, string> NoAddresses = [];

    public int Schema { get; init; } = CurrentSchema;

    /// <summary>Published ports, in the words of the publish grammar.</summary>
    public IReadOnlyList<PublishedPort> Published { get; init => field = value ?? []; } = [];

    /// <summary>Ports published by definitions of the Diode clients, one port each.</summary>
    public IReadOnlyList<PublishedDefinition> Definitions { get; init => field = value ?? []; } = [];

    /// <summary>Devices whose ports may be used in clear text.</summary>
    public IReadOnlyList<string> ClearText { get; init => field = value ?? []; } = [];

    /// <summary>Local ports that lead to ports of other devices: <c>local:to:port:protocol</c>.</summary>
    public IReadOnlyList<string> Binds { get; init => field = value ?? []; } = [];

    /// <summary>
    /// Last address of each relay that is configured by name: with the kill switch on, names cannot be resolved before a relay is reached.
    /// </summary>
    public IReadOnlyDictionary<string, string> RelayAddresses { get; init => field = value ?? NoAddresses; } = NoAddresses;

    /// <summary>The perimeter this device has joined, null if none.</summary>
    public PerimeterState? Perimeter { get; init; }

    /// <summary>The exit in use, null when off.</summary>
    public ExitChoice? Exit { get; init; }

    /// <summary>The exit this device offers, null when it offers none.</summary>
    public ExitOfferState? Offer { get; init; }
}

/// <summary>The one member that every version of the file has.</summary>
internal sealed record SchemaOnly(int Schema);

/// <summary>One published port.</summary>
internal sealed record PublishedPort(string Port, IReadOnlyList<string> To);

/// <summary>One port published by a definition: <c>public</c>, <c>protected</c> or <c>private</c>, and its text.</summary>
internal sealed record PublishedDefinition(string Mode, string Definition);

/// <summary>The exit a user chose: a region, a device, or <c>auto</c>.</summary>
internal sealed record ExitChoice(string Target, bool AllowLan);

/// <summary>The exit this device offers.</summary>
internal sealed record ExitOfferState(string Region, bool? Ipv4, bool? Ipv6);

/// <summary>Generated JSON code of the state file.</summary>
[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(EngineState))]
[JsonSerializable(typeof(SchemaOnly))]
internal sealed partial class EngineStateContext : JsonSerializerContext;

/// <summary>The state file: loaded at start, written at each change. Used by the engine loop alone.</summary>
internal sealed class EngineStateFile(string path)
{
    /// <summary>What the file says now.</summary>
    public EngineState Current { get; private set; } = new();

    /// <summary>Problem found at loading, for <c>status</c>; null if none.</summary>
    public string? Warning { get; private set; }

    /// <summary>Loads the file, else its last good copy, else the defaults. A file that cannot be used is set aside, never overwritten.</summary>
    /// <exception cref="IOException">The unusable file cannot be set aside.</exception>
    public void Load()
    {
        LoadResult result = TryLoad(path);
        if (result is LoadResult.Loaded or LoadResult.Missing)
        {
            return;
        }

        string aside = path + (result == LoadResult.Newer ? ".newer" : ".damaged");
        File.Move(path, aside, overwrite: true);
        bool recovered = TryLoad(path + AtomicFile.LastGoodSuffix) == LoadResult.Loaded;
        string what = result == LoadResult.Newer ? "The state file is of a newer version" : "The state file was damaged";
        Warning = recovered
            ? $"{what}; its last good copy is used. The other is kept as {aside}."
            : $"{what} and is set aside as {aside}; published ports and exit choice start empty.";
    }

    /// <summary>Replaces the state and writes it.</summary>
    /// <exception cref="IOException">The file cannot be written; the state in memory is then unchanged.</exception>
    public void Update(EngineState state)
    {
        AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(state, EngineStateContext.Default.EngineState));
        Current = state;
    }

    private LoadResult TryLoad(string file)
    {
        try
        {
            byte[] content = File.ReadAllBytes(file);
            int? schema = JsonSerializer.Deserialize(content, EngineStateContext.Default.SchemaOnly)?.Schema;
            if (schema != EngineState.CurrentSchema)
            {
                return schema > EngineState.CurrentSchema ? LoadResult.Newer : LoadResult.Damaged;
            }

            EngineState? state = JsonSerializer.Deserialize(content, EngineStateContext.Default.EngineState);
            Current = state ?? Current;
            return state is null ? LoadResult.Damaged : LoadResult.Loaded;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return LoadResult.Missing;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return LoadResult.Damaged;
        }
    }

    private enum LoadResult
    {
        Loaded,
        Missing,
        Damaged,
        Newer,
    }
}
