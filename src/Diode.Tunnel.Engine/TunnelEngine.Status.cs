using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Engine.Exits;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.Pipeline;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine;

/// <content>What the device is doing, for people and programs.</content>
public sealed partial class TunnelEngine
{
    /// <summary>The status at this moment.</summary>
    public Task<EngineStatus> GetStatusAsync(CancellationToken cancellation)
    {
        return _loop.InvokeAsync(MakeStatus, cancellation);
    }

    private EngineStatus MakeStatus()
    {
        AddressBookEntry? self = _book?.Self;
        (EngineRunState state, string reason) = RunState();
        return new EngineStatus
        {
            State = state,
            Reason = reason,
            Device = Device,
            TunnelKey = Convert.ToBase64String(_keys.TunnelPublicKey),
            Interface = _up?.Adapter.Name,
            Mtu = _options.Mtu,
            Ipv4 = self?.LocalIpv4.ToString() ?? "",
            Ipv6 = self?.Ipv6.ToString() ?? "",
            Since = _up?.Since,
            Relays = [.. _relays.Entries.Select(e => new RelayView(
                e.Uri.ToString(),
                e.State,
                e.Connection?.RoundTrip?.TotalMilliseconds,
                e.Error,
                e.Connection?.DroppedSends ?? 0,
                e.IsExtra,
                _ledger.Rows.FirstOrDefault(r => r.Relay == e.Uri.Address) is { } row ? MakeTicketView(row) : null))],
            Fleets = [.. _manifests.Fleets.Select(MakeFleetView), .. MakeChainFleetViews()],
            Peers =
            [
                .. _mesh.Peers.Values.OrderBy(static p => p.FleetName).ThenBy(static p => p.Label)
                    .Select(p => p.IsPlain ? MakePlainView(p.Device, p) : MakePeerView(p)),
                .. _addressed.Where(d => !_mesh.Peers.ContainsKey(d)).Select(d => MakePlainView(d, null)),
            ],
            ClearText = _state.Current.ClearText,
            Binds = MakeBindViews(),
            Exit = MakeExitView(),
            Published = MakePublishViews(),
            Perimeter = MakePerimeterView(),
            Names = MakeNamesView(),
            Health = MakeHealth(),
            Counters = MakeCounters(),
        };
    }

    private (EngineRunState State, string Reason) RunState()
    {
        if (_up is null)
        {
            return _problem.Length > 0 ? (EngineRunState.Error, _problem) : (EngineRunState.Down, "");
        }

        if (_exitClient.State == ExitClientState.Blocked)
        {
            return (EngineRunState.Blocked, $"exit {_exitClient.Choice?.Target}: {_exitClient.Reason}");
        }

        if (_relays.Ready.Any())
        {
            return (EngineRunState.Up, "");
        }

        return (EngineRunState.Connecting, _relays.Entries.Count == 0
            ? "no relay is configured"
            : _relays.Entries.Select(static e => e.Error).FirstOrDefault(static e => e is not null) ?? "connecting to the relays");
    }

    private FleetView MakeFleetView(FleetManifest manifest)
    {
        DateTimeOffset now = _time.GetUtcNow();
        FleetSnapshot snapshot = FleetSnapshot.FromManifest(manifest);
        bool member = manifest.CheckMember(_keys.Device).IsAccepted;
        return new FleetView(
            manifest.Name,
            manifest.Operator.ToString(),
            (long)manifest.Version,
            manifest.Issued,
            manifest.Expires,
            snapshot.IsExpired(now) ? $"expired: {snapshot.AssuranceText}" : snapshot.AssuranceText,
            member,
            IsOperated(manifest),
            [.. manifest.Members.Select(m => new MemberView(
                m.Device.ToString(),
                m.Label,
                m.Roles,
                member ? _book?.Find(m.Device)?.LocalIpv4.ToString() : null,
                member ? _book?.Find(m.Device)?.Ipv6.ToString() : null))]);
    }

