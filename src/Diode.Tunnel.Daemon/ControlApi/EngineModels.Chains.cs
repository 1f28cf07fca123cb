using System.Globalization;
using System.Numerics;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Engine;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <content>What is written to chains.</content>
internal static partial class EngineModels
{
    internal static ChainAction ToAction(ChainActionRequest request)
    {
        return new ChainAction
        {
            Kind = request.Action switch
            {
                Control.Models.ChainActionKind.FleetCreate => Engine.ChainActionKind.FleetCreate,
                Control.Models.ChainActionKind.FleetAdd => Engine.ChainActionKind.FleetAdd,
                Control.Models.ChainActionKind.FleetRemove => Engine.ChainActionKind.FleetRemove,
                Control.Models.ChainActionKind.FleetTransfer => Engine.ChainActionKind.FleetTransfer,
                Control.Models.ChainActionKind.BnsRegister => Engine.ChainActionKind.BnsRegister,
                Control.Models.ChainActionKind.BnsTransfer => Engine.ChainActionKind.BnsTransfer,
                Control.Models.ChainActionKind.BnsReverse => Engine.ChainActionKind.BnsReverse,
                Control.Models.ChainActionKind.BnsUnregister => Engine.ChainActionKind.BnsUnregister,
                Control.Models.ChainActionKind.ExitRegister => Engine.ChainActionKind.ExitRegister,
                _ => Engine.ChainActionKind.ExitUnregister,
            },
            Chain = request.Chain,
            Contract = request.Contract,
            Name = request.Name,
            Addresses = request.Addresses,
            Region = request.Region,
            Ipv4 = request.Ipv4,
            Ipv6 = request.Ipv6,
            PolicyUrl = request.PolicyUrl,
            Lifetime = TimeSpan.FromHours(request.Hours),
            Key = request.Key,
            IsMeta = request.Meta,
            Send = request.Send,
            MostCost = request.MostCost is { } most ? BigInteger.Parse(most, NumberStyles.None, CultureInfo.InvariantCulture) : null,
        };
    }

    internal static ChainActionResult ToResult(ChainActionView view)
    {
        return new ChainActionResult
        {
            Chain = view.Chain,
            ChainId = (long)view.ChainId,
            Text = view.Text,
            From = view.From,
            Contract = view.Contract,
            GasLimit = (long)view.GasLimit,
            GasPrice = view.GasPrice.ToString(CultureInfo.InvariantCulture),
            MostCost = view.MostCost.ToString(CultureInfo.InvariantCulture),
            Balance = view.Balance.ToString(CultureInfo.InvariantCulture),
            Nonce = (long)view.Nonce,
            Deadline = view.Deadline,
            Via = view.Via,
            Transaction = view.Transaction,
            Confirmed = view.IsConfirmed,
        };
    }

    internal static ListedExit ToListed(CommunityExit exit, IReadOnlyList<ExitOffer> offers)
    {
        return new ListedExit
        {
            Device = exit.Device,
            Region = exit.Region,
            Ipv4 = exit.Ipv4,
            Ipv6 = exit.Ipv6,
            PolicyUrl = exit.PolicyUrl.Length > 0 ? exit.PolicyUrl : null,
            Expires = exit.Expires,
            Assurance = exit.Assurance,
            Usable = offers.Any(o => o.Device == exit.Device),
        };
    }

    internal static PerimeterStatus ToPerimeter(PerimeterView? view)
    {
        return view is null ? new PerimeterStatus() : new PerimeterStatus
        {
            Joined = true,
            Chain = view.Chain,
            Contract = view.Contract,
            Effective = view.Effective,
            Registered = view.IsRegistered,
            InForce = view.IsInForce,
            Verified = view.Verified,
            Assurance = view.Assurance,
            Problem = view.Problem,
            Fleet = view.Fleet,
            WireGuardKey = view.WireGuardKey,
            WireGuard = view.WireGuard is { } wireGuard ? ToInterface(wireGuard) : null,
            Properties = [.. view.Values.Select(static v => new PerimeterProperty(v.Key, v.Value))],
            Warnings = view.Warnings,
        };
    }

    private static PerimeterInterface ToInterface(PerimeterWireGuardView view)
    {
        return new PerimeterInterface
        {
            Interface = view.Interface,
            PublicKey = view.PublicKey,
            KeyOrigin = view.KeyOrigin,
            ListenPort = view.ListenPort,
            Mtu = view.Mtu,
            Addresses = view.Addresses,
            Routes = view.Routes,
            Peers = [.. view.Peers.Select(static p => new PerimeterPeer
            {
                PublicKey = p.PublicKey,
                Device = p.Device,
                Endpoint = p.Endpoint,
                Relay = p.Relay,
                AllowedIps = p.AllowedIps,
                LastHandshake = p.LastHandshake,
                RxBytes = p.RxBytes,
                TxBytes = p.TxBytes,
            })],
        };
    }

    internal static NameEntry ToEntry(BnsView view)
    {
        return new NameEntry
        {
            Name = view.Name,
            Chain = view.Chain,
            Owner = view.Owner,
            Destinations = view.Destinations,
            Properties = view.Properties,
            Assurance = view.Assurance,
        };
    }
}
