using System.Text;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.Pipeline;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform.Network;

namespace Diode.Tunnel.Engine;

/// <content>
/// Fleets: which devices are members now, and what follows from it for peers, addresses and names. A change of membership takes effect
/// in <see cref="ApplyFleets"/>, at once and as a whole.
/// </content>
public sealed partial class TunnelEngine
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(2);

    private AddressBook? _book;
    private IReadOnlyList<FleetSnapshot> _fleets = [];
    private IReadOnlyList<System.Net.IPNetwork> _bookRoutes = [];
    private long _nextPoll;

    /// <summary>Re-reads what the store holds; expired fleets admit nobody.</summary>
    private void RefreshFleets()
    {
        _fleets = [.. _manifests.Fleets.Select(FleetSnapshot.FromManifest), .. _chainFleets.Select(static f => f.Current).OfType<FleetSnapshot>()];
        ApplyFleets();
    }

    private void PollManifests()
    {
        long now = _time.GetTimestamp();
        if (now < _nextPoll)
        {
            return;
        }

        _nextPoll = now + (long)(PollInterval.TotalSeconds * _time.TimestampFrequency);
        RenewFleets();
        bool changed = false;
        foreach (ManifestFileSource source in _manifestFiles)
        {
            ManifestVerdict? verdict = source.Poll(_time.GetUtcNow());
            changed |= verdict is { IsAccepted: true, Changed: true };
        }

        if (changed)
        {
            RefreshFleets();
            Gossip(null);
        }
        else
        {
            // Time alone can end a membership.
            ApplyFleets();
        }
    }

    private List<FleetSnapshot> ActiveFleets()
    {
        DateTimeOffset now = _time.GetUtcNow();
        return [.. _fleets.Where(f => !f.IsExpired(now) && f.TryGetMember(_keys.Device, out _))];
    }

    private AddressBook BuildBook(AddressBook? previous)
    {
        IEnumerable<Address> devices = ActiveFleets().SelectMany(static f => f.Members).Select(static m => m.Device).Concat(_addressed);
        _bookRoutes = ReadLocalRoutes();
        return AddressBook.Build(_keys.Device, devices, _addressPool, _bookRoutes, previous);
    }

    /// <summary>Local routes into the pool that are not ours: their addresses must not be shadowed.</summary>
    private IReadOnlyList<System.Net.IPNetwork> ReadLocalRoutes()
    {
        if (!OperatingSystem.IsLinux())
        {
            return [];
        }

        NetworkSnapshot network = NetworkSnapshot.Read();
        int own = _up?.Adapter.InterfaceIndex
            ?? network.Interfaces.FirstOrDefault(i => i.Name == _options.InterfaceName)?.Index
            ?? 0;
        System.Net.IPNetwork[] routes = [.. network.FindOverlaps(_addressPool.Network, own).Select(static r => r.Destination)
            .Where(static r => !ResolverAddresses.Contains(r.BaseAddress)).Distinct()];

        // Of a network and its own addresses inside it (the local table) only the network.
        return [.. routes.Where(r => !routes.Any(o => o.PrefixLength < r.PrefixLength && o.Contains(r.BaseAddress)))];
    }

    /// <summary>Makes peers, sessions, addresses and names follow the fleets. Removed devices lose their sessions here.</summary>
    private void ApplyFleets()
    {
        List<FleetSnapshot> active = ActiveFleets();
        Dictionary<Address, (FleetMember Member, FleetSnapshot Fleet)> members = [];
        foreach (FleetSnapshot fleet in active)
        {
            foreach (FleetMember member in fleet.Members)
            {
                if (member.Device != _keys.Device)
                {
                    members.TryAdd(member.Device, (member, fleet));
                }
            }
        }

        bool changed = false;
        foreach (TunnelPeer gone in _mesh.Peers.Values.Where(p => !members.ContainsKey(p.Device)).ToArray())
        {
            Expel(gone);
            changed = true;
        }

        foreach ((Address device, (FleetMember member, FleetSnapshot fleet)) in members)
        {
            changed |= !_mesh.Peers.ContainsKey(device);
            TunnelPeer peer = _mesh.Add(device);
            changed |= peer.Label != member.Label || peer.FleetName != fleet.Name;
            peer.Label = member.Label;
            peer.FleetName = fleet.Name;
            peer.HasExitRole = member.HasRole(FleetRoles.Exit);
        }

        if (changed || _book is null)
        {
            _book = BuildBook(_book);
            ApplyPublishRules();
            UpdateNames();
            NotifyChanged();
        }

        PublishSnapshot();
    }

    /// <summary>A device that is no member any more: session, ports, flows and exit use end at once.</summary>
    private void Expel(TunnelPeer peer)
    {
        const string Reason = "no longer a member of any fleet of this device";
        if (peer.Session is { } session)
        {
            peer.Session = null;
            _up?.WireGuard.RemovePeer(session);
        }

        _exitServer.Release(peer);
        _exitClient.HandleLoss(peer, Reason, refused: true);
        _mesh.Remove(peer, Reason);
        _up?.Paths?.Close(peer);
        _filter.RemovePeer(peer.Filter.Id);
        Log.PeerExpelled(_logger, peer.Device.ToString());
    }

    /// <summary>Swaps what the packet path looks up.</summary>
    private void PublishSnapshot()
    {
        if (_up is not { } up || _book is not { } book)
        {
            return;
        }

        TunnelPeer?[] peers = new TunnelPeer?[book.Entries.Length];
        for (int i = 0; i < peers.Length; i++)
        {
            if (_mesh.Peers.TryGetValue(book.Entries[i].Device, out TunnelPeer? peer))
            {
                peers[i] = peer;
                if (peer.Session is null && peer.TunnelKey is { } key)
                {
                    AddSession(up, peer, key);
                }
            }
        }

        TunnelPeer? exit = _exitClient.State == Exits.ExitClientState.Connected ? _exitClient.Exit : null;
        up.Pipeline.Snapshot = new PipelineSnapshot(book, peers, exit, _exitClient.Families) { Plain = MakePlainTargets(up, book) };
    }

    private void ExchangeManifests(TunnelPeer peer, ControlMessage hello)
    {
        foreach (FleetPart part in hello.Fleets ?? [])
        {
            if (!Address.TryParse(part.Fleet, out Address fleet) || _manifests.Find(fleet) is not { } held)
            {
                continue;
            }

            if ((long)held.Version > part.Version)
            {
                SendManifest(peer, held);
            }
            else if ((long)held.Version < part.Version)
            {
                PeerMesh.Send(peer, new ControlMessage { Type = ControlMessage.ManifestRequest, Fleet = part.Fleet });
            }
        }
    }

    private void SendManifest(TunnelPeer peer, ControlMessage request)
    {
        if (Address.TryParse(request.Fleet, out Address fleet) && _manifests.Find(fleet) is { } held)
        {
            SendManifest(peer, held);
        }
    }

    private static void SendManifest(TunnelPeer peer, FleetManifest manifest)
    {
        // Only members learn who the members are.
        if (manifest.CheckMember(peer.Device).IsAccepted)
        {
            PeerMesh.Send(peer, new ControlMessage
            {
                Type = ControlMessage.Manifest,
                Fleet = manifest.Operator.ToString(),
                Document = Encoding.UTF8.GetString(manifest.ToDocument()),
            });
        }
    }

    /// <summary>A newer manifest of a fleet this device is in; the operator's signature decides, not who brought it.</summary>
    private void TakeManifest(TunnelPeer peer, ControlMessage message)
    {
        if (!Address.TryParse(message.Fleet, out Address fleet) || _manifests.Find(fleet) is null || message.Document is null)
        {
            return;
        }

        ManifestVerdict verdict = _manifests.Accept(Encoding.UTF8.GetBytes(message.Document), fleet, _time.GetUtcNow());
        if (!verdict.IsAccepted)
        {
            Log.ManifestRefused(_logger, peer.Device.ToString(), verdict.Message);
        }
        else if (verdict.Changed)
        {
            RefreshFleets();
            Gossip(peer);
        }
    }

    /// <summary>Tells every connected member the manifests held here, except the one they came from.</summary>
    private void Gossip(TunnelPeer? except)
    {
        foreach (TunnelPeer peer in _mesh.Peers.Values.Where(p => !ReferenceEquals(p, except)))
        {
            foreach (FleetManifest manifest in _manifests.Fleets)
            {
                SendManifest(peer, manifest);
            }
        }
    }
}
