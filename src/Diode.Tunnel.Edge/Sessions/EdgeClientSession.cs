using System.Text;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Edge.Sessions;

/// <summary>
/// The client's side of one Edge v2 session, from the first byte inside TLS to its end. No socket, clock or thread:
/// the owner passes in what was received and the time, and sends what <see cref="Output"/> holds. It never refuses a
/// write; the owner watches <see cref="PendingOutput"/> and stops producing. Not thread-safe.
/// <para>
/// Obeyed rules that a relay punishes by closing (reference §3.6): nothing is sent on a port before it is confirmed,
/// nothing is confirmed or denied twice.
/// </para>
/// </summary>
public sealed partial class EdgeClientSession : IDisposable
{
    /// <summary>Shared by all portsend and portclose, whose answers say nothing that counts.</summary>
    private const uint PortRequestId = 1;

    private readonly Address _relay;
    private readonly EdgeClientOptions _options;
    private readonly IEdgeClientEvents _events;
    private readonly OutputBuffer _output = new();
    private readonly FrameReader _frames = new();
    private readonly EdgeMessageWriter _writer;
    private readonly ClientTickets _tickets;
    private readonly PendingRequests _requests;
    private readonly EarlyPortData _early = new();
    private readonly Dictionary<PortRef, PortState> _ports = [];
    private PortRef _lastStray;
    private long _now;
    private long _receivedBytes;
    private ulong _externalUsage;
    private bool _started;
    private bool _ready;

    /// <summary>Prepares a session; nothing is written before <see cref="Start"/>.</summary>
    /// <param name="device">Key of this device; must stay usable as long as the session.</param>
    /// <param name="relay">Address the relay has proven in TLS; tickets are made out to it.</param>
    /// <param name="options">Settings.</param>
    /// <param name="events">Receiver of events.</param>
    public EdgeClientSession(PrivateKey device, Address relay, EdgeClientOptions options, IEdgeClientEvents events)
    {
        _relay = relay;
        _options = options;
        _events = events;
        _writer = new EdgeMessageWriter(_output);
        _tickets = new ClientTickets(device, relay, options);
        _requests = new PendingRequests(options.MaxPendingRequests);
    }

    private enum PortState
    {
        Asked,
        Open,
    }

    /// <summary>The relay of this session.</summary>
    public Address Relay => _relay;

    /// <summary>Why the session is broken, or null. The first reason stays.</summary>
    public string? Failure { get; private set; }

    /// <summary>Whether the relay has accepted a ticket.</summary>
    public bool IsReady => _ready;

    /// <summary>Number of bytes to send.</summary>
    public int PendingOutput => _output.Length;

    /// <summary>The bytes to send; valid until the next call of any member. Then <see cref="ConsumeOutput"/>.</summary>
    public ReadOnlyMemory<byte> Output => _output.WrittenMemory;

    /// <summary>Number of open ports and of ports that wait for our answer.</summary>
    public int PortCount => _ports.Count;

    /// <summary>Number of requests without an answer.</summary>
    public int PendingRequestCount => _requests.Count;

    /// <summary>Messages that could not be used: unknown commands, answers nobody waits for, data of no port.</summary>
    public long IgnoredMessages { get; private set; }

    /// <summary>Frame payload bytes sent and received, as both sides account them.</summary>
    public long TransferredBytes => _writer.PayloadBytes + _receivedBytes;

    /// <summary>Bytes of the last accepted ticket.</summary>
    public ulong PaidBytes => _tickets.PaidBytes;

    /// <summary>Writes hello and, without waiting for the relay to ask, the first ticket.</summary>
    /// <param name="unixTimeMs">Unix time in milliseconds; dates tickets and times requests out.</param>
    public void Start(long unixTimeMs)
    {
        _now = unixTimeMs;
        _started = true;
        _writer.WriteHello(_requests.Add(RequestKind.Hello, Deadline()), _options.ProtocolVersion);
        SubmitTicket();
    }

