using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Tickets;

/// <summary>
/// The local_address field of a ticket: free bytes that say at which relays the device can be met, and in form 02 more.
/// <code>02 | RLP([["s", [relay20…]], ["t", unix_seconds], ["w", tunnel_key32], ["v", version], …])</code>
/// "w" and "v" are of this product; other decoders skip keys they do not know, and so does this one. A key that is
/// repeated counts the last time; elements of "s" that are not 20 bytes are skipped (Go's reading).
/// </summary>
public sealed class LocalAddress
{
    /// <summary>Length of an X25519 public key.</summary>
    public const int TunnelKeyLength = 32;

    private static readonly LocalAddress Unknown = new();

    private readonly Address[] _relays = [];
    private readonly byte[]? _tunnelKey;
    private readonly LocalAddressEntry[] _unknown = [];

    private LocalAddress()
    {
    }

    private LocalAddress(Address[] relays, byte[]? tunnelKey, LocalAddressEntry[] unknown)
    {
        _relays = relays;
        _tunnelKey = tunnelKey;
        _unknown = unknown;
    }

    /// <summary>Which form was read.</summary>
    public LocalAddressForm Form { get; private init; }

    /// <summary>The relays named in the field itself, in its order.</summary>
    public IReadOnlyList<Address> Relays => _relays;

    /// <summary>Time of creation by the chain clock of the device in Unix seconds, if given.</summary>
    public ulong? Timestamp { get; private init; }

    /// <summary>Version of this product's tunnel protocol that the device speaks, if given.</summary>
    public ulong? CapabilityVersion { get; private init; }

    /// <summary>Whether a tunnel key of the right length is given.</summary>
    public bool HasTunnelKey => _tunnelKey is not null;

    /// <summary>The X25519 tunnel key; empty when none is given.</summary>
    public ReadOnlySpan<byte> TunnelKey => _tunnelKey;

    /// <summary>Entries with other keys, in their order, as read.</summary>
    public IReadOnlyList<LocalAddressEntry> UnknownEntries => _unknown;

