using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform;

namespace Diode.Tunnel.Engine.Names;

/// <summary>
/// The resolver this machine is pointed at: UDP and TCP on given endpoints, own names answered from the table in force, the rest forwarded.
/// Names and upstreams are swapped at run time. Thread-safe; dispose stops it and waits for what is under way.
/// </summary>
public sealed class DnsServer : IAsyncDisposable
{
    private readonly DnsForwarder _forwarder;
    private readonly List<DnsUdpListener> _udp = [];
    private readonly List<DnsTcpListener> _tcp = [];
    private readonly List<Task> _loops = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly DnsServerOptions _options;
    private NameTable _names = NameTable.Empty;
    private long _answered;
    private long _forwarded;
    private long _failed;

    /// <summary>Creates a resolver that knows no names and has no upstreams.</summary>
    public DnsServer(DnsServerOptions? options = null)
    {
        _options = options ?? new DnsServerOptions();
        _forwarder = new DnsForwarder(_options);
    }

    /// <summary>Where it listens (with the real port if 0 was asked for).</summary>
    public ImmutableArray<IPEndPoint> Endpoints { get; private set; } = [];

    /// <summary>The upstreams in force.</summary>
    public UpstreamSet Upstreams => _forwarder.Upstreams;

    /// <summary>Queries answered from the table.</summary>
    public long AnsweredCount => Volatile.Read(ref _answered);

    /// <summary>Queries answered by an upstream.</summary>
    public long ForwardedCount => Volatile.Read(ref _forwarded);

    /// <summary>Queries for others that ended in SERVFAIL.</summary>
    public long FailedCount => Volatile.Read(ref _failed);

    /// <summary>
    /// Asked once for a name <c>0x….diode</c> of a device that the table lacks, before the answer: it may put a table with the device in
    /// force. May block for a moment.
    /// </summary>
    public Action<Ethereum.Address>? DeviceAsked { get; init; }

    /// <summary>
    /// Asked for a name <c>NAME.diode</c> that the table lacks and a name service may have, before the answer: it may put a table with the
    /// name in force. False where that can't be found out: the answer is SERVFAIL, which nobody keeps.
    /// </summary>
    public Func<string, CancellationToken, Task<bool>>? NameAsked { get; init; }

    /// <summary>Puts a table in force.</summary>
    public void SetNames(NameTable names)
    {
        ArgumentNullException.ThrowIfNull(names);
        Volatile.Write(ref _names, names);
    }

    /// <summary>
    /// Replaces the upstreams at once, for queries under way too. An empty list closes: everything that isn't ours is SERVFAIL.
    /// Endpoints of this resolver are left out, so that it can't ask itself.
    /// </summary>
    /// <param name="servers">In order of preference.</param>
    /// <param name="reason">Why, for status.</param>
    public void SetUpstreams(IReadOnlyList<IPEndPoint> servers, string reason)
    {
        ArgumentNullException.ThrowIfNull(servers);
        _forwarder.SetUpstreams([.. servers.Where(s => !IsSelf(s))], reason);
    }

    /// <summary>Binds all endpoints and begins to answer; nothing stays bound if one fails. Call once.</summary>
    /// <exception cref="PlatformException">An endpoint can't be bound.</exception>
    public void Start(IReadOnlyList<IPEndPoint> endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        var bound = ImmutableArray.CreateBuilder<IPEndPoint>();
        foreach (IPEndPoint endpoint in endpoints)
        {
            try
            {
                var udp = new DnsUdpListener(endpoint, this, _options);
                _udp.Add(udp);
                bound.Add(udp.Endpoint);
                _tcp.Add(new DnsTcpListener(udp.Endpoint, this, _options));
            }
            catch (SocketException e)
            {
                CloseListeners();
                throw new PlatformException(
                    $"the resolver can't listen on {endpoint}: {e.Message}",
                    e.NativeErrorCode,
                    "Another DNS server may use the address; see: ss -lpn 'sport = :53'");
            }
        }

        Endpoints = bound.ToImmutable();
        SetUpstreams(Upstreams.Servers, Upstreams.Reason); // now that we know who we are
        _loops.AddRange(_udp.Select(l => Task.Run(() => l.RunAsync(_stop.Token))));
        _loops.AddRange(_tcp.Select(l => Task.Run(() => l.RunAsync(_stop.Token))));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        CloseListeners();
        await Task.WhenAll(_loops);
        _loops.Clear();
        _stop.Dispose();
    }

    internal DnsOutcome Respond(ReadOnlySpan<byte> message, bool overTcp, Span<byte> reply, out int length)
    {
        if (DeviceAsked is { } asked && DnsResponder.TryReadUnknownDevice(Volatile.Read(ref _names), message, out Ethereum.Address device))
        {
            asked(device);
        }

        // What takes time is done beside the listener, as what goes to others.
        if (NameAsked is not null && DnsResponder.TryReadUnknownName(Volatile.Read(ref _names), message, out _))
        {
            length = 0;
            return DnsOutcome.Forward;
        }

        DnsOutcome outcome = DnsResponder.Respond(Volatile.Read(ref _names), message, overTcp, reply, out length);
        if (outcome == DnsOutcome.Reply)
        {
            Interlocked.Increment(ref _answered);
        }

        return outcome;
    }

    /// <summary>The upstream's reply, or SERVFAIL.</summary>
    internal async ValueTask<byte[]> ForwardAsync(ReadOnlyMemory<byte> query, bool overTcp, CancellationToken cancellationToken)
    {
        if (NameAsked is { } asked && DnsResponder.TryReadUnknownName(Volatile.Read(ref _names), query.Span, out string? name))
        {
            return await AskNameAsync(asked, name, query, overTcp, cancellationToken);
        }

        byte[]? reply = await _forwarder.ForwardAsync(query, overTcp, cancellationToken);
        if (reply is not null)
        {
            Interlocked.Increment(ref _forwarded);
            return reply;
        }

        return Fail(query.Span);
    }

    private async Task<byte[]> AskNameAsync(
        Func<string, CancellationToken, Task<bool>> asked, string name, ReadOnlyMemory<byte> query, bool overTcp, CancellationToken cancellationToken)
    {
        if (!await asked(name, cancellationToken))
        {
            return Fail(query.Span);
        }

        byte[] reply = new byte[overTcp ? ushort.MaxValue : DnsResponder.MaxUdpLength];
        DnsResponder.Respond(Volatile.Read(ref _names), query.Span, overTcp, reply, out int length);
        Interlocked.Increment(ref _answered);
        return reply[..length];
    }

    private byte[] Fail(ReadOnlySpan<byte> query)
    {
        Interlocked.Increment(ref _failed);
        byte[] failure = new byte[query.Length + DnsQuery.PlainUdpLength];
        return failure[..DnsResponder.WriteServerFailure(query, failure)];
    }

    private bool IsSelf(IPEndPoint server)
    {
        return Endpoints.Any(own => own.Port == server.Port
            && (own.Address.Equals(server.Address)
                || ((own.Address.Equals(IPAddress.Any) || own.Address.Equals(IPAddress.IPv6Any)) && IPAddress.IsLoopback(server.Address))));
    }

    private void CloseListeners()
    {
        _udp.ForEach(l => l.Dispose());
        _tcp.ForEach(l => l.Dispose());
        _udp.Clear();
        _tcp.Clear();
    }
}
