using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>Who may not, or who alone may, open published ports, whatever they are published to (diode-client §13.3). Immutable.</summary>
/// <param name="Blocked">Refused; if there is anybody, the other list counts for nothing.</param>
/// <param name="Allowed">Everybody else is refused; null where there is no such list. An empty one admits nobody.</param>
internal sealed record DeviceLists(IReadOnlySet<Address> Blocked, IReadOnlySet<Address>? Allowed)
{
    /// <summary>Nobody is refused.</summary>
    public static DeviceLists None { get; } = new(new HashSet<Address>(), null);

    /// <summary>Whether the device is not refused. Allocates nothing.</summary>
    public bool Admits(in Address device) => Blocked.Count > 0 ? !Blocked.Contains(device) : Allowed is null || Allowed.Contains(device);

    /// <summary>Why the device is refused, in the words of the Diode clients; null if it is not.</summary>
    public string? Refusal(in Address device) =>
        Admits(device) ? null
        : Blocked.Count > 0 ? $"device {PublishedPorts.Hex(device)} is on the block list"
        : $"device {PublishedPorts.Hex(device)} is not in the allow list";
}
