using System.Collections.Immutable;
using System.Globalization;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Engine.PerimeterWireGuard;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Perimeters;

/// <summary>
/// What the properties of a perimeter mean for this device. Text of a contract: whatever is not in form is left out and named in
/// <see cref="Warnings"/>, nothing throws. Immutable and pure.
/// </summary>
internal sealed class PerimeterSettings
{
    /// <summary>Most ports, binds and relays that are taken from a contract.</summary>
    public const int MostItems = 128;

    private const int LongestWarning = 300;
    private static readonly char[] ListSeparators = [',', ' ', '\t', '\r', '\n'];
    private readonly List<string> _warnings = [];

    private PerimeterSettings()
    {
    }

    /// <summary>Nothing is set.</summary>
    public static PerimeterSettings Empty { get; } = new();

    /// <summary>Published ports, one each; numbers differ.</summary>
    public ImmutableArray<PortDefinition> Ports { get; private set; } = [];

    /// <summary>Local ports that lead to other devices; local numbers differ.</summary>
    public ImmutableArray<BindDefinition> Binds { get; private set; } = [];

    /// <summary>Relays besides those of the configuration.</summary>
    public ImmutableArray<RelayUri> Relays { get; private set; } = [];

    /// <summary>The fleet to be in; null for none, or for everybody's.</summary>
    public ChainFleetId? Fleet { get; private set; }

    /// <summary>Who may not, or who alone may, reach published ports.</summary>
    public DeviceLists Lists { get; private set; } = DeviceLists.None;

    /// <summary>The WireGuard configuration; null where there is none.</summary>
    public WgQuickConfig? WireGuard { get; private set; }

    /// <summary>What was left out and why; key first.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>Reads the properties.</summary>
    /// <param name="values">By key, as a contract has them.</param>
    /// <param name="ownPort">The tunnel's own port, which can't be published.</param>
    public static PerimeterSettings Read(IReadOnlyDictionary<string, string> values, ushort ownPort)
    {
        var settings = new PerimeterSettings();
        values = PerimeterExtra.Apply(values, Text(values, "extra_config"), text => settings.Warn("extra_config", text));
        settings.ReadFleet(Text(values, "fleet"));
        settings.ReadPorts(values, ownPort);
        settings.ReadBinds(Text(values, "bind"));
        settings.ReadRelays(Text(values, "diodeaddrs"));
        settings.ReadLists(values);
        settings.ReadWireGuard(Text(values, "wireguard"));
        settings.ReadOthers(values);
        return settings;
    }

    private static string Text(IReadOnlyDictionary<string, string> values, string key) => values.GetValueOrDefault(key)?.Trim() ?? "";

    // What a contract can make long is cut; beyond any sense in number, too.
    private void Warn(string key, string text)
    {
        if (_warnings.Count < MostItems)
        {
            _warnings.Add($"{key}: {(text.Length <= LongestWarning ? text : text[..LongestWarning] + "…")}");
        }
    }

    private void ReadFleet(string text)
    {
        if (text.Length == 0)
        {
            return;
        }

        if (!ChainFleetId.TryParse(text, out ChainFleetId fleet) || fleet.Name is not null)
        {
            Warn("fleet", $"'{text}' is no address of a contract");
        }
        else if (fleet.Contract != PublishedPorts.EverybodysFleet)
        {
            Fleet = fleet;
        }
    }

