using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.Engine.Names;

/// <summary>One UDP endpoint of the resolver.</summary>
internal sealed class DnsUdpListener : IDisposable
{
    private const int MaxQuery = 4_096;

    private readonly Socket _socket;
    private readonly DnsServer _server;
    private readonly InFlightTasks _forwards;

    public DnsUdpListener(IPEndPoint endpoint, DnsServer server, DnsServerOptions options)
    {
        _server = server;
        _forwards = new InFlightTasks(options.MaxInFlight);
        _socket = new Socket(endpoint.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            _socket.Bind(endpoint);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }

        Endpoint = (IPEndPoint)_socket.LocalEndPoint!;
    }

    public IPEndPoint Endpoint { get; }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        byte[] query = new byte[MaxQuery];
        byte[] reply = new byte[DnsResponder.MaxUdpLength];
        var from = new SocketAddress(Endpoint.AddressFamily);
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                int length = await _socket.ReceiveFromAsync(query, SocketFlags.None, from, cancellationToken);
                switch (_server.Respond(query.AsSpan(0, length), overTcp: false, reply, out int replyLength))
                {
                    case DnsOutcome.Reply:
                        await _socket.SendToAsync(reply.AsMemory(0, replyLength), SocketFlags.None, from, cancellationToken);
                        break;
                    case DnsOutcome.Forward:
                        await ForwardAsync(query.AsSpan(0, length).ToArray(), from, cancellationToken);
                        break;
                }
            }
            catch (SocketException)
            {
                // A client that went away (port unreachable, no route): its loss.
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                break;
            }
        }

        await _forwards.WhenAllAsync();
    }

    public void Dispose()
    {
        _socket.Dispose();
    }

    private async ValueTask ForwardAsync(byte[] query, SocketAddress from, CancellationToken cancellationToken)
    {
        var client = new SocketAddress(from.Family, from.Size);
        from.Buffer[..from.Size].CopyTo(client.Buffer);
        if (_forwards.TryStart(() => ForwardAndReplyAsync(query, client, cancellationToken)))
        {
            return;
        }

        byte[] failure = new byte[query.Length + DnsQuery.PlainUdpLength];
        int length = DnsResponder.WriteServerFailure(query, failure);
        await _socket.SendToAsync(failure.AsMemory(0, length), SocketFlags.None, client, cancellationToken);
    }

    private async Task ForwardAndReplyAsync(byte[] query, SocketAddress client, CancellationToken cancellationToken)
    {
        try
        {
            byte[] reply = await _server.ForwardAsync(query, overTcp: false, cancellationToken);
            await _socket.SendToAsync(reply, SocketFlags.None, client, cancellationToken);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The client is gone, or we are stopping.
        }
    }
}
