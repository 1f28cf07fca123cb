using System.Buffers;
using System.Net;
using System.Text.Json;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Relay.WireGuardExit;

/// <summary>A client as it is kept over a restart.</summary>
internal readonly record struct ExitClientRecord(
    Address Device, TunnelPublicKey Key, uint Address, bool HasPaid, bool WasHeard);

/// <summary>The file of the clients, so that a restart keeps their tunnels. Holds no secrets.</summary>
internal static class ExitClientFile
{
    public const string FileName = "wireguard-clients.json";

    private const int Version = 1;

    public static byte[] Write(IPNetwork pool, IEnumerable<ExitClientRecord> clients)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using var json = new Utf8JsonWriter(buffer, RelayJson.Plain);
        json.WriteStartObject();
        json.WriteNumber("version"u8, Version);
        json.WriteString("pool"u8, pool.ToString());
        json.WriteStartArray("clients"u8);
        foreach (ExitClientRecord client in clients)
        {
            json.WriteStartObject();
            json.WriteString("device"u8, client.Device.ToString());
            json.WriteString("key"u8, client.Key.ToString());
            json.WriteString("address"u8, ExitAddressPool.ToAddress(client.Address).ToString());
            json.WriteBoolean("paid"u8, client.HasPaid);
            json.WriteBoolean("heard"u8, client.WasHeard);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads the file; false when it is damaged or of another version. Entries that make no sense are left out.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> content, out IPNetwork pool, out List<ExitClientRecord> clients)
    {
        clients = [];
        pool = default;
        try
        {
            using var document = JsonDocument.Parse(content);
            JsonElement root = document.RootElement;
            if (root.GetProperty("version").GetInt32() != Version
                || !IPNetwork.TryParse(root.GetProperty("pool").GetString(), out pool))
            {
                return false;
            }

            foreach (JsonElement item in root.GetProperty("clients").EnumerateArray())
            {
                if (Address.TryParse(item.GetProperty("device").GetString() ?? "", out Address device)
                    && TunnelPublicKey.TryParse(item.GetProperty("key").GetString(), out TunnelPublicKey key)
                    && IPAddress.TryParse(item.GetProperty("address").GetString(), out IPAddress? address)
                    && address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork)
                {
                    clients.Add(new ExitClientRecord(
                        device,
                        key,
                        ExitAddressPool.ToNumber(address),
                        item.GetProperty("paid").GetBoolean(),
                        item.GetProperty("heard").GetBoolean()));
                }
            }

            return true;
        }
        catch (Exception exception)
            when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return false;
        }
    }
}
