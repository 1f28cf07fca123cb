using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine.Membership.Chain;

/// <summary>
/// A fleet whose members a contract decides, or the destinations of a name. Keeps the last verified reading in a file, so that a restart with everything
/// unreachable still knows the members; after the longest staleness it admits nobody.
/// </summary>
internal sealed class ChainFleetSource : IFleetSource
{
    /// <summary>Ending of the files.</summary>
    public const string Suffix = ".chain.json";

    // Shorter gaps are no news: one missed poll must not change what status says.
    private static readonly TimeSpan CachedAfter = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan SaveInterval = TimeSpan.FromMinutes(1);

    // Names change rarely, and each one costs two calls at every endpoint; relays are paid for them.
    private static readonly TimeSpan NameInterval = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan RelayNameInterval = TimeSpan.FromHours(1);

    // So long what a contract notes about its own changes is believed without looking at the rest; in a large fleet longer, because without
    // proofs the rest is the whole list.
    private static readonly TimeSpan ThoroughInterval = TimeSpan.FromMinutes(10);

    private readonly string _path;
    private readonly StateFileWriter _write;
    private readonly IFleetReader? _reader;
    private readonly TimeSpan _staleness;
    private ChainFleetReading? _reading;
    private DateTimeOffset _verified;
    private DateTimeOffset _saved;
    private volatile bool _isKept;
    private DateTimeOffset _thorough;
    private readonly Dictionary<Address, DateTimeOffset> _asked = [];
    private IReadOnlyDictionary<Address, string> _claimed = FrozenDictionary<Address, string>.Empty;
    private Dictionary<Address, string> _told = [];
    private FleetSnapshot? _current;

    /// <summary>Creates a source; it knows nothing before <see cref="Load"/> or a refresh.</summary>
    /// <param name="chain">Prefix of the chain.</param>
    /// <param name="members">The contract, or the name.</param>
    /// <param name="name">Name of the fleet in host names.</param>
    /// <param name="reader">How the contract is read; null where the chain is not configured any more.</param>
    /// <param name="folder">Where the last reading is kept.</param>
    /// <param name="writer">How files are replaced.</param>
    /// <param name="staleness">How long a reading that can't be confirmed counts.</param>
    public ChainFleetSource(
        string chain, ChainMembers members, string name, IFleetReader? reader, string folder, StateFileWriter writer, TimeSpan staleness)
    {
        (Chain, Members, Name) = (chain, members, name);
        _reader = reader;
        _path = Path.Combine(folder, members.Id + Suffix);
        _write = writer;
        _staleness = staleness;
    }

    /// <inheritdoc/>
    public Address Fleet => Members.Id;

    /// <summary>Where the chain says who the members are.</summary>
    public ChainMembers Members { get; }

    /// <summary>Prefix of the chain.</summary>
    public string Chain { get; }

    /// <summary>Name of the fleet in host names.</summary>
    public string Name { get; }

    /// <summary>Why the last refresh brought nothing; null if it did.</summary>
    public string? Problem { get; private set; }

    /// <summary>Whether reading it moves bytes that relays are paid for.</summary>
    public bool UsesRelays => _reader is { UsesRelays: true };

    /// <summary>Whether one relay is enough, because all that it tells is proven.</summary>
    public bool IsProvenByOne => _reader is DiodeL1.DiodeFleetReader;

    /// <summary>When the members were last verified.</summary>
    public DateTimeOffset Verified => _verified;

    /// <inheritdoc/>
    public FleetSnapshot? Current => Volatile.Read(ref _current);

    /// <summary>The fleets in a folder. Damaged files are left out and reported.</summary>
    public static List<ChainFleetSource> Load(
        string folder, Func<string, IFleetReader?> findReader, StateFileWriter writer, TimeSpan staleness, List<string> problems)
    {
        var sources = new List<ChainFleetSource>();
        string[] paths = Directory.Exists(folder) ? Directory.GetFiles(folder, "*" + Suffix) : [];
        foreach (string path in paths.Order(StringComparer.Ordinal))
        {
            try
            {
                ChainFleetDocument? document = JsonSerializer.Deserialize(File.ReadAllBytes(path), ChainFleetContext.Default.ChainFleetDocument);
                if (document is { Schema: 1 } && Address.TryParse(document.Contract, out Address contract) && FleetLabel.IsValid(document.Name)
                    && (document.BnsName is null || BnsName.TryNormalize(document.BnsName, out _, out _)))
                {
                    var source = new ChainFleetSource(
                        document.Chain, new ChainMembers(contract, document.BnsName), document.Name, findReader(document.Chain), folder, writer, staleness);
                    source.Restore(document);
                    source._isKept = true;
                    sources.Add(source);
                    continue;
                }

                problems.Add($"{path} is no fleet on a chain");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or FormatException)
            {
                problems.Add($"{path} can't be read: {e.Message}");
            }
        }

        return sources;
    }

    /// <inheritdoc/>
    public async ValueTask<bool> RefreshAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        FleetSnapshot? before = Current;
        bool isThorough = now - _thorough >= ThoroughInterval * (1 + ((_reading?.Devices.Length ?? 0) / 1000));
        EvmResult<ChainFleetReading> result = _reader is null
            ? new(null, $"no endpoint of chain '{Chain}' is configured")
            : await _reader.ReadAsync(Members, _reading, isThorough, cancellationToken).ConfigureAwait(false);
        Problem = result.Failure;
        if (result.IsOk)
        {
            _thorough = isThorough ? now : _thorough;
            bool changed = _reading is null || !_reading.Devices.SequenceEqual(result.Value.Devices);
            _reading = result.Value;
            _verified = now;
            Publish(_reading.Assurance, _reading.Text);
            if (changed || now - _saved > SaveInterval)
            {
                SaveIfKept(now);
            }
        }
        else if (_reading is not null && now - _verified > CachedAfter)
        {
            Publish(
                FleetAssurance.Cached,
                string.Create(CultureInfo.InvariantCulture, $"cached at {_verified:yyyy-MM-ddTHH:mm:ssZ} (block {_reading.Block}, {_reading.Text}); now {Problem}"));
        }

