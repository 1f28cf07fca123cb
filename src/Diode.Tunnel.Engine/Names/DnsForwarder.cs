using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Diode.Tunnel.Engine.Names;

/// <summary>
/// Asks upstream servers: every attempt from a socket of its own (a fresh random port), with a random id, connected to the server so that
/// only its datagrams arrive, and only the response to this very question is taken. Thread-safe.
/// </summary>
public sealed class DnsForwarder
{
    private const int MaxUdpReply = 4_096;

    private readonly DnsServerOptions _options;
    private UpstreamSet _upstreams = new([], "not set", new CancellationTokenSource());
    private int _inFlight;

    /// <summary>Creates a forwarder without upstreams.</summary>
    public DnsForwarder(DnsServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
    }

    /// <summary>The upstreams in force.</summary>
    public UpstreamSet Upstreams => Volatile.Read(ref _upstreams);

    /// <summary>Queries waiting now.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    /// <summary>Replaces the upstreams; queries under way are broken off and asked again of the new ones.</summary>
    public void SetUpstreams(ImmutableArray<IPEndPoint> servers, string reason)
    {
        Interlocked.Exchange(ref _upstreams, new UpstreamSet(servers, reason, new CancellationTokenSource())).Retire();
    }

    /// <summary>Forwards a query and returns the reply with the client's id, or null if nobody answers (reply SERVFAIL).</summary>
    /// <param name="query">A query that <see cref="DnsMessage.TryReadQuery"/> accepts.</param>
    /// <param name="overTcp">Over TCP, as the client asked.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<byte[]?> ForwardAsync(ReadOnlyMemory<byte> query, bool overTcp, CancellationToken cancellationToken)
    {
        if (Interlocked.Increment(ref _inFlight) > _options.MaxInFlight)
        {
            Interlocked.Decrement(ref _inFlight);
            return null;
        }

        try
        {
            return await AskAsync(query, overTcp, cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _inFlight);
        }
    }

    private async Task<byte[]?> AskAsync(ReadOnlyMemory<byte> query, bool overTcp, CancellationToken cancellationToken)
    {
        byte[]? fallback = null;
        UpstreamSet? last = null;
        for (int attempt = 0; attempt < _options.MaxAttempts && !cancellationToken.IsCancellationRequested; attempt++)
        {
            UpstreamSet upstreams = Upstreams;
            if (last is not null && last != upstreams)
            {
                fallback = null; // what the former ones said no longer counts
            }

            last = upstreams;
            if (upstreams.Servers.IsEmpty)
            {
                return null;
            }

            IPEndPoint server = upstreams.Servers[attempt % upstreams.Servers.Length];
            byte[]? reply = await AskOneAsync(server, upstreams, query, overTcp, cancellationToken);
            if (reply is null || Upstreams != upstreams)
            {
                continue;
            }

            if (DnsMessage.Code(reply) is not (DnsCode.ServerFailure or DnsCode.Refused))
            {
                return reply;
            }

            fallback = reply;
        }

        return fallback;
    }

    private async Task<byte[]?> AskOneAsync(
        IPEndPoint server, UpstreamSet upstreams, ReadOnlyMemory<byte> query, bool overTcp, CancellationToken cancellationToken)
    {
        byte[] sent = query.ToArray();
        RandomNumberGenerator.Fill(sent.AsSpan(0, 2));
        using var timeout = new CancellationTokenSource(_options.UpstreamTimeout, _options.TimeProvider);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, upstreams.Replaced, cancellationToken);
        try
        {
            byte[]? reply = overTcp
                ? await AskTcpAsync(server, sent, linked.Token)
                : await AskUdpAsync(server, sent, linked.Token);
            if (reply is not null)
            {
                query.Span[..2].CopyTo(reply);
            }

            return reply;
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or IOException)
        {
            return null; // unreachable, refused or late: the next one may do better
        }
    }

    private async Task<byte[]?> AskUdpAsync(IPEndPoint server, byte[] sent, CancellationToken cancellationToken)
    {
        using Socket socket = _options.UpstreamSocket(server.AddressFamily, SocketType.Dgram);
        await socket.ConnectAsync(server, cancellationToken);
        await socket.SendAsync(sent, SocketFlags.None, cancellationToken);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(MaxUdpReply);
        try
        {
            while (true)
            {
                int length = await socket.ReceiveAsync(buffer.AsMemory(0, MaxUdpReply), SocketFlags.None, cancellationToken);
                if (DnsMessage.IsResponseTo(buffer.AsSpan(0, length), sent))
                {
                    return buffer.AsSpan(0, length).ToArray();
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task<byte[]?> AskTcpAsync(IPEndPoint server, byte[] sent, CancellationToken cancellationToken)
    {
        using Socket socket = _options.UpstreamSocket(server.AddressFamily, SocketType.Stream);
        await socket.ConnectAsync(server, cancellationToken);
        await using var stream = new NetworkStream(socket, ownsSocket: false);
        byte[] framed = new byte[2 + sent.Length];
        BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)sent.Length);
        sent.CopyTo(framed, 2);
        await stream.WriteAsync(framed, cancellationToken);
        await stream.ReadExactlyAsync(framed.AsMemory(0, 2), cancellationToken);
        byte[] reply = new byte[BinaryPrimitives.ReadUInt16BigEndian(framed)];
        await stream.ReadExactlyAsync(reply, cancellationToken);
        return DnsMessage.IsResponseTo(reply, sent) ? reply : null;
    }
}
