using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.RelayPeers;

namespace Diode.Tunnel.Relay.Sessions;

/// <content>Objects and relays: what is known here is answered at once, the rest by the other relays.</content>
internal sealed partial class RelaySession
{
    // Object keys are 20 or 32 bytes; nothing longer can be one.
    private const int MaxObjectKey = 64;

    /// <inheritdoc/>
    public void OnGetObject(in RequestId id, ReadOnlySpan<byte> key, long nowMs)
    {
        Ticket? own = null;
        if (Address.TryRead(key, out Address address))
        {
            if (address == _core.Address)
            {
                Edge.ReplyEncoded(id, _core.GetServerObject(nowMs));
                return;
            }

            own = _core.Tickets.Find(address);
            if (own is not null && _core.Directory.FindOldest(address) is not null)
            {
                // It is connected here: nobody knows better.
                ReplyTicket(id, own);
                return;
            }
        }
        else if (_core.Channels.TryGetObject(key, nowMs, out byte[]? channel))
        {
            Edge.ReplyEncoded(id, channel);
            return;
        }

        if (_core.Network is IObjectNetwork network && key.Length is > 0 and <= MaxObjectKey)
        {
            RequestId later = id;
            byte[] copy = key.ToArray();
            AnswerLater(later, async gone => ReplyObject(later, await network.FindObjectAsync(copy, gone), own));
            return;
        }

        ReplyObject(id, null, own);
    }

    /// <inheritdoc/>
    public void OnGetNode(in RequestId id, ReadOnlySpan<byte> key, long nowMs)
    {
        if (!Address.TryRead(key, out Address address))
        {
            Edge.ReplyText(id, default);
        }
        else if (address == _core.Address)
        {
            Edge.ReplyEncoded(id, _core.GetServerObject(nowMs));
        }
        else if (_core.Network is IObjectNetwork network)
        {
            RequestId later = id;
            AnswerLater(later, async gone => ReplyObject(later, await network.FindNodeAsync(address, gone), null));
        }
        else
        {
            Edge.ReplyText(id, default);
        }
    }

    /// <inheritdoc/>
    public void OnGetNodes(in RequestId id, ReadOnlySpan<byte> key, long nowMs)
    {
        // The answering relay is never in its own list.
        var writer = new RlpWriter();
        writer.BeginList();
        foreach (byte[] node in _core.Network?.NearestNodes(key) ?? [])
        {
            writer.WriteRaw(node);
        }

        writer.EndList();
        Edge.ReplyEncoded(id, writer.WrittenSpan);
    }

    private void ReplyObject(in RequestId id, byte[]? found, Ticket? own)
    {
        if (found is not null)
        {
            Edge.ReplyEncoded(id, found);
        }
        else if (own is not null)
        {
            ReplyTicket(id, own);
        }
        else
        {
            Edge.ReplyText(id, default);
        }
    }

    private void ReplyTicket(in RequestId id, Ticket ticket)
    {
        var writer = new RlpWriter();
        ticket.WriteObject(writer);
        Edge.ReplyEncoded(id, writer.WrittenSpan);
    }
}