    /// <summary>Reads the field; anything that is not understood is form <see cref="LocalAddressForm.None"/>.</summary>
    public static LocalAddress Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty || bytes.Length > EdgeLimits.MaxLocalAddress)
        {
            return Unknown;
        }

        switch (bytes[0])
        {
            case 0x00 when bytes.Length == 1 + Address.Length:
                return new LocalAddress([new Address(bytes[1..])], null, []) { Form = LocalAddressForm.OtherFirst };
            case 0x01 when bytes.Length == 1 + Address.Length:
                return new LocalAddress([new Address(bytes[1..])], null, []) { Form = LocalAddressForm.ServerFirst };
            case 0x02 when RlpReader.IsWellFormed(bytes[1..])
                && RlpReader.TryReadSingleList(bytes[1..], out RlpReader entries)
                && TryReadMetadata(entries, out LocalAddress? metadata):
                return metadata!;
            default:
                return Unknown;
        }
    }

    /// <summary>
    /// Encodes form 02.
    /// </summary>
    /// <param name="relays">Relays to be met at, best first.</param>
    /// <param name="timestamp">Time of creation in Unix seconds.</param>
    /// <param name="tunnelKey">X25519 public key of 32 bytes, or empty to leave it out.</param>
    /// <param name="capabilityVersion">Version of the tunnel protocol, or null to leave it out.</param>
    /// <exception cref="ArgumentException">The key has another length.</exception>
    public static byte[] Encode(
        ReadOnlySpan<Address> relays,
        ulong timestamp,
        ReadOnlySpan<byte> tunnelKey = default,
        ulong? capabilityVersion = null)
    {
        if (tunnelKey.Length is not 0 and not TunnelKeyLength)
        {
            throw new ArgumentException("a tunnel key is 32 bytes long", nameof(tunnelKey));
        }

        var rlp = new RlpWriter();
        rlp.BeginList();
        rlp.BeginList();
        rlp.WriteBytes("s"u8);
        rlp.BeginList();
        foreach (Address relay in relays)
        {
            rlp.WriteAddress(relay);
        }

        rlp.EndList();
        rlp.EndList();
        rlp.BeginList();
        rlp.WriteBytes("t"u8);
        rlp.WriteUInt64(timestamp);
        rlp.EndList();
        if (!tunnelKey.IsEmpty)
        {
            rlp.BeginList();
            rlp.WriteBytes("w"u8);
            rlp.WriteBytes(tunnelKey);
            rlp.EndList();
        }

        if (capabilityVersion is ulong version)
        {
            rlp.BeginList();
            rlp.WriteBytes("v"u8);
            rlp.WriteUInt64(version);
            rlp.EndList();
        }

        rlp.EndList();
        return [0x02, .. rlp.WrittenSpan];
    }

    /// <summary>
    /// The relays a device that is connected to <paramref name="server"/> names: its nearest relay first (Go client,
    /// <c>rpc/client.go</c>). Null means unknown.
    /// </summary>
    public static Address[] ChooseRelays(Address server, Address? primary, Address? secondary)
    {
        if (primary is null)
        {
            return [server];
        }

        if (primary.Value != server)
        {
            return [primary.Value, server];
        }

        return secondary is null || secondary.Value == server ? [server] : [server, secondary.Value];
    }

    /// <summary>The relays to try in order when the ticket was given to <paramref name="server"/>.</summary>
    public IReadOnlyList<Address> PreferredRelays(Address server)
    {
        return Form switch
        {
            LocalAddressForm.OtherFirst => [_relays[0], server],
            LocalAddressForm.ServerFirst => [server, _relays[0]],
            LocalAddressForm.Metadata when _relays.Length > 0 => _relays,
            _ => [server],
        };
    }

    /// <summary>The same as a relay of today sees it: form 02 is unknown to it (§4.2).</summary>
    public IReadOnlyList<Address> RelayRoute(Address server)
    {
        return Form == LocalAddressForm.Metadata ? [server] : PreferredRelays(server);
    }

    private static bool TryReadMetadata(RlpReader entries, out LocalAddress? metadata)
    {
        metadata = null;
        Address[] relays = [];
        ulong? timestamp = null;
        ulong? version = null;
        byte[]? tunnelKey = null;
        var unknown = new List<LocalAddressEntry>();
        while (!entries.IsEmpty)
        {
            if (!entries.TryReadList(out RlpReader pair)
                || !pair.TryReadBytes(out ReadOnlySpan<byte> key)
                || !pair.TryReadRaw(out ReadOnlySpan<byte> encoded)
                || !pair.IsEmpty)
            {
                return false;
            }

            var value = new RlpReader(encoded);
            if (key.SequenceEqual("s"u8))
            {
                if (value.TryReadList(out RlpReader list))
                {
                    relays = ReadRelays(list);
                }
            }
            else if (key.SequenceEqual("t"u8))
            {
                timestamp = value.TryReadUInt64(out ulong seconds) ? seconds : timestamp;
            }
            else if (key.SequenceEqual("w"u8))
            {
                tunnelKey = value.TryReadBytes(TunnelKeyLength, out ReadOnlySpan<byte> bytes)
                    ? bytes.ToArray()
                    : tunnelKey;
            }
            else if (key.SequenceEqual("v"u8))
            {
                version = value.TryReadUInt64(out ulong number) ? number : version;
            }
            else
            {
                unknown.Add(new LocalAddressEntry(key, encoded));
            }
        }

        metadata = new LocalAddress(relays, tunnelKey, [.. unknown])
        {
            Form = LocalAddressForm.Metadata,
            Timestamp = timestamp,
            CapabilityVersion = version,
        };
        return true;
    }

    private static Address[] ReadRelays(RlpReader list)
    {
        var relays = new List<Address>();
        while (!list.IsEmpty)
        {
            if (!list.TryReadItem(out ReadOnlySpan<byte> item, out bool isList))
            {
                break;
            }

            if (!isList && Address.TryRead(item, out Address relay))
            {
                relays.Add(relay);
            }
        }

        return [.. relays];
    }
}
