using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine.PerimeterWireGuard;

/// <summary>
/// Reads the <c>wireguard</c> property of a perimeter: a configuration of wg-quick, perhaps all in one line (diode-client §14.4). Text of a
/// contract: what is not in form is left out and named, nothing throws, and no command in it is ever run. Pure.
/// </summary>
internal sealed partial class WgQuickParser
{
    /// <summary>Most peers, and most networks of all of them together.</summary>
    public const int MostPeers = 256;

    private const int MostAddresses = 16;
    private const int LeastMtu = 576;
    private const int MostMtu = 1856;
    private const string DiodeScheme = "diode://";
    private const string NameEnding = ".diode";

    private readonly List<(IPAddress Address, IPNetwork Network)> _addresses = [];
    private readonly List<PeerText> _peers = [];
    private readonly List<string> _warnings = [];
    private readonly HashSet<string> _unused = new(StringComparer.OrdinalIgnoreCase);
    private bool _hasCommands;
    private ushort _port;
    private int? _mtu;
    private WgQuickKey _key;
    private byte[] _privateKey = [];
    private int _networks;

    private WgQuickParser()
    {
    }

    /// <summary>Reads it; null when there is no section at all.</summary>
    public static WgQuickConfig? TryRead(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var parser = new WgQuickParser();
        return parser.ReadLines(text) ? parser.Finish() : null;
    }

