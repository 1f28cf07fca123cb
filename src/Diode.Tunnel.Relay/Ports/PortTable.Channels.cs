using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Relay.Channels;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.Ports;

/// <content>Channels: ports with openers only (diode-edge §3.11).</content>
internal sealed partial class PortTable
{
    /// <summary>Every frame of a member is copied to all others.</summary>
    private const int MaxChannelMembers = 256;

    /// <summary>Attaches a session to a channel of this relay; the name does not matter. Answers or returns the error.</summary>
    public ReadOnlySpan<byte> OpenChannel(
        RelaySession opener, Channel channel, in RequestId id, PortFlags flags, long nowMs)
    {
        lock (_gate)
        {
            if (opener.Ports.Count >= _maxPerSession || channel.Port.Openers.Length >= MaxChannelMembers)
            {
                return "too many open ports"u8;
            }

            if (opener.IsClosed)
            {
                return "not found"u8;
            }

            uint portRef = NextRefLocked(opener, null);
            Trace(flags.Traced ? opener : null, opener, "received portopen for channel", portRef, nowMs);
            AttachLocked(channel.Port, opener, portRef, flags);
            opener.Edge.ReplyPortOpened(id, portRef);
            return default;
        }
    }
}
