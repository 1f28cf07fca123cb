using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Messages;
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

    /// <summary>For commands that are never answered.</summary>
    private const uint UnansweredRequestId = PortRequestId;

    /// <summary>Most bytes a deflated frame may grow to: more than any relay sends in one.</summary>
    private const int MaxInflated = 1024 * 1024;

    private readonly PrivateKey _device;
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
    private readonly HashSet<ushort> _physicalAsked = [];
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
        _device = device;
        _tickets = new ClientTickets(device.Address, relay, options);
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

    private ulong Moved => (ulong)TransferredBytes + _externalUsage;

    /// <summary>Writes hello and, without waiting for the relay to ask, the first ticket.</summary>
    /// <param name="unixTimeMs">Unix time in milliseconds; dates tickets and times requests out.</param>
    public void Start(long unixTimeMs)
    {
        _now = unixTimeMs;
        _started = true;
        _writer.WriteHello(_requests.Add(RequestKind.Hello, Deadline()), _options.ProtocolVersion, _options.Zlib);
        _writer.Deflates = _options.Zlib;
        TicketDue();
    }

    /// <summary>Takes in bytes from TLS, however they are cut. False: see <see cref="Failure"/> and close.</summary>
    public bool Receive(ReadOnlySpan<byte> plaintext, long unixTimeMs)
    {
        _now = unixTimeMs;
        while (Failure is null && _frames.TryRead(ref plaintext, out ReadOnlySpan<byte> payload))
        {
            // Relays begin to deflate while they read hello; what is no deflate stream is taken as it is.
            if (_options.Zlib && RawDeflate.TryInflate(payload, MaxInflated, out byte[] inflated))
            {
                payload = inflated;
            }

            _receivedBytes += payload.Length;
            HandleFrame(payload);
        }

        CheckTicketMark();
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

        if (_started && Failure is null && _tickets.IsDue(unixTimeMs, Moved))
        {
            TicketDue();
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
        CheckTicketMark();
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

    private void Abandon(uint id, RequestKind kind, ReadOnlySpan<byte> reason)
    {
        EdgeReply reply = EdgeReply.FromLocalError(reason);
        switch (kind)
        {
            case RequestKind.Hello:
                Fail("the relay did not answer hello");
                break;
            case RequestKind.Ticket or RequestKind.UnpaidBytes or RequestKind.BlockPeak or RequestKind.BlockHeader
                when Failure is not null:
            case RequestKind.UnpaidBytes:
                break;
            case RequestKind.BlockPeak or RequestKind.BlockHeader:
                HandleBlockReply(kind, reply);
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