    /// <summary>Reads a network such as <c>10.9.0.0/24</c>; bits of the host are allowed, a missing length means one address.</summary>
    internal static bool TryReadNetwork(ReadOnlySpan<char> text, out IPAddress address, out IPNetwork network)
    {
        network = default;
        address = IPAddress.None;
        text = text.Trim();
        int slash = text.IndexOf('/');
        ReadOnlySpan<char> host = slash < 0 ? text : text[..slash];

        // .NET reads "10" and "010.1.1.1" as addresses, too.
        if (!IPAddress.TryParse(host, out IPAddress? parsed) || parsed.IsIPv4MappedToIPv6 || host.Contains('%')
            || (parsed.AddressFamily == AddressFamily.InterNetwork && !host.SequenceEqual(parsed.ToString())))
        {
            return false;
        }

        int bits = parsed.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        int length = bits;
        if (slash >= 0 && (!int.TryParse(text[(slash + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out length) || length > bits))
        {
            return false;
        }

        byte[] bytes = parsed.GetAddressBytes();
        for (int bit = length; bit < bits; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        address = parsed;
        network = new IPNetwork(new IPAddress(bytes), length);
        return true;
    }

    // Commented lines stay comments, whatever looks like a key in them; a text in one line is broken before sections and known keys.
    private bool ReadLines(string text)
    {
        bool hasSection = false;
        PeerText? peer = null;
        foreach (string whole in text.Split('\n'))
        {
            bool isComment = whole.AsSpan().TrimStart() is ['#' or ';', ..];
            foreach (string raw in isComment ? [whole] : Breaks().Replace(whole, "\n$0").Split('\n'))
            {
                string line = raw.Trim();
                if (line.Equals("[Interface]", StringComparison.OrdinalIgnoreCase) || line.Equals("[Peer]", StringComparison.OrdinalIgnoreCase))
                {
                    hasSection = true;
                    peer = char.ToLowerInvariant(line[1]) == 'p' ? new PeerText() : null;
                    if (peer is not null && _peers.Count < MostPeers)
                    {
                        _peers.Add(peer);
                    }
                }
                else if (hasSection)
                {
                    ReadLine(line, peer);
                }
            }
        }

        return hasSection;
    }

    // Clients that do not know Diode see the device in a comment.
    private void ReadLine(string line, PeerText? peer)
    {
        if (line is ['#' or ';', ..])
        {
            line = line[1..].TrimStart();
            if (peer is null || !line.StartsWith("DiodeDevice", StringComparison.OrdinalIgnoreCase))
            {
                return;
            }
        }

        int comment = line.IndexOf('#', StringComparison.Ordinal);
        line = comment >= 0 ? line[..comment] : line;
        int equals = line.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
        {
            return;
        }

        string key = line[..equals].Trim().ToLowerInvariant();
        string value = line[(equals + 1)..].Trim();
        if (key is "preup" or "postup" or "predown" or "postdown")
        {
            _hasCommands = true;
        }
        else if (peer is null)
        {
            ReadInterface(key, value);
        }
        else
        {
            ReadPeer(peer, key, value);
        }
    }

    private void ReadInterface(string key, string value)
    {
        switch (key)
        {
            case "address":
                foreach (string part in value.Split(',', StringSplitOptions.RemoveEmptyEntries))
                {
                    if (!TryReadNetwork(part, out IPAddress address, out IPNetwork network))
                    {
                        Warn($"'{FirstWord(part)}' is no address");
                    }
                    else if (_addresses.Count < MostAddresses && !_addresses.Exists(a => a.Address.Equals(address)))
                    {
                        _addresses.Add((address, network));
                    }
                }

                break;
            case "listenport" when ushort.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out ushort port):
                _port = port;
                break;
            case "mtu" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int mtu) && mtu is >= LeastMtu and <= MostMtu:
                _mtu = mtu;
                break;
            case "privatekey":
                ReadPrivateKey(value);
                break;
            case "dns" or "table" or "fwmark" or "saveconfig":
                _unused.Add(key switch { "dns" => "DNS", "table" => "Table", "fwmark" => "FwMark", _ => "SaveConfig" });
                break;
            default:
                WarnOfLine(key, value);
                break;
        }
    }

    private void ReadPrivateKey(string value)
    {
        if (value.Equals("auto", StringComparison.OrdinalIgnoreCase))
        {
            (_key, _privateKey) = (WgQuickKey.Auto, []);
        }
        else if (TryReadKey(value, out byte[] key))
        {
            (_key, _privateKey) = (WgQuickKey.Given, key);
        }
        else if (value.Equals("PostUp", StringComparison.OrdinalIgnoreCase))
        {
            Warn("a key that a command sets can't be had: no command is run");
        }
        else
        {
            // Whatever it is, it may be meant as a secret.
            Warn("PrivateKey is no key");
        }
    }

    private void ReadPeer(PeerText peer, string key, string value)
    {
        switch (key)
        {
            case "publickey" when value.Equals("auto", StringComparison.OrdinalIgnoreCase):
                peer.IsAuto = true;
                break;
            case "publickey" when TunnelPublicKey.TryParse(value, out TunnelPublicKey publicKey):
                peer.PublicKey = publicKey;
                break;
            case "presharedkey":
                peer.HasBadSecret = !TryReadKey(value, out byte[] shared);
                peer.PresharedKey = shared;
                break;
            case "allowedips":
                foreach (string part in value.Split(',', StringSplitOptions.RemoveEmptyEntries))
                {
                    if (!TryReadNetwork(part, out _, out IPNetwork network))
                    {
                        Warn($"'{FirstWord(part)}' is no network");
                    }
                    else if (_networks < MostPeers && !peer.AllowedIps.Contains(network))
                    {
                        _networks++;
                        peer.AllowedIps.Add(network);
                    }
                }

                break;
            case "persistentkeepalive" when value.Equals("off", StringComparison.OrdinalIgnoreCase):
                peer.Keepalive = TimeSpan.Zero;
                break;
            case "persistentkeepalive" when ushort.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out ushort seconds):
                peer.Keepalive = TimeSpan.FromSeconds(seconds);
                break;
            case "diodedevice" when Address.TryParse(value.ToLowerInvariant(), out Address device):
                peer.Device = device;
                break;
            case "endpoint" when value.StartsWith(DiodeScheme, StringComparison.OrdinalIgnoreCase):
                ReadDiodeEndpoint(peer, value);
                break;
            case "endpoint":
                ReadEndpoint(peer, value);
                break;
            default:
                WarnOfLine(key, value);
                break;
        }
    }

    private void ReadDiodeEndpoint(PeerText peer, string value)
    {
        string host = value[DiodeScheme.Length..].Trim();
        int colon = host.LastIndexOf(':');
        ushort port = 0;
        if (colon >= 0 && (!ushort.TryParse(host.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) || port == 0))
        {
            WarnOfLine("endpoint", value);
            return;
        }

        host = (colon >= 0 ? host[..colon] : host).ToLowerInvariant();
        if (Address.TryParse(host, out Address device))
        {
            (peer.Device, peer.Port) = (device, port);
        }
        else if (BnsName.TryNormalize(host.EndsWith(NameEnding, StringComparison.Ordinal) ? host[..^NameEnding.Length] : host, out string? name, out _))
        {
            (peer.DeviceName, peer.Port) = (name, port);
        }
        else
        {
            WarnOfLine("endpoint", value);
        }
    }

    private void ReadEndpoint(PeerText peer, string value)
    {
        int colon = value.LastIndexOf(':');
        string host = colon > 0 ? value[..colon].Trim() : "";
        if (colon > 0 && ushort.TryParse(value.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) && port != 0
            && Uri.CheckHostName(host) is not UriHostNameType.Unknown && (host is ['[', ..] || !host.Contains(':', StringComparison.Ordinal)))
        {
            (peer.Host, peer.Port) = (host.Trim('[', ']'), port);
        }
        else
        {
            WarnOfLine("endpoint", value);
        }
    }

