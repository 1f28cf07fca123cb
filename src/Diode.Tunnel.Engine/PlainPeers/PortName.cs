using System.Globalization;
using System.Text;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>
/// The name of a port in <c>portopen</c> (diode-edge §3.6): <c>tcp:80</c>, <c>tls:80</c>, <c>udp:53</c>, or one or two raw bytes of
/// the number, which mean clear text TCP.
/// </summary>
/// <param name="Protocol">How it is opened; never <see cref="PortProtocol.Any"/>.</param>
/// <param name="Number">The number, not 0.</param>
/// <param name="IsLegacy">Raw bytes instead of text.</param>
public readonly record struct PortName(PortProtocol Protocol, ushort Number, bool IsLegacy = false)
{
    private const int MaxLegacyBytes = 2;

    /// <summary>Reads a name as it came over the wire; false: none of the forms.</summary>
    public static bool TryRead(ReadOnlySpan<byte> name, out PortName port)
    {
        port = default;
        if (name.Length is > 0 and <= MaxLegacyBytes)
        {
            int number = name.Length == 1 ? name[0] : (name[0] << 8) | name[1];
            port = new PortName(PortProtocol.Tcp, (ushort)number, IsLegacy: true);
            return number != 0;
        }

        PortProtocol? protocol = name.Length < 5 ? null
            : name.StartsWith("tcp:"u8) ? PortProtocol.Tcp
            : name.StartsWith("tls:"u8) ? PortProtocol.Tls
            : name.StartsWith("udp:"u8) ? PortProtocol.Udp
            : null;
        if (protocol is { } known
            && ushort.TryParse(name[4..], NumberStyles.None, CultureInfo.InvariantCulture, out ushort value)
            && value != 0)
        {
            port = new PortName(known, value);
            return true;
        }

        return false;
    }

    /// <summary>The bytes for <c>portopen</c>. A legacy name has always two bytes; the relay drops a leading zero.</summary>
    public byte[] ToBytes()
    {
        return IsLegacy ? [(byte)(Number >> 8), (byte)Number] : Encoding.ASCII.GetBytes(ToString());
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        string word = Protocol switch
        {
            PortProtocol.Tls => "tls",
            PortProtocol.Udp => "udp",
            _ => "tcp",
        };
        return string.Create(CultureInfo.InvariantCulture, $"{word}:{Number}");
    }
}
