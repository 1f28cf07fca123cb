using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Membership;

/// <summary>
/// The fleets this machine has joined, one file each in a folder of the state directory, verified whenever they are read.
/// </summary>
/// <remarks>
/// Files of a fleet: <c>OPERATOR.json</c> the manifest, <c>OPERATOR.json.last</c> the one before, <c>OPERATOR.floor</c> the highest
/// version ever accepted with its digest. The floor outlives leaving the fleet and a damaged manifest, so an old manifest can't
/// bring back a removed device. A damaged file is set aside as <c>….damaged</c> and reported. Thread-safe; reads take no lock.
/// </remarks>
public sealed class ManifestStore
{
    private const string ManifestSuffix = ".json";
    private const string FloorSuffix = ".floor";
    private const string LastGoodSuffix = ".last";
    private const string DamagedSuffix = ".damaged";

    private readonly string _folder;
    private readonly StateFileWriter _write;
    private readonly Lock _gate = new();
    private ImmutableArray<FleetManifest> _fleets = [];

    /// <summary>Creates a store over a folder (made if missing at the first write). Call <see cref="Load"/> next.</summary>
    public ManifestStore(string folder, StateFileWriter writer)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(writer);
        _folder = folder;
        _write = writer;
    }

    /// <summary>The manifests held, in the order of joining (by name after <see cref="Load"/>). An immutable snapshot.</summary>
    public ImmutableArray<FleetManifest> Fleets
    {
        get
        {
            lock (_gate)
            {
                return _fleets;
            }
        }
    }

    /// <summary>The manifest of a fleet, or null. It may have expired since: ask <see cref="FleetManifest.Expires"/>.</summary>
    public FleetManifest? Find(Address fleet)
    {
        return Fleets.FirstOrDefault(m => m.Operator == fleet);
    }

    /// <summary>Reads the folder. Never throws for what is in it: returns what was wrong, in words for the log and <c>status</c>.</summary>
    public IReadOnlyList<string> Load()
    {
        lock (_gate)
        {
            var problems = new List<string>();
            var fleets = new List<FleetManifest>();
            foreach (Address fleet in ListFleets(problems))
            {
                if (TryLoad(fleet, problems, out FleetManifest? manifest))
                {
                    fleets.Add(manifest);
                }
            }

            _fleets = [.. fleets.OrderBy(m => m.Name, StringComparer.Ordinal).ThenBy(m => m.Operator)];
            return problems;
        }
    }

    /// <summary>Checks a document and, if it is good and newer than what is held, stores it and puts it in force.</summary>
    /// <param name="document">The manifest as received.</param>
    /// <param name="expectedOperator">Who must have signed; null to join whatever fleet it is from (show the operator to the user).</param>
    /// <param name="now">The time.</param>
    public ManifestVerdict Accept(ReadOnlySpan<byte> document, Address? expectedOperator, DateTimeOffset now)
    {
        return FleetManifest.TryParse(document, out FleetManifest? manifest, out ManifestVerdict verdict)
            ? Accept(manifest, expectedOperator, now)
            : verdict;
    }

    /// <inheritdoc cref="Accept(ReadOnlySpan{byte}, Address?, DateTimeOffset)"/>
    public ManifestVerdict Accept(FleetManifest manifest, Address? expectedOperator, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        ManifestVerdict verdict = manifest.Verify(expectedOperator, now);
        if (!verdict.IsAccepted)
        {
            return verdict;
        }

        lock (_gate)
        {
            FleetManifest? held = _fleets.FirstOrDefault(m => m.Operator == manifest.Operator);
            if (held is not null && held.Digest == manifest.Digest)
            {
                return new ManifestVerdict(ManifestError.None, $"version {held.Version} is already in force");
            }

            try
            {
                VersionFloor floor = ReadFloor(manifest.Operator);
                verdict = floor.Check(manifest, held);
                if (verdict.IsAccepted)
                {
                    Store(manifest);
                    int index = held is null ? -1 : _fleets.IndexOf(held);
                    _fleets = index < 0 ? _fleets.Add(manifest) : _fleets.SetItem(index, manifest);
                    verdict = new ManifestVerdict(ManifestError.None, $"version {manifest.Version} is in force", Changed: true);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                verdict = new ManifestVerdict(ManifestError.Storage, $"the manifest could not be stored in {_folder}: {e.Message}");
            }

            return verdict;
        }
    }

    /// <summary>Leaves a fleet. False if it was not joined. The rollback protection stays.</summary>
    /// <exception cref="IOException">The file can't be removed; the fleet stays joined.</exception>
    public bool Remove(Address fleet)
    {
        lock (_gate)
        {
            if (_fleets.FirstOrDefault(m => m.Operator == fleet) is not { } held)
            {
                return false;
            }

            File.Delete(PathOf(fleet, ManifestSuffix + LastGoodSuffix));
            File.Delete(PathOf(fleet, ManifestSuffix));
            _fleets = _fleets.Remove(held);
            return true;
        }
    }

    private List<Address> ListFleets(List<string> problems)
    {
        try
        {
            // A crash may have left only the copy: count that too.
            return !Directory.Exists(_folder) ? [] :
            [
                .. Directory.EnumerateFiles(_folder)
                    .Select(Path.GetFileName)
                    .Where(n => n!.EndsWith(ManifestSuffix, StringComparison.Ordinal)
                        || n.EndsWith(ManifestSuffix + LastGoodSuffix, StringComparison.Ordinal))
                    .Select(n => Address.TryParse(n![..n!.IndexOf('.', StringComparison.Ordinal)], out Address a) ? a : default)
                    .Where(a => !a.IsZero)
                    .Distinct(),
            ];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add($"{_folder} can't be read: {e.Message}");
            return [];
        }
    }

    private bool TryLoad(Address fleet, List<string> problems, [NotNullWhen(true)] out FleetManifest? manifest)
    {
        string path = PathOf(fleet, ManifestSuffix);
        if (TryLoadFile(path, fleet, problems, out manifest))
        {
            return true;
        }

        if (!TryLoadFile(path + LastGoodSuffix, fleet, problems, out manifest))
        {
            return false;
        }

        problems.Add($"fleet '{manifest.Name}': using version {manifest.Version}, the last good copy");
        return true;
    }

    private static bool TryLoadFile(
        string path, Address fleet, List<string> problems, [NotNullWhen(true)] out FleetManifest? manifest)
    {
        manifest = null;
        try
        {
            if (!File.Exists(path))
            {
                return false;
            }

            if (new FileInfo(path).Length <= FleetManifest.MaxDocumentLength
                && FleetManifest.TryParse(File.ReadAllBytes(path), out manifest, out ManifestVerdict verdict))
            {
                // Expired ones are loaded too: status shows them, and Expires keeps everybody out.
                verdict = manifest.Verify(fleet, manifest.Issued);
                if (verdict.IsAccepted)
                {
                    return true;
                }
            }
            else
            {
                verdict = new ManifestVerdict(ManifestError.Malformed, "not a manifest");
            }

            manifest = null;
            File.Move(path, path + DamagedSuffix, overwrite: true);
            problems.Add($"{path} is damaged ({verdict.Message}); set aside as {Path.GetFileName(path)}{DamagedSuffix}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            manifest = null;
            problems.Add($"{path} can't be read: {e.Message}");
        }

        return false;
    }

    private void Store(FleetManifest manifest)
    {
        Directory.CreateDirectory(_folder);

        // Floor first: after a crash in between, the old manifest stays in force and only the new one is acceptable.
        string floor = string.Create(CultureInfo.InvariantCulture, $"{manifest.Version} {manifest.Digest}\n");
        _write(PathOf(manifest.Operator, FloorSuffix), Encoding.ASCII.GetBytes(floor));
        _write(PathOf(manifest.Operator, ManifestSuffix), manifest.ToDocument());
    }

    private VersionFloor ReadFloor(Address fleet)
    {
        string path = PathOf(fleet, FloorSuffix);
        if (VersionFloor.TryRead(path, out VersionFloor floor))
        {
            return floor;
        }

        _ = VersionFloor.TryRead(path + LastGoodSuffix, out floor);
        return floor;
    }

    private string PathOf(Address fleet, string suffix)
    {
        return Path.Combine(_folder, fleet + suffix);
    }
}
