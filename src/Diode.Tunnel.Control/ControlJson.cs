using System.Text.Json;
using System.Text.Json.Serialization;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Control;

/// <summary>Source-generated JSON of the control API: camelCase, nulls left out, no reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DaemonStatus))]
[JsonSerializable(typeof(Identity))]
[JsonSerializable(typeof(FleetList))]
[JsonSerializable(typeof(FleetResult))]
[JsonSerializable(typeof(ManifestDocument))]
[JsonSerializable(typeof(FleetVerification))]
[JsonSerializable(typeof(CreateFleetRequest))]
[JsonSerializable(typeof(AddMemberRequest))]
[JsonSerializable(typeof(RemoveMemberRequest))]
[JsonSerializable(typeof(ManifestRequest))]
[JsonSerializable(typeof(LeaveFleetRequest))]
[JsonSerializable(typeof(ChainActionRequest))]
[JsonSerializable(typeof(ChainActionResult))]
[JsonSerializable(typeof(NameRequest))]
[JsonSerializable(typeof(NameEntry))]
[JsonSerializable(typeof(PerimeterStatus))]
[JsonSerializable(typeof(JoinPerimeterRequest))]
[JsonSerializable(typeof(PublishList))]
[JsonSerializable(typeof(AddPublishRequest))]
[JsonSerializable(typeof(RemovePublishRequest))]
[JsonSerializable(typeof(BindList))]
[JsonSerializable(typeof(AddBindRequest))]
[JsonSerializable(typeof(RemoveBindRequest))]
[JsonSerializable(typeof(ClearTextList))]
[JsonSerializable(typeof(ClearTextRequest))]
[JsonSerializable(typeof(ExitList))]
[JsonSerializable(typeof(UseExitRequest))]
[JsonSerializable(typeof(OfferExitRequest))]
[JsonSerializable(typeof(TicketLedger))]
[JsonSerializable(typeof(TicketBudgetRequest))]
[JsonSerializable(typeof(OperationResult))]
[JsonSerializable(typeof(PingRequest))]
[JsonSerializable(typeof(PingResult))]
[JsonSerializable(typeof(ControlEvent))]
[JsonSerializable(typeof(ControlError))]
public sealed partial class ControlJson : JsonSerializerContext
{
    /// <summary>The same documents, indented for people.</summary>
    public static ControlJson Indented => field ??= new ControlJson(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        WriteIndented = true,
    });
}