    /// <summary>Takes in bytes from TLS, however they are cut. False: see <see cref="Failure"/> and close.</summary>
    public bool Receive(ReadOnlySpan<byte> plaintext, long unixTimeMs)
    {
        _now = unixTimeMs;
        while (Failure is null && _frames.TryRead(ref plaintext, out ReadOnlySpan<byte> payload))
        {
            _receivedBytes += payload.Length;
            HandleFrame(payload);
        }

        return Failure is null;
    }

    /// <summary>Fails requests that were not answered in time. Call about once a second.</summary>
    public void Tick(long unixTimeMs)
    {
        _now = unixTimeMs;
        while (_requests.TryRemoveExpired(unixTimeMs, out uint id, out RequestKind kind))
        {
            Abandon(id, kind, "timeout"u8);
        }
    }

    /// <summary>
    /// Tells of bytes that the relay charges to this device but that do not pass through this session: its physical
    /// ports and its WireGuard exit. Without it the claims of the relay are not believed.
    /// </summary>
    public void AddExternalUsage(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        _externalUsage += (ulong)bytes;
    }

    /// <summary>Moves bytes to send into <paramref name="destination"/>; returns how many.</summary>
    public int ReadOutput(Span<byte> destination)
    {
        return _output.Read(destination);
    }

    /// <summary>Drops bytes that were sent from <see cref="Output"/>.</summary>
    public void ConsumeOutput(int count)
    {
        _output.Consume(count);
    }

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

    /// <summary>
    /// Opens a port of another device; answered by OnPortOpened or OnPortOpenFailed. 0 when too many requests are
    /// unanswered or too many ports open.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="portName"><c>tcp:22</c>, <c>tls:41042</c>, <c>udp:53</c>.</param>
    /// <param name="flags">Letters of <c>rwstp</c>, with r or w.</param>
    /// <exception cref="ArgumentException">The name is empty, zero or too long.</exception>
    public uint PortOpen(Address device, ReadOnlySpan<byte> portName, string flags = "rw")
    {
        // A name whose number is 0 reaches the target empty and panics Go clients.
        if (portName.Length > EdgeLimits.MaxPortName || !portName.ContainsAnyExcept((byte)0))
        {
            throw new ArgumentException("a port name has 1 to 64 bytes and is not zero", nameof(portName));
        }

        if (_ports.Count + _requests.PortOpens >= _options.MaxPorts)
        {
            return 0;
        }

        uint id = _requests.Add(RequestKind.PortOpen, Deadline());
        if (id != 0)
        {
            _writer.WritePortOpen(id, device, portName, Encoding.ASCII.GetBytes(flags));
        }

        return id;
    }

    /// <summary>
    /// Asks for a physical port on the relay to meet another device at; answered by OnResponse with <c>ok</c> and the
    /// port number. 0 when too many requests are unanswered.
    /// </summary>
    public uint PortOpen2(Address device, ReadOnlySpan<byte> portName, string flags)
    {
        uint id = AddRequest();
        if (id != 0)
        {
            _writer.WritePortOpen2(id, device, portName, Encoding.ASCII.GetBytes(flags));
        }

        return id;
    }

    /// <summary>Takes a requested port. False when it is gone or already answered.</summary>
    public bool AcceptPort(in IncomingPort port)
    {
        if (!IsAsked(port.Port))
        {
            return false;
        }

        _ports[port.Port] = PortState.Open;
        _writer.WritePortAccept(port.RequestId, port.Port);
        return true;
    }

    /// <summary>Refuses a requested port. False when it is gone or already answered.</summary>
    public bool RejectPort(in IncomingPort port, string reason)
    {
        if (!IsAsked(port.Port))
        {
            return false;
        }

        _ports.Remove(port.Port);
        _writer.WritePortReject(port.RequestId, port.Port, reason);
        return true;
    }

