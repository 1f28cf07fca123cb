namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// The relay behind one <see cref="EdgeServerSession"/>. All calls except <see cref="OnUsage"/> come from the thread
/// that runs <see cref="EdgeServerSession.Process"/>; spans are valid during the call. Requests with an id are
/// answered through the session, at once or later, from any thread.
/// </summary>
public interface IEdgeServerHandler
{
    /// <summary>A frame of this many payload bytes was received or queued to be sent. Any thread.</summary>
    void OnUsage(int bytes);

    /// <summary>A <c>hello</c> of a supported version; called before it is answered.</summary>
    void OnHello(ulong version, long nowMs);

    /// <summary>A ticket, to be judged and answered (diode-edge §3.3).</summary>
    void OnTicket(in RequestId id, in TicketSubmission ticket, long nowMs);

    /// <summary><c>bytes</c>: answer usage minus what the ticket covers.</summary>
    void OnBytes(in RequestId id, long nowMs);

    /// <summary><c>version</c>.</summary>
    void OnVersion(in RequestId id);

    /// <summary><c>getobject</c> with a key of any length.</summary>
    void OnGetObject(in RequestId id, ReadOnlySpan<byte> key, long nowMs);

    /// <summary><c>getnode</c> with a key of any length.</summary>
    void OnGetNode(in RequestId id, ReadOnlySpan<byte> key, long nowMs);

    /// <summary><c>getnodes</c> with a key of any length.</summary>
    void OnGetNodes(in RequestId id, ReadOnlySpan<byte> key, long nowMs);

    /// <summary><c>isonline</c> with a key of any length.</summary>
    void OnIsOnline(in RequestId id, ReadOnlySpan<byte> key);

    /// <summary><c>message</c>: never answered. <paramref name="metadata"/> is one encoded RLP item.</summary>
    void OnMessage(
        ReadOnlySpan<byte> device, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata, long nowMs);

    /// <summary><c>channel</c>, to be judged and answered (diode-edge §3.11).</summary>
    void OnChannel(in RequestId id, in ChannelSubmission channel, long nowMs);

    /// <summary>The session itself refused a command: not understood, or too long. For counting.</summary>
    void OnRefused();

    /// <summary><c>portopen</c>.</summary>
    void OnPortOpen(
        in RequestId id, ReadOnlySpan<byte> device, ReadOnlySpan<byte> port, ReadOnlySpan<byte> flags, long nowMs);

    /// <summary>The peer accepts a port it was asked for.</summary>
    void OnPortConfirmed(uint portRef, long nowMs);

    /// <summary>The peer denies a port it was asked for.</summary>
    void OnPortDenied(uint portRef, ReadOnlySpan<byte> reason);

    /// <summary><c>portsend</c>; must not allocate. On <see cref="PortSendStatus.Blocked"/> it is called again.</summary>
    PortSendStatus OnPortSend(uint portRef, ReadOnlySpan<byte> data, long nowMs);

    /// <summary><c>portclose</c>; false when there is no such port.</summary>
    bool OnPortClose(uint portRef);

    /// <summary><c>portopen2</c>: a port of the relay's host for this peer and a device (diode-edge §3.9).</summary>
    void OnPortOpen2(
        in RequestId id, ReadOnlySpan<byte> device, ReadOnlySpan<byte> port, ReadOnlySpan<byte> flags, long nowMs);

    /// <summary><c>portclose2</c>; answered with ok whether or not there is such a port and whose it is.</summary>
    void OnPortClose2(ushort physicalPort);

    /// <summary><c>turnopen</c>.</summary>
    void OnTurnOpen(in RequestId id);

    /// <summary><c>wireguard open</c> with a key of 32 bytes.</summary>
    void OnWireGuardOpen(in RequestId id, ReadOnlySpan<byte> key);

    /// <summary><c>wireguard close</c>.</summary>
    void OnWireGuardClose(in RequestId id);

    /// <summary>Whether commands with this prefix belong to a chain; those of others are bad input.</summary>
    bool IsChainPrefix(ReadOnlySpan<byte> prefix);

    /// <summary>A command of a chain, to be answered by <see cref="EdgeServerSession.ReplyAnswer"/>.</summary>
    /// <param name="id">Id of the request.</param>
    /// <param name="prefix">Prefix of the chain; empty for the Diode L1.</param>
    /// <param name="command">The encoded list <c>[command, argument…]</c> without prefix; the handler keeps it.</param>
    /// <param name="nowMs">Unix milliseconds.</param>
    void OnChainCommand(in RequestId id, ReadOnlySpan<byte> prefix, ReadOnlyMemory<byte> command, long nowMs);

    /// <summary><c>subscribe</c> with any prefix, or none.</summary>
    void OnSubscribe(in RequestId id, ReadOnlySpan<byte> prefix);
}
