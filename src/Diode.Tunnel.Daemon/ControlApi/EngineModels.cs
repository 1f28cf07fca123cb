using System.Globalization;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Daemon.Hosting;
using Diode.Tunnel.Engine;
using Diode.Tunnel.Engine.Exits;
using EnginePath = Diode.Tunnel.Engine.Paths.PathKind;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>From the engine's words to the models of the control API. Pure.</summary>
internal static partial class EngineModels
{
    private const string All = "all";

    internal static DaemonStatus ToStatus(EngineStatus status)
    {
        return new DaemonStatus
        {
            Version = ProgramVersion.Text,
            State = status.State switch
            {
                EngineRunState.Down => DaemonState.Down,
                EngineRunState.Connecting => DaemonState.Connecting,
                EngineRunState.Up => DaemonState.Up,
                EngineRunState.Blocked => DaemonState.Blocked,
                _ => DaemonState.Error,
            },
            StateReason = OrNull(status.Reason),
            Device = status.Device,
            Interface = status.Interface,
            Mtu = status.Interface is null ? null : status.Mtu,
            VirtualIpv4 = OrNull(status.Ipv4),
            VirtualIpv6 = OrNull(status.Ipv6),
            Since = status.Since,
            Relays = [.. status.Relays.Select(ToRelay)],
            Fleets = [.. status.Fleets.Select(ToFleet)],
            Peers = [.. status.Peers.Select(ToPeer)],
            Exit = ToExit(status.Exit),
            Publish = ToPublishList(status).Rules,
            Perimeter = status.Perimeter is { } perimeter ? ToPerimeter(perimeter) : null,
            Dns = new DnsStatus { Mode = status.Names.Mode, Through = status.Names.Through, Upstreams = status.Names.Upstreams },
            Health = [.. status.Health.Select(static h => new HealthWarning
            {
                Code = h.Code,
                Severity = h.IsError ? HealthSeverity.Error : HealthSeverity.Warning,
                Text = h.Text,
                Fix = h.Fix,
            })],
            Counters = status.Counters,
        };
    }

    internal static Identity ToIdentity(EngineStatus status)
    {
        return new Identity
        {
            Device = status.Device,
            TunnelKey = status.TunnelKey,
            VirtualIpv4 = OrNull(status.Ipv4),
            VirtualIpv6 = OrNull(status.Ipv6),
            Names = [.. status.Fleets.SelectMany(f => f.Members
                .Where(m => m.Device == status.Device)
                .Select(m => $"{m.Label}.{f.Name}.diode"))],
        };
    }

    internal static FleetDetails ToFleet(FleetView fleet)
    {
        return new FleetDetails
        {
            Name = fleet.Name,
            Operator = fleet.Operator,
            Chain = fleet.Chain,
            Version = fleet.Version,
            Issued = fleet.Issued,
            Expires = fleet.Expires,
            Assurance = fleet.Assurance,
            MemberCount = fleet.Members.Count,
            Member = fleet.IsMember,
            Operated = fleet.IsOperated,
            Members = [.. fleet.Members.Select(static m => new FleetMember
            {
                Device = m.Device,
                Label = m.Label,
                Roles = m.Roles,
                Ipv4 = m.Ipv4,
                Ipv6 = m.Ipv6,
            })],
        };
    }

    internal static ExitStatus ToExit(ExitView exit)
    {
        return new ExitStatus
        {
            State = exit.State switch
            {
                ExitClientState.Connecting => ExitState.Connecting,
                ExitClientState.Connected => ExitState.Connected,
                ExitClientState.Blocked => ExitState.Blocked,
                _ => ExitState.Disconnected,
            },
            Wanted = exit.Wanted,
            InUse = exit.InUse,
            Region = exit.Region,
            Reason = OrNull(exit.Reason),
            AllowLan = exit.AllowLan,
            Offering = exit.OfferedRegion is null ? null : new OfferedExit
            {
                Region = exit.OfferedRegion,
                Ipv4 = exit.OffersIpv4,
                Ipv6 = exit.OffersIpv6,
                Clients = exit.Clients,
            },
            Offers = [.. exit.Offers.Select(static o => new ExitOffer
            {
                Device = o.Device,
                Label = OrNull(o.Label),
                Region = o.Region,
                Ipv4 = o.Ipv4,
                Ipv6 = o.Ipv6,
                RttMs = o.RoundTripMs,
                Online = o.Online,
                InUse = o.InUse,
                Assurance = o.Assurance,
            })],
        };
    }

    internal static TicketLedger ToLedger(LedgerView ledger)
    {
        return new TicketLedger
        {
            EpochEnds = ledger.EpochEnds,
            TotalBytes = (long)ledger.SignedBytes,
            Budget = (long?)ledger.Budget,
            BudgetPerRelay = (long?)ledger.BudgetPerRelay,
            BudgetUsedPercent = ledger.UsedPercent,
            Relays = [.. ledger.Relays.Select(ToTicket)],
        };
    }

    internal static PublishList ToPublishList(EngineStatus status)
    {
        return new PublishList { Rules = [.. status.Published.Select(ToRule)] };
    }

    internal static BindList ToBindList(EngineStatus status)
    {
        return new BindList
        {
            Binds = [.. status.Binds.Select(static b => new PortBind
            {
                Local = b.Local,
                To = b.To,
                Port = b.Port,
                Protocol = b.Protocol switch
                {
                    "tcp" => PublishProtocol.Tcp,
                    "udp" => PublishProtocol.Udp,
                    _ => PublishProtocol.Tls,
                },
                Problem = b.Problem,
                ByPerimeter = b.IsPerimeters,
            })],
        };
    }

