using System.Text.Encodings.Web;
using System.Text.Json;

namespace Diode.Tunnel.Relay;

/// <summary>How the relay writes JSON.</summary>
internal static class RelayJson
{
    /// <summary>Base64 keeps its "+": readers that compare texts see what other relays send.</summary>
    public static JsonWriterOptions Plain { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
