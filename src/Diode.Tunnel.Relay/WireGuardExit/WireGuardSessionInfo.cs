using System.Buffers;
using System.Text.Json;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>What a client puts into its WireGuard configuration (diode-node §10.1).</summary>
/// <param name="ServerPublicKey">Key of the exit, base64.</param>
/// <param name="EndpointHost">Name or address of the exit.</param>
/// <param name="ListenPort">Its UDP port.</param>
/// <param name="ClientAddress">Address of the client inside the tunnel, for example <c>10.0.0.2/32</c>.</param>
internal sealed record WireGuardSessionInfo(
    string ServerPublicKey, string EndpointHost, int ListenPort, string ClientAddress)
{
    /// <summary>The JSON text that Edge clients get, UTF-8; <c>listen_port</c> is a number.</summary>
    public byte[] ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, RelayJson.Plain))
        {
            json.WriteStartObject();
            json.WriteString("server_public_key"u8, ServerPublicKey);
            json.WriteString("endpoint_host"u8, EndpointHost);
            json.WriteNumber("listen_port"u8, ListenPort);
            json.WriteString("client_address"u8, ClientAddress);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }
}