    internal static PingResult ToPing(int sequence, PeerView peer, TimeSpan? roundTrip)
    {
        return new PingResult
        {
            Sequence = sequence,
            Device = peer.Device,
            Name = OrNull(peer.Label),
            Received = roundTrip is not null,
            RttMs = roundTrip?.TotalMilliseconds,
            Path = ToPath(peer),
            Reason = roundTrip is not null ? null : peer.PathReason,
        };
    }

    internal static string ToPortText(int? port, PublishProtocol protocol)
    {
        string number = port?.ToString(CultureInfo.InvariantCulture) ?? All;
        return protocol switch
        {
            PublishProtocol.Tcp => number + "/tcp",
            PublishProtocol.Udp => number + "/udp",
            _ => number,
        };
    }

    internal static bool IsNamed(PeerView peer, string target)
    {
        string name = target.TrimEnd('.').ToLowerInvariant();
        return name == peer.Device || name == peer.Device + ".diode" || name == peer.Label || name == peer.Ipv4 || name == peer.Ipv6
            || name == $"{peer.Label}.{peer.Fleet}" || name == $"{peer.Label}.{peer.Fleet}.diode" || name == $"{peer.Label}.diode";
    }

    internal static Engine.PlainPeers.PublishMode ToMode(PublishMode mode)
    {
        return mode switch
        {
            PublishMode.Public => Engine.PlainPeers.PublishMode.Public,
            PublishMode.Protected => Engine.PlainPeers.PublishMode.Protected,
            _ => Engine.PlainPeers.PublishMode.Private,
        };
    }

    private static PublishRule ToRule(PublishView view)
    {
        string[] parts = view.Port.Split('/');
        return new PublishRule
        {
            Port = parts[0] == All ? null : int.Parse(parts[0], CultureInfo.InvariantCulture),
            Protocol = parts switch
            {
                [_, "tcp"] => PublishProtocol.Tcp,
                [_, "udp"] => PublishProtocol.Udp,
                [_, "tls"] => PublishProtocol.Tls,
                _ => PublishProtocol.Any,
            },
            To = view.To,
            Mode = view.Mode switch
            {
                null => null,
                "public" => PublishMode.Public,
                "protected" => PublishMode.Protected,
                _ => PublishMode.Private,
            },
            Target = view.Target,
            InTunnel = view.InTunnel,
            Plain = view.Plain,
            ByPerimeter = view.IsPerimeters,
        };
    }

    private static RelayStatus ToRelay(RelayView relay)
    {
        return new RelayStatus
        {
            Uri = relay.Uri,
            State = relay.State switch
            {
                "connected" => RelayState.Connected,
                "connecting" => RelayState.Connecting,
                _ => RelayState.Disconnected,
            },
            RttMs = relay.RoundTripMs,
            Error = relay.Error,
            ForPeers = relay.IsForPeers,
            Ticket = relay.Ticket is not { } ticket ? null : new RelayTicketStatus
            {
                TotalBytes = (long)ticket.Paid,
                TotalConnections = (long)ticket.Connections,
                Epoch = (long)ticket.Epoch,
                LastAccepted = ticket.LastAccepted,
            },
        };
    }

    private static TicketEntry ToTicket(TicketView ticket)
    {
        return new TicketEntry
        {
            Relay = ticket.Relay,
            Uri = OrNull(ticket.Uri),
            Connected = ticket.IsConnected,
            Epoch = (long)ticket.Epoch,
            PaidBytes = (long)ticket.Paid,
            Connections = (long)ticket.Connections,
            CountedBytes = (long)ticket.Counted,
            UnpaidBytes = (long)ticket.Unpaid,
            ClaimedBytes = (long?)ticket.Claimed,
            UnconfirmedBytes = (long)ticket.Unconfirmed,
            Overclaimed = ticket.IsOverclaimed,
            BudgetReached = ticket.IsBudgetReached,
            LastAccepted = ticket.LastAccepted,
            Asked = ticket.Asked,
            Refused = ticket.Refused,
            LastRefusal = ticket.LastRefusal,
        };
    }

    private static PeerStatus ToPeer(PeerView peer)
    {
        return new PeerStatus
        {
            Device = peer.Device,
            Label = OrNull(peer.Label),
            Fleet = OrNull(peer.Fleet),
            Name = peer.Label.Length > 0 ? $"{peer.Label}.{peer.Fleet}.diode" : null,
            Ipv4 = OrNull(peer.Ipv4),
            Ipv6 = OrNull(peer.Ipv6),
            Alias = peer.Alias is not null,
            Online = peer.Online,
            Path = ToPath(peer),
            LastHandshake = peer.LastHandshake,
            RxBytes = peer.RxBytes,
            TxBytes = peer.TxBytes,
            Endpoint = OrNull(peer.Via),
        };
    }

    private static PeerPath ToPath(PeerView peer)
    {
        return new PeerPath
        {
            Kind = peer.Path switch
            {
                EnginePath.DirectUdp => PathKind.DirectUdp,
                EnginePath.RelayUdp => PathKind.RelayUdp,
                EnginePath.RelayStream => PathKind.RelayStream,
                EnginePath.PlainPorts => PathKind.PlainDiode,
                _ => PathKind.None,
            },
            Via = peer.Path == EnginePath.DirectUdp ? null : OrNull(peer.Via),
            Reason = OrNull(peer.PathReason),
            RttMs = peer.RoundTripMs,
        };
    }

    private static string? OrNull(string text)
    {
        return text.Length == 0 ? null : text;
    }
}
