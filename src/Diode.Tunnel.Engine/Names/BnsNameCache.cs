using System.Collections.Immutable;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Names;

/// <summary>What a chain said about a name.</summary>
/// <param name="Devices">What it stands for; empty for a free name.</param>
/// <param name="Assurance">How that is known, for people.</param>
/// <param name="ReadAt">From when on it counts.</param>
internal sealed record BnsReading(ImmutableArray<Address> Devices, string Assurance, DateTimeOffset ReadAt)
{
    /// <summary>When the chain said so.</summary>
    public DateTimeOffset Verified { get; init; } = ReadAt;
}

/// <summary>
/// Names of chains that somebody asked for. A reading counts for a minute; while the chain can't be read, the last one goes on counting
/// until its maximum staleness. Bounded: the name read longest ago gives way. One thread.
/// </summary>
/// <param name="staleness">How long a reading counts that can't be renewed.</param>
internal sealed class BnsNameCache(TimeSpan staleness)
{
    /// <summary>Most names that are known at the same time.</summary>
    public const int MaxNames = 256;

    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(1);

    // A name that is not there may be any text that a program makes up.
    private static readonly TimeSpan FreshNothing = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, BnsReading> _readings = [];

    /// <summary>The names that stand for devices at this moment.</summary>
    public IEnumerable<KeyValuePair<string, ImmutableArray<Address>>> Names(DateTimeOffset now) => _readings
        .Where(r => !r.Value.Devices.IsEmpty && now - r.Value.ReadAt < Fresh)
        .Select(static r => KeyValuePair.Create(r.Key, r.Value.Devices));

    /// <summary>What is known and need not be asked again yet.</summary>
    public BnsReading? Find(string name, DateTimeOffset now) =>
        _readings.TryGetValue(name, out BnsReading? reading) && now - reading.ReadAt < (reading.Devices.IsEmpty ? FreshNothing : Fresh) ? reading : null;

    /// <summary>Takes a new reading.</summary>
    /// <returns>Whether the name stands for something else than before.</returns>
    public bool Put(string name, BnsReading reading)
    {
        bool isNew = !_readings.TryGetValue(name, out BnsReading? before);
        if (isNew && _readings.Count >= MaxNames)
        {
            _readings.Remove(_readings.MinBy(static r => r.Value.ReadAt).Key);
        }

        _readings[name] = reading;
        return isNew || !before!.Devices.SequenceEqual(reading.Devices);
    }

    /// <summary>The chain can't be read: what it said last counts for another while, if it is not too old.</summary>
    /// <returns>The reading; null if there is none that counts.</returns>
    public BnsReading? Prolong(string name, DateTimeOffset now)
    {
        if (!_readings.TryGetValue(name, out BnsReading? reading) || reading.Devices.IsEmpty || now - reading.Verified > staleness)
        {
            return null;
        }

        // Asked for again soon.
        BnsReading prolonged = reading with { ReadAt = now - Fresh + FreshNothing };
        _readings[name] = prolonged;
        return prolonged;
    }

    /// <summary>Whether a name has just ceased to count, so that it has to be taken out of the names in force.</summary>
    public bool HasEnded(DateTimeOffset before, DateTimeOffset now) =>
        _readings.Values.Any(r => !r.Devices.IsEmpty && before - r.ReadAt < Fresh && now - r.ReadAt >= Fresh);
}
