using System.Globalization;
using System.Net;

namespace Diode.Tunnel.WireGuardTool;

/// <summary>
/// A configuration file as wg(8) <c>setconf</c> takes it. Keys of wg-quick(8) (Address, DNS …) and unknown ones are errors, so that
/// nothing is silently left out; endpoints are numeric.
/// </summary>
internal sealed class InterfaceConfiguration
{
    private const int KeyLength = 32;

    public byte[] PrivateKey { get; private set; } = [];

    public int ListenPort { get; private set; }

    public List<PeerConfiguration> Peers { get; } = [];

    /// <exception cref="FormatException">A line is not understood; the text names it.</exception>
    public static InterfaceConfiguration Parse(IEnumerable<string> lines)
    {
        InterfaceConfiguration configuration = new();
        PeerConfiguration? peer = null;
        int number = 0;
        foreach (string raw in lines)
        {
            number++;
            string line = raw.Split('#')[0].Trim();
            if (line.Equals("[Peer]", StringComparison.OrdinalIgnoreCase))
            {
                configuration.Peers.Add(peer = new PeerConfiguration());
            }
            else if (line.Length > 0 && !line.Equals("[Interface]", StringComparison.OrdinalIgnoreCase))
            {
                int equals = line.IndexOf('=', StringComparison.Ordinal);
                string key = equals < 0 ? line : line[..equals].TrimEnd();
                string value = equals < 0 ? "" : line[(equals + 1)..].TrimStart();
                if (!(peer is null ? configuration.TrySet(key, value) : TrySet(peer, key, value)))
                {
                    throw new FormatException($"line {number}: '{key}' is unknown here or has a bad value");
                }
            }
        }

        if (configuration.PrivateKey.Length == 0 || configuration.Peers.Exists(p => p.PublicKey.Length == 0))
        {
            throw new FormatException("PrivateKey, or the PublicKey of a peer, is missing");
        }

        return configuration;
    }

    private bool TrySet(string key, string value)
    {
        switch (key.ToUpperInvariant())
        {
            case "PRIVATEKEY":
                return TryKey(value, out byte[] bytes) && Set(() => PrivateKey = bytes);
            case "LISTENPORT":
                return TryNumber(value, out ushort port) && Set(() => ListenPort = port);
            default:
                return false;
        }
    }

    private static bool TrySet(PeerConfiguration peer, string key, string value)
    {
        byte[] bytes;
        switch (key.ToUpperInvariant())
        {
            case "PUBLICKEY":
                return TryKey(value, out bytes) && Set(() => peer.PublicKey = bytes);
            case "PRESHAREDKEY":
                return TryKey(value, out bytes) && Set(() => peer.PresharedKey = bytes);
            case "ENDPOINT":
                return IPEndPoint.TryParse(value, out IPEndPoint? endpoint) && Set(() => peer.Endpoint = endpoint);
            case "PERSISTENTKEEPALIVE":
                return TryNumber(value, out ushort seconds)
                    && Set(() => peer.PersistentKeepalive = TimeSpan.FromSeconds(seconds));
            case "ALLOWEDIPS":
                return TryAddPrefixes(peer, value);
            default:
                return false;
        }
    }

    // As wg(8): host bits are allowed and cleared.
    private static bool TryAddPrefixes(PeerConfiguration peer, string value)
    {
        foreach (string text in value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = text.Split('/');
            if (!IPAddress.TryParse(parts[0], out IPAddress? address))
            {
                return false;
            }

            byte[] bytes = address.GetAddressBytes();
            int length = bytes.Length * 8;
            if (parts.Length > 1 && !(int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int given)
                && given <= length && Set(() => length = given)))
            {
                return false;
            }

            for (int bit = length; bit < bytes.Length * 8; bit++)
            {
                bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
            }

            peer.AllowedIps.Add(new IPNetwork(new IPAddress(bytes), length));
        }

        return true;
    }

    private static bool TryKey(string base64, out byte[] key)
    {
        key = new byte[KeyLength];
        return Convert.TryFromBase64String(base64, key, out int written) && written == KeyLength;
    }

    private static bool TryNumber(string text, out ushort number) =>
        ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static bool Set(Action assign)
    {
        assign();
        return true;
    }
}
