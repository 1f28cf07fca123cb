using System.Text;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Tests.Edge.Sessions;

/// <summary>Writes every event down as one line.</summary>
internal sealed class RecordingEvents : IEdgeClientEvents
{
    public List<string> Log { get; } = [];

    public List<IncomingPort> Incoming { get; } = [];

    public PortRef LastOpened { get; private set; }

    public long DataBytes { get; private set; }

    public bool Quiet { get; set; }

    public void OnReady()
    {
        Log.Add("ready");
    }

    public void OnResponse(uint requestId, in EdgeReply reply)
    {
        RlpReader values = reply.Values;
        string text = reply.IsError ? "error " + reply.GetErrorMessage()
            : values.TryReadBytes(out ReadOnlySpan<byte> value) ? Encoding.Latin1.GetString(value)
            : "list";
        Log.Add($"response {requestId} {text}");
    }

    public void OnPortOpened(uint requestId, PortRef port)
    {
        LastOpened = port;
        Log.Add($"opened {requestId} {port}");
    }

    public void OnPortOpenFailed(uint requestId, string reason)
    {
        Log.Add($"failed {requestId} {reason}");
    }

    public void OnPortOpenRequested(in IncomingPort port)
    {
        Incoming.Add(port);
        Log.Add($"asked {port.Port} {Encoding.Latin1.GetString(port.Name.Span)} {port.Source}");
    }

    public void OnPortData(PortRef port, ReadOnlySpan<byte> data)
    {
        DataBytes += data.Length;
        if (!Quiet)
        {
            Log.Add($"data {port} {Encoding.Latin1.GetString(data)}");
        }
    }

    public void OnPortClosed(PortRef port)
    {
        Log.Add($"closed {port}");
    }

    public void OnTicketRejected(string reason)
    {
        Log.Add("ticket rejected: " + reason);
    }

    public void OnTicketAccepted(ulong paidBytes)
    {
        Log.Add($"paid {paidBytes}");
    }

    public void OnGoodbye(string reason, string text)
    {
        Log.Add($"goodbye {reason} {text}");
    }

    public void OnNotify(string level, string code, string text)
    {
        Log.Add($"notify {level} {code} {text}");
    }

    public void OnPhysicalPortRequested(
        ulong requestId, ushort physicalPort, Address source, ReadOnlySpan<byte> name, bool isUdp)
    {
        Log.Add($"physical {physicalPort} {Encoding.Latin1.GetString(name)} {(isUdp ? "udp" : "tcp")}");
    }

    public void OnPhysicalPortClosed(ushort physicalPort)
    {
        Log.Add($"physical closed {physicalPort}");
    }

    public void OnTicketDue()
    {
        Log.Add("due");
    }

    public void OnMessageReceived(ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
        Log.Add($"message {Encoding.Latin1.GetString(payload)}");
    }

    public void OnBlockHeader(ulong chainId, ReadOnlySpan<byte> header)
    {
        Log.Add($"block {chainId}");
    }

    public void OnTrace(ulong unixTimeMs, string name, string text)
    {
        Log.Add($"trace {unixTimeMs} {name} {text}");
    }
}