    private PeerView MakePeerView(TunnelPeer peer)
    {
        AddressBookEntry? entry = _book?.Find(peer.Device);
        IPath? path = peer.CurrentPath;
        PathReport? report = _up?.Paths?.Report(peer);
        return new PeerView
        {
            Device = peer.Device.ToString(),
            Label = peer.Label,
            Fleet = peer.FleetName,
            Ipv4 = entry?.LocalIpv4.ToString() ?? "",
            Ipv6 = entry?.Ipv6.ToString() ?? "",
            Alias = entry is { IsAliased: true } ? entry.AliasReason.ToString() : null,
            Online = peer.IsOnline,
            Path = path?.Kind ?? PathKind.None,
            Via = path?.Via ?? "",
            PathReason = ExplainPath(peer, report),
            LastHandshake = HandshakeTime(peer.Session),
            RxBytes = peer.Session?.RxBytes ?? 0,
            TxBytes = peer.Session?.TxBytes ?? 0,
            RoundTripMs = (report?.RoundTrip ?? peer.RoundTrip)?.TotalMilliseconds,
        };
    }

    private DateTimeOffset? HandshakeTime(Peer? session)
    {
        return session?.LastHandshake is long at ? _time.GetUtcNow() - TimeSpan.FromTicks(_clock.Now - at) : null;
    }

    private ExitView MakeExitView()
    {
        return new ExitView
        {
            State = _exitClient.State,
            Wanted = _exitClient.Choice?.Target ?? _state.Current.Exit?.Target,
            InUse = _exitClient.State == ExitClientState.Connected ? _exitClient.Exit?.Device.ToString() : null,
            Region = _exitClient.Exit?.Hello?.Exit?.Region,
            Reason = _exitClient.Reason,
            AllowLan = _exitClient.Choice?.AllowLan ?? false,
            Offers = [.. _exitClient.Matching("auto").Select(p => MakeOffer(p, p.Hello!.Exit!))],
            OfferedRegion = _exitServer.Offer?.Region,
            OffersIpv4 = _exitServer.Offer?.Ipv4 ?? false,
            OffersIpv6 = _exitServer.Offer?.Ipv6 ?? false,
            Clients = _exitServer.ClientCount,
        };
    }

    private ExitOfferView MakeOffer(TunnelPeer peer, ExitOfferPart offer)
    {
        return new ExitOfferView(
            peer.Device.ToString(),
            peer.Label,
            offer.Region,
            offer.Ipv4,
            offer.Ipv6,
            peer.RoundTrip?.TotalMilliseconds,
            peer.HasExitRole ? "role exit, given by the operator" : "fleet member, by its own word",
            peer.Link is { IsOpen: true },
            _exitClient.State == ExitClientState.Connected && ReferenceEquals(_exitClient.Exit, peer));
    }

    private List<HealthView> MakeHealth()
    {
        List<HealthView> health = [];
        if (_state.Warning is { } warning)
        {
            health.Add(new HealthView("STATE_DAMAGED", false, warning, null));
        }

        if (_exitClient.State == ExitClientState.Disconnected && _changes.ActiveScopes.Contains(ExitRouting.GuardScope))
        {
            health.Add(new HealthView(
                "GUARD_LEFT", true, "The kill switch of an exit is still closed: traffic outside the tunnel is refused.",
                "To open it: sudo diode-tunnel exit off"));
        }

        if (_problem.Length > 0)
        {
            health.Add(new HealthView("DOWN", true, _problem, _problemHint.Length > 0 ? _problemHint : null));
        }

        if (OwnRelays().Count == 0)
        {
            health.Add(new HealthView(
                "NO_RELAY", true, "No relay is configured, so no device can be reached.",
                "Add \"relays\": [\"diode://0x…@host:41046\"] to the configuration and restart the daemon."));
        }

        foreach (RelayPool.Entry entry in _relays.Entries.Where(static e => e.Error is not null))
        {
            health.Add(new HealthView("RELAY", false, $"{entry.Uri}: {entry.Error}", null));
        }

        foreach (RelayPool.Entry entry in _relays.Entries.Where(static e => e.Doubt is not null))
        {
            health.Add(new HealthView(
                "RELAY_CONTRADICTED", false, $"{entry.Uri}: {entry.Doubt}. Other relays are preferred.", "Replace it in the configuration if that goes on."));
        }

        AddTicketHealth(health);
        AddPerimeterHealth(health);
        DateTimeOffset now = _time.GetUtcNow();
        foreach (FleetManifest fleet in _manifests.Fleets)
        {
            AddFleetHealth(health, fleet, now);
        }

        if (_namesProblem is { } names)
        {
            health.Add(new HealthView("NAMES", false, names, null));
        }

        foreach (System.Net.IPNetwork route in _up is null ? [] : _addressPool.FindConflicts(ReadLocalRoutes()))
        {
            health.Add(new HealthView(
                "POOL_OVERLAP", false, $"The route {route} overlaps the pool {_addressPool}; affected devices have other addresses here.",
                $"To avoid it set ipv4Pool to {AddressPool.SuggestWithoutConflict(ReadLocalRoutes())} in the configuration."));
        }

        return health;
    }