    // Protected means: members of the perimeter's fleet. Without one it is this device's fleets, never everybody.
    private void ReadPorts(IReadOnlyDictionary<string, string> values, ushort ownPort)
    {
        ImmutableArray<PortDefinition>.Builder ports = ImmutableArray.CreateBuilder<PortDefinition>();
        HashSet<ushort> numbers = [];
        foreach (PublishMode mode in (PublishMode[])[PublishMode.Private, PublishMode.Protected, PublishMode.Public])
        {
            string key = mode.ToString().ToLowerInvariant();
            foreach (string token in Text(values, key).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            {
                if (!PortDefinition.TryParse(mode, token, out PortDefinition? definition, out string? problem)
                    || (mode == PublishMode.Protected && definition is { Addresses.IsEmpty: true, Names.IsEmpty: true } && Fleet is { } fleet
                        && !PortDefinition.TryParse(mode, $"{token},{fleet.Contract}", out definition, out problem)))
                {
                    Warn(key, $"{token}: {problem}");
                    continue;
                }

                foreach (PortDefinition port in definition.Split())
                {
                    ushort number = port.Ports[0].Destination;
                    if (number == ownPort)
                    {
                        Warn(key, string.Create(CultureInfo.InvariantCulture, $"port {number} is the tunnel's own"));
                    }
                    else if (numbers.Count >= MostItems)
                    {
                        Warn(key, string.Create(CultureInfo.InvariantCulture, $"port {number}: more than {MostItems} ports"));
                    }
                    else if (!numbers.Add(number))
                    {
                        // Named twice, the stricter of them counts: they are read in that order.
                        Warn(key, string.Create(CultureInfo.InvariantCulture, $"port {number} is published twice; the stricter one counts"));
                    }
                    else
                    {
                        ports.Add(port);
                    }
                }
            }
        }

        Ports = ports.ToImmutable();
    }

    private void ReadBinds(string text)
    {
        ImmutableArray<BindDefinition>.Builder binds = ImmutableArray.CreateBuilder<BindDefinition>();
        foreach (string token in text.Split(ListSeparators, StringSplitOptions.RemoveEmptyEntries))
        {
            if (!BindDefinition.TryParse(token, out BindDefinition? bind, out string? problem))
            {
                Warn("bind", problem);
            }
            else if (binds.Count >= MostItems)
            {
                Warn("bind", $"{token}: more than {MostItems}");
            }
            else if (binds.Contains(bind) || binds.Any(b => b.Local != 0 && b.Local == bind.Local))
            {
                Warn("bind", $"{token}: the local port is used twice");
            }
            else
            {
                binds.Add(bind);
            }
        }

        Binds = binds.ToImmutable();
    }

    private void ReadRelays(string text)
    {
        ImmutableArray<RelayUri>.Builder relays = ImmutableArray.CreateBuilder<RelayUri>();
        foreach (string token in text.Split(ListSeparators, StringSplitOptions.RemoveEmptyEntries))
        {
            if (!RelayUri.TryParse(token, out RelayUri? relay))
            {
                // Without its key anybody on the way could pose as it.
                Warn("diodeaddrs", $"'{token}' does not say who the relay is: diode://0x…@host:port");
            }
            else if (relays.Count >= MostItems)
            {
                Warn("diodeaddrs", $"'{token}': more than {MostItems}");
            }
            else if (!relays.Contains(relay))
            {
                relays.Add(relay);
            }
        }

        Relays = relays.ToImmutable();
    }

    private void ReadWireGuard(string text)
    {
        if (text.Length == 0)
        {
            return;
        }

        WireGuard = WgQuickParser.TryRead(text);
        if (WireGuard is null)
        {
            Warn("wireguard", "it is no configuration of wg-quick");
            return;
        }

        foreach (string warning in WireGuard.Warnings)
        {
            Warn("wireguard", warning);
        }
    }

    // A list that was given and holds nobody in form admits nobody: who is left out by mistake says so, who is let in does not.
    private void ReadLists(IReadOnlyDictionary<string, string> values)
    {
        (string allowKey, string blockKey) = PerimeterExtra.Lists;
        HashSet<Address> allowed = ReadDevices(allowKey, Text(values, allowKey));
        HashSet<Address> blocked = ReadDevices(blockKey, Text(values, blockKey));
        if (blocked.Count > 0 || Text(values, allowKey).Length > 0)
        {
            Lists = new DeviceLists(blocked, Text(values, allowKey).Length > 0 ? allowed : null);
        }
    }

    private HashSet<Address> ReadDevices(string key, string text)
    {
        HashSet<Address> devices = [];
        foreach (string token in text.Split(ListSeparators, StringSplitOptions.RemoveEmptyEntries))
        {
            if (!Address.TryParse(token, out Address device))
            {
                Warn(key, $"'{token}' is no device");
            }
            else
            {
                devices.Add(device);
            }
        }

        return devices;
    }

    private void ReadOthers(IReadOnlyDictionary<string, string> values)
    {
        if (Text(values, "sshd").Length > 0)
        {
            Warn("sshd", "not applied: there is no SSH server in this program; publish the machine's own instead, for example private 22:22:tls,0x…");
        }

        if (IsOn("socksd", Text(values, "socksd")))
        {
            Warn("socksd", "not applied: there is no SOCKS server in this program; devices have virtual addresses and names instead");
        }

        if (IsOn("debug", Text(values, "debug")))
        {
            Warn("debug", "not applied: the log level is set on this machine");
        }
    }

    private bool IsOn(string key, string text)
    {
        switch (text.ToLowerInvariant())
        {
            case "" or "false" or "0" or "off" or "no":
                return false;
            case "true" or "1" or "on" or "yes":
                return true;
            default:
                Warn(key, $"'{text}' is neither true nor false");
                return false;
        }
    }
}