    /// <summary>
    /// Sends data on an open port, in pieces of at most 65,000 bytes. False when the port is not open. No allocation.
    /// </summary>
    public bool PortSend(PortRef port, ReadOnlySpan<byte> data)
    {
        if (!IsOpen(port))
        {
            return false;
        }

        while (!data.IsEmpty)
        {
            int length = Math.Min(data.Length, EdgeLimits.MaxPortData);
            _writer.WritePortSend(PortRequestId, port, data[..length]);
            data = data[length..];
        }

        return true;
    }

    /// <summary>Closes an open port. False when it is not open.</summary>
    public bool PortClose(PortRef port)
    {
        if (!IsOpen(port))
        {
            return false;
        }

        _ports.Remove(port);
        _lastStray = port;
        _writer.WritePortClose(PortRequestId, port);
        return true;
    }

    /// <summary>Takes a physical port that the relay offered.</summary>
    public void AcceptPhysicalPort(ulong requestId, ushort physicalPort)
    {
        _writer.WritePortAccept2(requestId, physicalPort);
    }

    /// <summary>Refuses a physical port that the relay offered.</summary>
    public void RejectPhysicalPort(ulong requestId, ushort physicalPort, string reason)
    {
        _writer.WritePortReject2(requestId, physicalPort, reason);
    }

    /// <summary>Ends a physical port on the relay.</summary>
    public void PortClose2(ushort physicalPort)
    {
        _writer.WritePortClose2(PortRequestId, physicalPort);
    }

    /// <summary>
    /// Ends the session, however it ended: every unanswered request fails and every port closes, so that nobody waits
    /// for ever. Call once, after the connection is gone.
    /// </summary>
    public void Close(string reason)
    {
        Failure ??= reason;
        while (_requests.TryRemoveExpired(long.MaxValue, out uint id, out RequestKind kind))
        {
            Abandon(id, kind, "session closed"u8);
        }

        foreach (PortRef port in _ports.Keys.ToArray())
        {
            _ports.Remove(port);
            _events.OnPortClosed(port);
        }
    }

    /// <summary>Gives the buffers back.</summary>
    public void Dispose()
    {
        _output.Dispose();
        _frames.Dispose();
        _early.Clear();
    }

    private void SubmitTicket()
    {
        ulong seconds = (ulong)Math.Max(_now / 1000, 0);
        ulong moved = (ulong)TransferredBytes + _externalUsage;
        if (_tickets.Next(seconds, moved) is Ticket ticket)
        {
            _writer.WriteTicket(_requests.Add(RequestKind.Ticket, Deadline()), ticket);
        }
        else
        {
            _events.OnTicketRejected(ClientTickets.UnconfirmedUsage);
        }
    }

    private void Abandon(uint id, RequestKind kind, ReadOnlySpan<byte> reason)
    {
        EdgeReply reply = EdgeReply.FromLocalError(reason);
        switch (kind)
        {
            case RequestKind.Hello:
                Fail("the relay did not answer hello");
                break;
            case RequestKind.Ticket when Failure is not null:
                break;
            case RequestKind.Ticket:
                HandleTicketReply(reply);
                break;
            case RequestKind.PortOpen:
                _events.OnPortOpenFailed(id, reply.GetErrorMessage());
                break;
            default:
                _events.OnResponse(id, reply);
                break;
        }
    }

    private uint AddRequest()
    {
        return _requests.Add(RequestKind.Other, Deadline());
    }

    private long Deadline()
    {
        return _now + (long)_options.RequestTimeout.TotalMilliseconds;
    }

    private bool IsOpen(PortRef port)
    {
        return _ports.TryGetValue(port, out PortState state) && state == PortState.Open;
    }

    private bool IsAsked(PortRef port)
    {
        return _ports.TryGetValue(port, out PortState state) && state == PortState.Asked;
    }

    private void Fail(string reason)
    {
        Failure ??= reason;
    }
}
