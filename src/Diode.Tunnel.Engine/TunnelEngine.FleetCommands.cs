using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Diode.Tunnel.Engine.Identity;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Engine;

/// <content>What a user does with fleets. The operator's key of a fleet made here lies in <c>operators/NAME.key</c>.</content>
public sealed partial class TunnelEngine
{
    private static readonly TimeSpan ManifestValidity = TimeSpan.FromDays(365);

    /// <summary>Makes a fleet with this device as its first member; this machine keeps the operator's key.</summary>
    /// <exception cref="TunnelException">The name is taken or not a label.</exception>
    public Task<FleetView> CreateFleetAsync(string name, string? label, CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                if (!FleetLabel.IsValid(name))
                {
                    throw new TunnelException($"'{name}' cannot name a fleet: {FleetLabel.Rule}.", code: "BAD_REQUEST");
                }

                if (_manifests.Fleets.Any(f => f.Name == name))
                {
                    throw new TunnelException(
                        $"This device already holds a fleet '{name}'.", "Choose another name, or see: diode-tunnel fleet list", "CONFLICT");
                }

                string path = OperatorKeyPath(name);
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                using PrivateKey key = DeviceKeys.LoadOrCreateOperator(path);
                ManifestEditor editor = ManifestEditor.Create(name);
                ThrowIfProblem(editor.Add(new FleetMember(_keys.Device, label ?? DefaultLabel(), [FleetRoles.Operator])));
                return Commit(editor, key);
            },
            cancellation);
    }

    /// <summary>Adds a device to a fleet operated here; in force when it returns, and told to every connected member.</summary>
    public Task<FleetView> AddMemberAsync(
        string? fleet, string device, string label, IReadOnlyList<string> roles, CancellationToken cancellation)
    {
        return EditFleetAsync(
            fleet,
            (editor, _) => editor.Add(new FleetMember(ParseDevice(device), label, [.. roles])),
            cancellation);
    }

    /// <summary>Removes a device (address or label) from a fleet operated here: its sessions end at once.</summary>
    public Task<FleetView> RemoveMemberAsync(string? fleet, string device, CancellationToken cancellation)
    {
        return EditFleetAsync(
            fleet,
            (editor, _) =>
            {
                FleetMember? member = editor.Members.FirstOrDefault(m => m.Label == device || string.Equals(m.Device.ToString(), device, StringComparison.OrdinalIgnoreCase));
                return member is null ? $"no member is called '{device}'" : editor.Remove(member.Device);
            },
            cancellation);
    }

    /// <summary>
    /// Joins the fleet of a manifest or takes its newer version, or joins the fleet of a contract or a name: <c>0x…</c>, <c>NAME.diode</c>, <c>chain:…</c>,
    /// with a name for it after a blank.
    /// </summary>
    /// <exception cref="TunnelException">
    /// It is damaged, expired, older than what is held, can't be read with enough assurance, or does not list this device.
    /// </exception>
    public Task<FleetView> JoinFleetAsync(string document, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(document);
        string[] words = document.Split((char[]?)null, 3, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length is 1 or 2 && ChainFleetId.TryParse(words[0], out ChainFleetId contract))
        {
            return JoinChainFleetByHandAsync(contract, words.Length == 2 ? words[1] : null, cancellation);
        }

        return _loop.InvokeAsync(
            () =>
            {
                byte[] bytes = Encoding.UTF8.GetBytes(document);
                if (!FleetManifest.TryParse(bytes, out FleetManifest? manifest, out ManifestVerdict verdict))
                {
                    throw Refused(verdict, "Ask the operator for the file again: diode-tunnel fleet export");
                }

                ManifestVerdict member = manifest.CheckMember(_keys.Device);
                if (!member.IsAccepted && manifest.Verify(null, _time.GetUtcNow()).IsAccepted && _manifests.Find(manifest.Operator) is null)
                {
                    throw new TunnelException(
                        $"This device is not a member of fleet '{manifest.Name}'.",
                        $"Ask its operator to run: diode-tunnel fleet add {_keys.Device} NAME --fleet {manifest.Name}",
                        "BAD_MANIFEST");
                }

                verdict = _manifests.Accept(manifest, null, _time.GetUtcNow());
                if (!verdict.IsAccepted)
                {
                    throw Refused(verdict, "Ask the operator for the current file: diode-tunnel fleet export");
                }

                RefreshFleets();
                Gossip(null);
                return MakeFleetView(manifest);
            },
            cancellation);
    }

    /// <summary>Leaves a fleet: its devices are no longer peers.</summary>
    public Task LeaveFleetAsync(string fleet, CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                if (_perimeter is { Fleet: { } given } && _chainFleets.Find(f => given.EndsWith(f.Fleet.ToString(), StringComparison.Ordinal)) is { } held
                    && (held.Name == fleet || string.Equals(held.Fleet.ToString(), fleet, StringComparison.OrdinalIgnoreCase)))
                {
                    throw new TunnelException(
                        $"Fleet {held.Name} was joined because of the perimeter.", "Its operator can change that; or: sudo diode-tunnel leave", "CONFLICT");
                }

                if (!TryLeaveChainFleet(fleet))
                {
                    _manifests.Remove(FindFleet(fleet).Operator);
                    RefreshFleets();
                }
            },
            cancellation);
    }

    /// <summary>The manifest of a fleet as its members hold it.</summary>
    public Task<(string Name, string Document)> ExportFleetAsync(string? fleet, CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                FleetManifest manifest = FindFleet(fleet);
                return (manifest.Name, Encoding.UTF8.GetString(manifest.ToDocument()));
            },
            cancellation);
    }

    /// <summary>Checks a manifest, or reads the fleet of a contract or a name, without joining it.</summary>
    public Task<(bool Valid, string Reason, FleetView? Fleet)> VerifyFleetAsync(string document, CancellationToken cancellation)
    {
        if (ChainFleetId.TryParse(document, out ChainFleetId contract))
        {
            return VerifyChainFleetAsync(contract, cancellation);
        }

        return _loop.InvokeAsync<(bool, string, FleetView?)>(
            () =>
            {
                if (!FleetManifest.TryParse(Encoding.UTF8.GetBytes(document), out FleetManifest? manifest, out ManifestVerdict verdict))
                {
                    return (false, verdict.Message, null);
                }

                verdict = manifest.Verify(null, _time.GetUtcNow());
                return (verdict.IsAccepted, verdict.Message, MakeFleetView(manifest));
            },
            cancellation);
    }

    /// <summary>
    /// Signs the fleets operated here anew before they run out, also ones that have: as long as the operator's daemon runs now and then,
    /// no fleet ends by forgetting.
    /// </summary>
    private void RenewFleets()
    {
        DateTimeOffset now = _time.GetUtcNow();
        foreach (FleetManifest fleet in _manifests.Fleets)
        {
            if (fleet.Expires - now < (fleet.Expires - fleet.Issued) / 3 && TryOpenOperatorKey(fleet, out PrivateKey? key))
            {
                using (key)
                {
                    Commit(ManifestEditor.Edit(fleet), key);
                    Log.FleetRenewed(_logger, fleet.Name);
                }
            }
        }
    }

    private Task<FleetView> EditFleetAsync(
        string? fleet, Func<ManifestEditor, FleetManifest, string?> edit, CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                FleetManifest current = fleet is null ? OnlyOperated() : FindFleet(fleet);
                string path = OperatorKeyPath(current.Name);
                if (!TryOpenOperatorKey(current, out PrivateKey? key))
                {
                    throw new TunnelException(
                        $"This machine does not hold the operator's key of fleet '{current.Name}' ({current.Operator}).",
                        $"Run this on the operator's machine, or put its key into {path}.",
                        "CONFLICT");
                }

                using (key)
                {
                    ManifestEditor editor = ManifestEditor.Edit(current);
                    ThrowIfProblem(edit(editor, current));
                    return Commit(editor, key);
                }
            },
            cancellation);
    }

    private FleetView Commit(ManifestEditor editor, PrivateKey key)
    {
        DateTimeOffset now = _time.GetUtcNow();
        FleetManifest next = editor.Sign(key, now, ManifestValidity);
        ManifestVerdict verdict = _manifests.Accept(next, key.Address, now);
        if (!verdict.IsAccepted)
        {
            throw Refused(verdict, "");
        }

        RefreshFleets();
        Gossip(null);
        return MakeFleetView(next);
    }

    private bool TryOpenOperatorKey(FleetManifest fleet, [NotNullWhen(true)] out PrivateKey? key)
    {
        string path = OperatorKeyPath(fleet.Name);
        key = File.Exists(path) ? DeviceKeys.LoadOrCreateOperator(path) : null;
        if (key is not null && key.Address != fleet.Operator)
        {
            key.Dispose();
            key = null;
        }

        return key is not null;
    }

    private FleetManifest FindFleet(string? fleet)
    {
        ImmutableArray<FleetManifest> held = _manifests.Fleets;
        if (fleet is null)
        {
            return held.Length == 1 ? held[0] : throw new TunnelException(
                held.IsEmpty ? "This device is in no fleet." : "This device is in several fleets.",
                held.IsEmpty ? "Join one: diode-tunnel fleet join FILE" : "Name the fleet; see: diode-tunnel fleet list",
                "NOT_FOUND");
        }

        return held.FirstOrDefault(f => f.Name == fleet || string.Equals(f.Operator.ToString(), fleet, StringComparison.OrdinalIgnoreCase))
            ?? throw new TunnelException($"This device holds no fleet '{fleet}'.", "See: diode-tunnel fleet list", "NOT_FOUND");
    }

    private FleetManifest OnlyOperated()
    {
        FleetManifest[] operated = [.. _manifests.Fleets.Where(IsOperated)];
        return operated.Length == 1 ? operated[0] : throw new TunnelException(
            operated.Length == 0 ? "No fleet is operated on this machine." : "Several fleets are operated on this machine.",
            operated.Length == 0 ? "Make one: diode-tunnel fleet create NAME" : "Name the fleet; see: diode-tunnel fleet list",
            "NOT_FOUND");
    }

    private bool IsOperated(FleetManifest fleet)
    {
        return File.Exists(OperatorKeyPath(fleet.Name));
    }

    private string OperatorKeyPath(string fleetName)
    {
        return Path.Combine(_options.StateDirectory, "operators", fleetName + ".key");
    }

    private static Address ParseDevice(string text)
    {
        return Address.TryParse(text, out Address device)
            ? device
            : throw new TunnelException(
                $"'{text}' is not a device address (0x and 40 hex digits).", "On that device run: diode-tunnel whoami", "BAD_REQUEST");
    }

    private static string DefaultLabel()
    {
        string name = new([.. Environment.MachineName.ToLowerInvariant().Select(static c => char.IsAsciiLetterOrDigit(c) ? c : '-')]);
        name = name.Trim('-');
        return FleetLabel.IsValid(name) ? name : "operator";
    }

    private static void ThrowIfProblem(string? problem)
    {
        if (problem is not null)
        {
            throw new TunnelException(problem, "See the members: diode-tunnel fleet members", "BAD_REQUEST");
        }
    }

    private static TunnelException Refused(ManifestVerdict verdict, string hint)
    {
        return new TunnelException($"The manifest is refused: {verdict.Message}.", hint, "BAD_MANIFEST");
    }
}