        FleetSnapshot? after = Current;
        return !ReferenceEquals(before, after)
            && (before is null || after is null || before.Expires != after.Expires || before.Assurance != after.Assurance
                || !before.Members.SequenceEqual(after.Members));
    }

    /// <summary>What devices call themselves; it shows with the next refresh. From any thread.</summary>
    public void SetClaimedNames(IReadOnlyDictionary<Address, string> names) => Volatile.Write(ref _claimed, names);

    /// <summary>Asks the chain what the devices are called, those first that were not asked for yet; shows with the next refresh.</summary>
    /// <param name="bns">The name service; null where there is none.</param>
    /// <param name="self">This device.</param>
    /// <param name="now">The time.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask RefreshNamesAsync(Address? bns, Address self, DateTimeOffset now, CancellationToken cancellationToken)
    {
        // A large fleet is asked about less often: what it costs in a day stays about the same.
        ImmutableArray<Address> devices = _reading?.Devices ?? [];
        TimeSpan interval = (UsesRelays ? RelayNameInterval : NameInterval) * (1 + (devices.Length / 100));
        Address[] due = [.. devices.Where(d => !_asked.TryGetValue(d, out DateTimeOffset at) || now - at > interval)
            .OrderBy(d => _asked.GetValueOrDefault(d)).Take(ChainLabels.MostAsked)];
        if (_reader?.Names is not { } reader || due.Length == 0 || Problem is not null)
        {
            return;
        }

        foreach (Address device in due)
        {
            _asked[device] = now;
        }

        EvmResult<Dictionary<Address, string>> names = await ChainLabels.ReadAsync(reader, Members.Name is null ? Fleet : null, bns, self, due, cancellationToken).ConfigureAwait(false);
        if (!names.IsOk)
        {
            return;
        }

        foreach (Address device in due)
        {
            _told.Remove(device);
            if (names.Value.TryGetValue(device, out string? name))
            {
                _told[device] = name;
            }
        }

        Publish(_current!.Assurance, _current.AssuranceText);
        SaveIfKept(now);
    }

    /// <summary>Forgets what is kept in the file.</summary>
    /// <exception cref="IOException">The file can't be removed.</exception>
    public void Delete()
    {
        _isKept = false;
        File.Delete(_path + ".last");
        File.Delete(_path);
    }

    /// <summary>Keeps the fleet from now on: writes what is known to the file; a full disk must not cost anybody the mesh.</summary>
    public void Save(DateTimeOffset now)
    {
        _isKept = true;
        Write(now);
    }

    // A fleet that is only looked at, or was left while it was read, must not be there after the next start.
    private void SaveIfKept(DateTimeOffset now)
    {
        if (_isKept)
        {
            Write(now);
        }
    }

    private void Write(DateTimeOffset now)
    {
        var document = new ChainFleetDocument
        {
            Chain = Chain,
            Contract = Members.Contract.ToString(),
            BnsName = Members.Name,
            Name = Name,
            Block = _reading?.Block ?? 0,
            BlockTime = _reading?.BlockTime ?? default,
            Verified = _verified,
            Assurance = _reading?.Assurance ?? FleetAssurance.Cached,
            Text = _reading?.Text ?? "",
            StorageRoot = _reading?.StorageRoot?.ToString(),
            Devices = [.. (_reading?.Devices ?? []).Select(static d => d.ToString())],
            Names = _told.ToDictionary(static n => n.Key.ToString(), static n => n.Value),
        };
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            _write(_path, JsonSerializer.SerializeToUtf8Bytes(document, ChainFleetContext.Default.ChainFleetDocument));
            _saved = now;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Problem = $"{_path} can't be written: {e.Message}";
        }
    }

    private void Restore(ChainFleetDocument document)
    {
        if (document.Block == 0)
        {
            return;
        }

        Hash256? root = Hash256.TryParse(document.StorageRoot, out Hash256 parsed) ? parsed : null;
        _reading = new ChainFleetReading(
            document.Block, document.BlockTime, [.. document.Devices.Select(Address.Parse)], document.Assurance, document.Text, root);
        _verified = document.Verified;
        _told = (document.Names ?? new Dictionary<string, string>()).ToDictionary(static n => Address.Parse(n.Key), static n => n.Value);
        Publish(
            FleetAssurance.Cached,
            string.Create(CultureInfo.InvariantCulture, $"cached at {_verified:yyyy-MM-ddTHH:mm:ssZ} (block {_reading.Block}, {_reading.Text})"));
    }

    private void Publish(FleetAssurance assurance, string text)
    {
        ImmutableArray<Address> devices = _reading!.Devices;
        FrozenDictionary<Address, string> labels = ChainLabels.Assign(devices, _told, Volatile.Read(ref _claimed));
        var snapshot = new FleetSnapshot(
            Fleet, Name, _reading.Block, _verified + _staleness, devices.Select(d => new FleetMember(d, labels[d])), assurance, text)
        {
            IsName = Members.Name is not null,
        };
        Volatile.Write(ref _current, snapshot);
    }
}
