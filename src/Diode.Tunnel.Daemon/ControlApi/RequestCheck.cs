using System.Globalization;
using System.Numerics;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>The form of requests: what the backend need not look at again.</summary>
internal static class RequestCheck
{
    private const int MaxNameLength = 253;

    internal static void Check(CreateFleetRequest request)
    {
        Text("name", request.Name);
        OptionalText("label", request.Label);
    }

    internal static void Check(AddMemberRequest request)
    {
        OptionalText("fleet", request.Fleet);
        Text("device", request.Device);
        Text("label", request.Label);
        foreach (string role in request.Roles)
        {
            Text("role", role);
        }
    }

    internal static void Check(RemoveMemberRequest request)
    {
        OptionalText("fleet", request.Fleet);
        Text("device", request.Device);
    }

    internal static void Check(ManifestRequest request)
    {
        if (string.IsNullOrWhiteSpace(request.Document))
        {
            throw Bad("The manifest is empty.");
        }
    }

    internal static void Check(ChainActionRequest request)
    {
        const int mostHours = 720;
        OptionalText("chain", request.Chain);
        OptionalText("contract", request.Contract);
        OptionalText("name", request.Name);
        OptionalText("region", request.Region);
        OptionalText("key", request.Key);
        foreach (string address in request.Addresses)
        {
            Text("address", address);
        }

        if (!Enum.IsDefined(request.Action) || request.Hours is < 1 or > mostHours || request.PolicyUrl?.Length > MaxNameLength
            || (request.MostCost is { } most && !BigInteger.TryParse(most, NumberStyles.None, CultureInfo.InvariantCulture, out _)))
        {
            throw Bad("The action is not in form.");
        }
    }

    internal static void Check(NameRequest request)
    {
        Text("name", request.Name);
        OptionalText("chain", request.Chain);
        OptionalText("contract", request.Contract);
    }

    internal static void Check(JoinPerimeterRequest request)
    {
        Text("contract", request.Contract);
        OptionalText("chain", request.Chain);
    }

    internal static void Check(LeaveFleetRequest request) => Text("fleet", request.Fleet);

    internal static void Check(AddPublishRequest request)
    {
        if (request.Definitions.Count > 0)
        {
            if (request.Port is not null || request.All || request.To.Count > 0 || request.Protocol != PublishProtocol.Any)
            {
                throw Bad("Definitions stand alone.", "For example: diode-tunnel publish --public 8080:80");
            }

            foreach (PublishDefinition definition in request.Definitions)
            {
                if (definition is null || !Enum.IsDefined(definition.Mode)
                    || string.IsNullOrWhiteSpace(definition.Definition) || definition.Definition.Any(char.IsControl))
                {
                    throw Bad("A definition is empty.", "For example: diode-tunnel publish --public 8080:80");
                }
            }

            return;
        }

        Port(request.Port, request.All);
        if (request.Protocol == PublishProtocol.Tls)
        {
            throw Bad("tls belongs into a definition.", "For example: diode-tunnel publish --private 22:22:tls,0x…");
        }

        if (request.To is not { Count: > 0 })
        {
            throw Bad("Nobody to publish to.", "For example --to fleet");
        }

        foreach (string who in request.To)
        {
            Text("to", who);
        }
    }

    internal static void Check(RemovePublishRequest request) => Port(request.Port, request.All);

    internal static void Check(TicketBudgetRequest request)
    {
        if (request is { Bytes: null, BytesPerRelay: null })
        {
            throw Bad("No budget given.", "bytes or bytesPerRelay; 0 lifts it");
        }

        if (request.Bytes is < 0 or > ByteSize.Most || request.BytesPerRelay is < 0 or > ByteSize.Most)
        {
            throw Bad("The budget is out of range.", "0 (no limit) to 2^50 bytes");
        }
    }

    internal static void Check(AddBindRequest request) => Text("bind", request.Bind);

    internal static void Check(RemoveBindRequest request) => Port(request.Local, all: false);

    internal static void Check(ClearTextRequest request) => Text("device", request.Device);

    internal static void Check(UseExitRequest request) => Text("target", request.Target);

    internal static void Check(OfferExitRequest request)
    {
        if (request.Region is not { Length: 2 } || !request.Region.All(char.IsAsciiLetter))
        {
            throw Bad("A region is two letters.", "For example --region de");
        }

        if (request is { Ipv4: false, Ipv6: false })
        {
            throw Bad("An exit without IPv4 and IPv6 carries nothing.");
        }
    }

    internal static void Check(PingRequest request)
    {
        Text("target", request.Target);
        if (request.Count is < 1 or > PingRequest.MaxCount)
        {
            throw Bad($"count must be from 1 to {PingRequest.MaxCount}.");
        }
    }

    private static void Port(int? port, bool all)
    {
        if (all == port.HasValue)
        {
            throw Bad("Either a port or all of them.", "For example: diode-tunnel publish 22 --to fleet");
        }

        if (port is < 1 or > 65535)
        {
            throw Bad("A port is a number from 1 to 65535.");
        }
    }

    private static void OptionalText(string name, string? value)
    {
        if (value is not null)
        {
            Text(name, value);
        }
    }

    private static void Text(string name, string? value)
    {
        if (string.IsNullOrWhiteSpace(value) || value.Length > MaxNameLength || value.Any(char.IsControl))
        {
            throw Bad($"{name} must be a text of 1 to {MaxNameLength} characters.");
        }
    }

    private static ControlException Bad(string message, string? hint = null) =>
        new(ControlErrorCodes.BadRequest, message, hint, 400);
}
