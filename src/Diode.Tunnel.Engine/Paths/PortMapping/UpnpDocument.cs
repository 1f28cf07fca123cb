using System.Globalization;
using System.Net;
using System.Security;
using System.Xml;

namespace Diode.Tunnel.Engine.Paths.PortMapping;

/// <summary>
/// Texts of UPnP IGD (WANIPConnection and WANPPPConnection, version 1 and 2), made and read. Whatever a gateway sends is read with
/// bounds, without DTDs and external entities, and never throws. Pure.
/// </summary>
internal static class UpnpDocument
{
    /// <summary>Longest text taken from a gateway, in characters.</summary>
    public const int MaxLength = 128 * 1024;

    /// <summary>What is looked for; answered by the gateway itself.</summary>
    public const string Search =
        "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n"
        + "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n";

    private const int MaxElements = 4096;

    /// <summary>Finds where the gateway describes itself. The place must be on the gateway: nobody is sent elsewhere.</summary>
    public static Uri? ReadLocation(string answer, IPAddress gateway)
    {
        if (!answer.StartsWith("HTTP/1.1 200", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        foreach (string line in answer.Split('\n'))
        {
            if (line.StartsWith("location:", StringComparison.OrdinalIgnoreCase))
            {
                return OnGateway(line["location:".Length..].Trim(), null, gateway);
            }
        }

        return null;
    }

    /// <summary>Finds the service that maps ports: its type and where it is controlled.</summary>
    public static (string Service, Uri Control)? ReadService(string description, Uri location, IPAddress gateway)
    {
        string? type = null;
        (string, Uri)? found = null;
        Read(description, (name, text) =>
        {
            if (name == "serviceType")
            {
                type = text;
            }
            else if (name == "controlURL"
                && type is not null
                && (type.StartsWith("urn:schemas-upnp-org:service:WANIPConnection:", StringComparison.Ordinal)
                    || type.StartsWith("urn:schemas-upnp-org:service:WANPPPConnection:", StringComparison.Ordinal))
                && type.Length < 100
                && OnGateway(text, location, gateway) is { } control)
            {
                found ??= (type, control);
                type = null;
            }
        });
        return found;
    }

    /// <summary>Asks for the outer address.</summary>
    public static string MakeAddressRequest(string service)
    {
        return Envelope(service, "GetExternalIPAddress", "");
    }

    /// <summary>Reads the outer address.</summary>
    public static IPAddress? ReadAddress(string answer)
    {
        IPAddress? address = null;
        Read(answer, (name, text) =>
        {
            if (name == "NewExternalIPAddress" && IPAddress.TryParse(text, out IPAddress? parsed))
            {
                address = parsed;
            }
        });
        return address;
    }

    /// <summary>Asks for a UDP port.</summary>
    public static string MakeMapRequest(string service, IPAddress client, int port, uint seconds)
    {
        return Envelope(
            service,
            "AddPortMapping",
            string.Create(
                CultureInfo.InvariantCulture,
                $"<NewRemoteHost></NewRemoteHost><NewExternalPort>{port}</NewExternalPort><NewProtocol>UDP</NewProtocol>"
                + $"<NewInternalPort>{port}</NewInternalPort><NewInternalClient>{client}</NewInternalClient><NewEnabled>1</NewEnabled>"
                + $"<NewPortMappingDescription>diode-tunnel</NewPortMappingDescription><NewLeaseDuration>{seconds}</NewLeaseDuration>"));
    }

    /// <summary>Gives a UDP port back.</summary>
    public static string MakeUnmapRequest(string service, int port)
    {
        return Envelope(
            service,
            "DeletePortMapping",
            string.Create(
                CultureInfo.InvariantCulture,
                $"<NewRemoteHost></NewRemoteHost><NewExternalPort>{port}</NewExternalPort><NewProtocol>UDP</NewProtocol>"));
    }

    /// <summary>The action header of a request.</summary>
    public static string ActionOf(string service, string action)
    {
        return $"\"{service}#{action}\"";
    }

    private static string Envelope(string service, string action, string arguments)
    {
        return "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
            + "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>"
            + $"<u:{action} xmlns:u=\"{SecurityElement.Escape(service)}\">{arguments}</u:{action}></s:Body></s:Envelope>";
    }

    private static Uri? OnGateway(string text, Uri? relativeTo, IPAddress gateway)
    {
        return (relativeTo is null ? Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) : Uri.TryCreate(relativeTo, text, out uri))
            && uri.Scheme == Uri.UriSchemeHttp
            && IPAddress.TryParse(uri.Host.Trim('[', ']'), out IPAddress? host)
            && host.Equals(gateway)
                ? uri
                : null;
    }

    private static void Read(string xml, Action<string, string> take)
    {
        if (xml.Length > MaxLength)
        {
            return;
        }

        try
        {
            XmlReaderSettings settings = new()
            {
                DtdProcessing = DtdProcessing.Prohibit,
                XmlResolver = null,
                MaxCharactersInDocument = MaxLength,
            };
            using XmlReader reader = XmlReader.Create(new StringReader(xml), settings);
            string name = "";
            for (int i = 0; i < MaxElements && reader.Read(); i++)
            {
                if (reader.NodeType == XmlNodeType.Element)
                {
                    name = reader.LocalName;
                }
                else if (reader.NodeType == XmlNodeType.Text)
                {
                    take(name, reader.Value.Trim());
                }
            }
        }
        catch (XmlException)
        {
            // Not what it should be: what was found before it counts, or nothing.
        }
    }
}