    private WgQuickConfig Finish()
    {
        if (_hasCommands)
        {
            Warn("its commands (PostUp and the like) are not run");
        }

        if (_unused.Count > 0)
        {
            Warn($"{string.Join(", ", _unused)} not applied: what this machine does otherwise is not a contract's to set");
        }

        if (_key == WgQuickKey.Missing)
        {
            Warn("there is no interface: no usable PrivateKey (auto, or 32 bytes in base64)");
        }
        else if (_key == WgQuickKey.Given)
        {
            Warn("the private key stands in the contract, where others can read it; PrivateKey = auto is safer");
        }

        return new WgQuickConfig
        {
            Addresses = [.. _addresses.Select(static a => a.Address)],
            Networks = [.. _addresses.Select(static a => a.Network)],
            ListenPort = _port,
            Mtu = _mtu,
            Key = _key,
            PrivateKey = _privateKey,
            Peers = ReadyPeers(),
            Warnings = [.. _warnings],
        };
    }

    private ImmutableArray<WgQuickPeer> ReadyPeers()
    {
        ImmutableArray<WgQuickPeer>.Builder peers = ImmutableArray.CreateBuilder<WgQuickPeer>();
        HashSet<TunnelPublicKey> keys = [];
        HashSet<string> devices = [];
        foreach (PeerText peer in _peers)
        {
            string? device = peer.Device?.ToString() ?? peer.DeviceName;
            string? problem =
                peer.HasBadSecret ? "its preshared key is none"
                : peer.PublicKey is null && !peer.IsAuto ? "it has no public key"
                : peer.PublicKey is null && peer.Device is null ? "PublicKey = auto needs the device's address (DiodeDevice = 0x…)"
                : peer.PublicKey is { } key && !keys.Add(key) ? "its key is another peer's, too"
                : device is not null && !devices.Add(device) ? "its device is another peer's, too"
                : null;
            if (problem is not null)
            {
                Warn($"a peer is left out, {problem}{(peer.PublicKey is { } named ? $" ({named})" : device is null ? "" : $" ({device})")}");
                continue;
            }

            peers.Add(new WgQuickPeer
            {
                PublicKey = peer.PublicKey,
                PresharedKey = peer.PresharedKey,
                AllowedIps = [.. peer.AllowedIps],
                Keepalive = peer.Keepalive,
                Host = device is null ? peer.Host : null,
                Port = device is null || peer.Port != 0 ? peer.Port : _port,
                Device = peer.Device,
                DeviceName = peer.Device is null ? peer.DeviceName : null,
            });
        }

        return peers.ToImmutable();
    }

    private static bool TryReadKey(string text, out byte[] key)
    {
        key = new byte[TunnelPublicKey.Length];
        if (Convert.TryFromBase64String(text, key, out int written) && written == key.Length)
        {
            return true;
        }

        key = [];
        return false;
    }

    // What has a misspelt key may be a secret; in a text of one line it stands behind the value before it.
    private void WarnOfLine(string key, string value) =>
        Warn(key is "endpoint" or "listenport" or "mtu" or "publickey" or "persistentkeepalive" or "diodedevice"
            ? $"'{key} = {FirstWord(value)}' is not understood"
            : $"'{key}' is not understood");

    private static string FirstWord(string text) => text.Split((char[]?)null, 2, StringSplitOptions.RemoveEmptyEntries).FirstOrDefault("");

    private void Warn(string text) => _warnings.Add(text);

    [GeneratedRegex(
        @"\[(?:Interface|Peer)\]|(?<=[\s\]])(?:[#;] ?)?(?:PrivateKey|PublicKey|PresharedKey|Address|ListenPort|DNS|MTU|Table|FwMark|SaveConfig|AllowedIPs|Endpoint|PersistentKeepalive|DiodeDevice|PreUp|PostUp|PreDown|PostDown)\s*=|(?<=\[(?:Interface|Peer)\])",
        RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex Breaks();

    /// <summary>A peer while it is read.</summary>
    private sealed class PeerText
    {
        public TunnelPublicKey? PublicKey { get; set; }

        public bool IsAuto { get; set; }

        public byte[] PresharedKey { get; set; } = [];

        public bool HasBadSecret { get; set; }

        public List<IPNetwork> AllowedIps { get; } = [];

        public TimeSpan Keepalive { get; set; }

        public string? Host { get; set; }

        public ushort Port { get; set; }

        public Address? Device { get; set; }

        public string? DeviceName { get; set; }
    }
}