    private void AddFleetHealth(List<HealthView> health, FleetManifest fleet, DateTimeOffset now)
    {
        if (fleet.Expires <= now)
        {
            health.Add(new HealthView(
                "FLEET_EXPIRED", true, $"The manifest of fleet '{fleet.Name}' expired at {fleet.Expires:u}; its devices are not reachable.",
                "Ask the operator for a new one, then: diode-tunnel fleet join FILE"));
        }
        else if (!fleet.CheckMember(_keys.Device).IsAccepted)
        {
            health.Add(new HealthView(
                "NOT_A_MEMBER", false, $"This device is not (or no longer) a member of fleet '{fleet.Name}'.",
                $"Ask its operator to run: diode-tunnel fleet add {Device} NAME --fleet {fleet.Name}"));
        }
    }

    /// <summary>Counters and gauges at this moment; from any thread.</summary>
    public IReadOnlyDictionary<string, long> GetCounters()
    {
        return _loop.Invoke(MakeCounters);
    }

    private Dictionary<string, long> MakeCounters()
    {
        Dictionary<string, long> counters = new()
        {
            ["peers"] = _mesh.Peers.Count,
            ["peers_online"] = _mesh.Peers.Values.Count(static p => p.IsOnline),
            ["relays_connected"] = _relays.Ready.Count(),
            ["relays_for_peers"] = _relays.Entries.Count(static e => e.IsExtra),
            ["ticket_signed_bytes"] = (long)_ledger.SignedTotal,
            ["ticket_refusals"] = _ledger.Rows.Sum(static r => r.Refused),
            ["relay_send_drops_total"] = _relays.Entries.Sum(static e => e.Connection?.DroppedSends ?? 0),
            ["plain_ports_open"] = _plainServer.OpenPorts,
            ["plain_ports_accepted_total"] = _plainServer.Accepted,
            ["plain_ports_refused_total"] = _plainServer.Refused,
            ["plain_bytes_kept"] = _inboxes.Total,
            ["plain_waits_total"] = _inboxes.Waits,
            ["plain_slow_readers_cut_total"] = _inboxes.Cut,
        };
        if (_up is { } up)
        {
            counters["perimeter_wireguard_drops_total"] = _perimeterInterface.Dropped;
            counters["plain_tcp_flows"] = up.Gateway.TcpFlows;
            counters["plain_udp_flows"] = up.Gateway.UdpFlows;
            counters["plain_packet_drops_total"] = up.Gateway.Dropped;
            counters["probes_refused_total"] = up.Paths?.RefusedProbes ?? 0;
            counters["udp_sends_too_long_total"] = up.Paths?.TooLongSends ?? 0;
            counters["udp_sends_unreachable_total"] = up.Paths?.UnreachableSends ?? 0;
            counters["packets_sent_total"] = up.Pipeline.PacketsOut;
            counters["packets_received_total"] = up.Pipeline.PacketsIn;
            counters["adapter_read_drops_total"] = up.Adapter.ReadDrops;
            counters["adapter_write_drops_total"] = up.Adapter.WriteDrops;
            for (PipelineDrop drop = 0; drop < PipelineDrop.Count; drop++)
            {
                counters[$"pipeline_drops_total{{reason=\"{drop}\"}}"] = up.Pipeline.Drops(drop);
            }

            foreach (DropReason drop in Enum.GetValues<DropReason>().Where(static d => d != DropReason.None))
            {
                counters[$"wireguard_drops_total{{reason=\"{drop}\"}}"] = up.WireGuard.Drops[drop];
            }
        }

        return counters;
    }
}
