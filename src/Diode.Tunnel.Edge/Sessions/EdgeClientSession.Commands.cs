using System.Text;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Sessions;

/// <content>
/// Requests (reference §3.1). Each returns its number, which OnResponse names, or 0 when too many are unanswered or the message would be
/// too long for a frame. <see cref="EdgeAnswers"/> reads the answers.
/// </content>
public sealed partial class EdgeClientSession
{
    /// <summary>Asks whether the relay is alive; answered by OnResponse. 0 when too many requests are unanswered.</summary>
    public uint Ping()
    {
        uint id = AddRequest();
        if (id != 0)
        {
            _writer.WriteCommand(id, EdgeCommands.Ping);
        }

        return id;
    }

    /// <summary>Asks for the unpaid byte count; answered by OnResponse. 0 when too many requests are unanswered.</summary>
    public uint GetBytes()
    {
        uint id = AddRequest();
        if (id != 0)
        {
            _writer.WriteCommand(id, EdgeCommands.Bytes);
        }

        return id;
    }

    /// <summary>
    /// Asks for an object by device address (20 bytes) or object key (32 bytes); answered by OnResponse with the object
    /// or an empty string. 0 when too many requests are unanswered.
    /// </summary>
    /// <exception cref="ArgumentException">The key has another length.</exception>
    public uint GetObject(ReadOnlySpan<byte> key)
    {
        if (key.Length is not Address.Length and not Hash256.Length)
        {
            throw new ArgumentException("an object key is 20 or 32 bytes long", nameof(key));
        }

        uint id = AddRequest();
        if (id != 0)
        {
            _writer.WriteGetObject(id, key);
        }

        return id;
    }

    /// <summary>Asks for a relay's server object; answered by OnResponse. 0 when too many requests are unanswered.</summary>
    public uint GetNode(Address node)
    {
        uint id = AddRequest();
        if (id != 0)
        {
            _writer.WriteGetNode(id, node);
        }

        return id;
    }

    /// <summary>
    /// Asks for up to three server objects near a key of 20 or 32 bytes; answered by OnResponse. 0 when too many
    /// requests are unanswered.
    /// </summary>
    public uint GetNodes(ReadOnlySpan<byte> key)
    {
        uint id = AddRequest();
        if (id != 0)
        {
            _writer.WriteGetNodes(id, key);
        }

        return id;
    }

    /// <summary>Asks for version, description and features of the relay's software.</summary>
    public uint GetVersion()
    {
        uint id = AddRequest();
        if (id != 0)
        {
            _writer.WriteCommand(id, EdgeCommands.Version);
        }

        return id;
    }

    /// <summary>Asks whether a device is connected to the relay. Real relays close the session when it is: use with ours only.</summary>
    public uint IsOnline(Address device)
    {
        return Request("isonline"u8, rlp => rlp.WriteAddress(device));
    }

    /// <summary>
    /// Any command, for example <c>glmr:getaccountvalue</c>; <paramref name="writeArguments"/> writes what follows the word.
    /// </summary>
    public uint Request(ReadOnlySpan<byte> command, Action<RlpWriter>? writeArguments = null)
    {
        uint id = AddRequest();
        if (id == 0)
        {
            return 0;
        }

        RlpWriter rlp = _writer.Begin(id, command);
        writeArguments?.Invoke(rlp);
        if (_writer.End())
        {
            return id;
        }

        _requests.TryRemove(id, out _);
        return 0;
    }

    /// <summary>A command of a chain: the prefix (<c>glmr</c>, <c>base</c>, empty for the Diode L1), then as <see cref="Request(ReadOnlySpan{byte}, Action{RlpWriter})"/>.</summary>
    public uint RequestChain(string prefix, string command, Action<RlpWriter>? writeArguments = null)
    {
        return Request(Encoding.UTF8.GetBytes(prefix.Length == 0 ? command : $"{prefix}:{command}"), writeArguments);
    }

    /// <summary>Calls a JSON-RPC method of a chain through the relay; the answer is text, not proven by anything.</summary>
    public uint Rpc(string prefix, string method, string parametersJson)
    {
        return RequestChain(prefix, "rpc", rlp =>
        {
            rlp.WriteText(method);
            rlp.WriteText(parametersJson);
        });
    }

    /// <summary>Asks for the headers of new blocks, told by OnBlockHeader from then on. There is no way back.</summary>
    public uint Subscribe(string prefix)
    {
        return RequestChain(prefix, "subscribe");
    }

    /// <summary>Sends a message to a device. Nothing ever answers, whatever becomes of it. False when it is too long.</summary>
    public bool SendMessage(
        Address destination, ReadOnlySpan<byte> payload, IReadOnlyList<KeyValuePair<string, byte[]>>? metadata = null)
    {
        RlpWriter rlp = _writer.Begin(UnansweredRequestId, "message"u8);
        rlp.WriteAddress(destination);
        rlp.WriteBytes(payload);
        rlp.BeginList();
        foreach ((string key, byte[] value) in metadata ?? [])
        {
            rlp.BeginList();
            rlp.WriteText(key);
            rlp.WriteBytes(value);
            rlp.EndList();
        }

        rlp.EndList();
        return _writer.End();
    }

    /// <summary>Creates or finds a channel; its key then is what PortOpenChannel opens.</summary>
    /// <param name="chainId">Chain of the block.</param>
    /// <param name="block">Number of the block that dates the channel.</param>
    /// <param name="fleet">Fleet that the device belongs to.</param>
    /// <param name="type"><c>mailbox</c> or <c>broadcast</c>.</param>
    /// <param name="name">At most 32 bytes.</param>
    /// <param name="signature">Of the device, over <see cref="Objects.ChannelDigest"/>.</param>
    public uint OpenChannel(
        ulong chainId, ulong block, Address fleet, string type, ReadOnlyMemory<byte> name, Signature65 signature)
    {
        return Request("channel"u8, rlp =>
        {
            rlp.WriteUInt64(chainId);
            rlp.WriteUInt64(block);
            rlp.WriteAddress(fleet);
            rlp.WriteText(type);
            rlp.WriteBytes(name.Span);
            rlp.BeginList();
            rlp.EndList();
            rlp.WriteBytes(signature.ToArray());
        });
    }

    /// <summary>Asks for a WireGuard way out at the relay, for a public key of 32 bytes; answered with JSON (§3.10).</summary>
    /// <exception cref="ArgumentException">The key has another length.</exception>
    public uint OpenWireGuard(ReadOnlyMemory<byte> publicKey)
    {
        if (publicKey.Length != Tickets.LocalAddress.TunnelKeyLength)
        {
            throw new ArgumentException("a WireGuard key is 32 bytes long", nameof(publicKey));
        }

        return Request("wireguard"u8, rlp =>
        {
            rlp.WriteText("open");
            rlp.WriteBytes(publicKey.Span);
        });
    }

    /// <summary>Ends the WireGuard way out.</summary>
    public uint CloseWireGuard()
    {
        return Request("wireguard"u8, static rlp => rlp.WriteText("close"));
    }

    /// <summary>Asks for credentials of the relay's TURN service; answered with JSON (§3.10).</summary>
    public uint OpenTurn()
    {
        return Request("turnopen"u8);
    }
}
