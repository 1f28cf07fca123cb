using System.Globalization;
using System.Net;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>One port of a definition: <c>[host:]source[:destination[:protocol]]</c>.</summary>
/// <param name="Host">Where the service is, seen from this device; <c>localhost</c> if not named.</param>
/// <param name="Source">The port of the service.</param>
/// <param name="Destination">The number other devices use.</param>
/// <param name="Protocol">How it may be opened.</param>
public sealed record PortMapping(string Host, ushort Source, ushort Destination, PortProtocol Protocol)
{
    /// <summary>The host when none is named.</summary>
    public const string LocalHost = "localhost";

    /// <summary>Whether the service runs on this device.</summary>
    public bool IsLocal => Host == LocalHost || (IPAddress.TryParse(Host, out IPAddress? address) && IPAddress.IsLoopback(address));

    /// <summary>Host and port of the service.</summary>
    public string Target => Host.Contains(':', StringComparison.Ordinal)
        ? string.Create(CultureInfo.InvariantCulture, $"[{Host}]:{Source}")
        : string.Create(CultureInfo.InvariantCulture, $"{Host}:{Source}");

    /// <summary>Whether it may be opened so.</summary>
    public bool Accepts(PortProtocol protocol)
    {
        return Protocol == PortProtocol.Any || Protocol == protocol;
    }

    /// <summary>The form <see cref="PortDefinition.TryParse"/> reads.</summary>
    public override string ToString()
    {
        string host = Host == LocalHost ? "" : Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:" : $"{Host}:";
        string protocol = Protocol == PortProtocol.Any ? "" : ":" + Protocol.ToString().ToLowerInvariant();
        return string.Create(CultureInfo.InvariantCulture, $"{host}{Source}:{Destination}{protocol}");
    }
}
