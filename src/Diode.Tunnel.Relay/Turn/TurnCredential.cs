using System.Buffers;
using System.Text.Json;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>What a TURN client needs (diode-node §10.2).</summary>
/// <param name="Username">Names the device for <see cref="TtlSeconds"/>.</param>
/// <param name="Credential">The password.</param>
/// <param name="Url">Where the server is, <c>turn:host:port?transport=udp</c>.</param>
/// <param name="Realm">Realm of the server.</param>
/// <param name="TtlSeconds">How long it still works.</param>
/// <param name="ExpiresAt">Until when, unix seconds.</param>
internal sealed record TurnCredential(
    string Username, string Credential, string Url, string Realm, long TtlSeconds, long ExpiresAt)
{
    /// <summary>The JSON text that Edge clients get, UTF-8, with plain numbers.</summary>
    public byte[] ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, RelayJson.Plain))
        {
            json.WriteStartObject();
            json.WriteString("username"u8, Username);
            json.WriteString("credential"u8, Credential);
            json.WriteStartArray("urls"u8);
            json.WriteStringValue(Url);
            json.WriteEndArray();
            json.WriteString("realm"u8, Realm);
            json.WriteNumber("ttl_seconds"u8, TtlSeconds);
            json.WriteNumber("expires_at"u8, ExpiresAt);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Without the password.</summary>
    public override string ToString() => Username;
}
