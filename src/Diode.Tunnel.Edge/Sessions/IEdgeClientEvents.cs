using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// What an <see cref="EdgeClientSession"/> tells its owner, from inside Start, Receive or Tick. The handlers may call
/// the session's other methods, but not those three. Spans are valid during the call. <see cref="OnTicketDue"/> may come out of any
/// method that moves bytes.
/// </summary>
public interface IEdgeClientEvents
{
    /// <summary>The relay accepted a ticket for the first time: it will keep the session.</summary>
    void OnReady();

    /// <summary>
    /// A request was answered, or will not be: then the reply is an error with the text <c>timeout</c> or
    /// <c>session closed</c>.
    /// </summary>
    void OnResponse(uint requestId, in EdgeReply reply);

    /// <summary>A port asked for with PortOpen is open; data may be sent.</summary>
    void OnPortOpened(uint requestId, PortRef port);

    /// <summary>A port asked for with PortOpen is not to be had.</summary>
    void OnPortOpenFailed(uint requestId, string reason);

    /// <summary>Another device wants to open a port here.</summary>
    void OnPortOpenRequested(in IncomingPort port);

    /// <summary>Data came in on an open port. The hot path: no allocation up to here.</summary>
    void OnPortData(PortRef port, ReadOnlySpan<byte> data);

    /// <summary>An open port, or a requested one that was not answered yet, was closed by the other side.</summary>
    void OnPortClosed(PortRef port);

    /// <summary>No acceptable ticket could be made; the relay will close the session within 20 s.</summary>
    void OnTicketRejected(string reason);

    /// <summary>The relay accepted a ticket. <paramref name="paidBytes"/> is what it added.</summary>
    void OnTicketAccepted(ulong paidBytes)
    {
    }

    /// <summary>
    /// Only with <see cref="EdgeClientOptions.OwnerSigns"/>: call MakeTicket soon, on whatever thread has the time to sign what it
    /// returns, and hand that to SubmitTicket.
    /// </summary>
    void OnTicketDue()
    {
    }

    /// <summary>A message of another device (§3.12). Who sent it is not told. Metadata: the encoded RLP list of pairs.</summary>
    void OnMessageReceived(ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
    }

    /// <summary>A new block of a subscribed chain: the encoded RLP list of pairs (§3.13).</summary>
    void OnBlockHeader(ulong chainId, ReadOnlySpan<byte> header)
    {
    }

    /// <summary>What became of a port opened with flag <c>t</c>. Time: Unix milliseconds by the relay's clock.</summary>
    void OnTrace(ulong unixTimeMs, string name, string text)
    {
    }

    /// <summary>The relay is about to close the session.</summary>
    void OnGoodbye(string reason, string text)
    {
    }

    /// <summary>The relay has something to say to people.</summary>
    void OnNotify(string level, string code, string text)
    {
    }

    /// <summary>
    /// The relay opened a physical port for another device and this one; answer within 10 s with AcceptPhysicalPort or
    /// RejectPhysicalPort. Unanswered it goes away.
    /// </summary>
    void OnPhysicalPortRequested(ulong requestId, ushort physicalPort, Address source, ReadOnlySpan<byte> name, bool isUdp)
    {
    }

    /// <summary>A physical port is gone.</summary>
    void OnPhysicalPortClosed(ushort physicalPort)
    {
    }
}
