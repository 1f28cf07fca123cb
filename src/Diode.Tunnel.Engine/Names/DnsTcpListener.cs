using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.Engine.Names;

/// <summary>One TCP endpoint of the resolver (RFC 7766): messages with a two-byte length, one after the other.</summary>
internal sealed class DnsTcpListener : IDisposable
{
    private readonly Socket _socket;
    private readonly DnsServer _server;
    private readonly DnsServerOptions _options;
    private readonly InFlightTasks _connections;

    public DnsTcpListener(IPEndPoint endpoint, DnsServer server, DnsServerOptions options)
    {
        _server = server;
        _options = options;
        _connections = new InFlightTasks(options.MaxConnections);
        _socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (!OperatingSystem.IsWindows())
            {
                _socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true); // connections in TIME_WAIT
            }

            _socket.Bind(endpoint);
            _socket.Listen(64);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                Socket client = await _socket.AcceptAsync(cancellationToken);
                if (!_connections.TryStart(() => ServeAsync(client, cancellationToken)))
                {
                    client.Dispose();
                }
            }
            catch (SocketException)
            {
                // The client hung up before it was accepted, or descriptors ran out: pause, so as not to spin.
                await Task.Delay(TimeSpan.FromMilliseconds(50), _options.TimeProvider, CancellationToken.None);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                break;
            }
        }

        await _connections.WhenAllAsync();
    }

    public void Dispose()
    {
        _socket.Dispose();
    }

    private async Task ServeAsync(Socket client, CancellationToken cancellationToken)
    {
        try
        {
            using Socket socket = client;
            await using var stream = new NetworkStream(socket, ownsSocket: false);
            byte[] length = new byte[2];
            while (true)
            {
                using var silence = new CancellationTokenSource(_options.ConnectionTimeout, _options.TimeProvider);
                using var linked = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, cancellationToken);
                await stream.ReadExactlyAsync(length, linked.Token);
                byte[] query = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
                await stream.ReadExactlyAsync(query, linked.Token);
                if (await AnswerAsync(query, cancellationToken) is not { } reply)
                {
                    return;
                }

                using var sending = new CancellationTokenSource(_options.ConnectionTimeout, _options.TimeProvider);
                using var linkedSending = CancellationTokenSource.CreateLinkedTokenSource(sending.Token, cancellationToken);
                await stream.WriteAsync(reply, linkedSending.Token);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Hung up, silent too long, or we are stopping.
        }
    }

    // The reply with its length in front; null for what is no query.
    private async ValueTask<byte[]?> AnswerAsync(byte[] query, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[16_384];
        DnsOutcome outcome = _server.Respond(query, overTcp: true, buffer.AsSpan(2), out int length);
        if (outcome == DnsOutcome.Forward)
        {
            byte[] forwarded = await _server.ForwardAsync(query, overTcp: true, cancellationToken);
            buffer = new byte[2 + forwarded.Length];
            forwarded.CopyTo(buffer, 2);
            length = forwarded.Length;
        }
        else if (outcome == DnsOutcome.Ignore)
        {
            return null;
        }

        BinaryPrimitives.WriteUInt16BigEndian(buffer, (ushort)length);
        return buffer[..(2 + length)];
    }
}
