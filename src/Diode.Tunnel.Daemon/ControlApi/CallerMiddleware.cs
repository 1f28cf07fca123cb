using System.Collections.Concurrent;
using System.Net.Sockets;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Platform.Ipc;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>
/// Connection middleware: asks the kernel once per connection who connected and what that user may do. A connection
/// whose peer cannot be read is closed unanswered, and so is one too many of the same unprivileged user.
/// </summary>
internal sealed class CallerMiddleware(ControlApiOptions options, Microsoft.Extensions.Logging.ILogger logger)
{
    private readonly ConcurrentDictionary<uint, int> _connections = new();

    internal ConnectionDelegate Wrap(ConnectionDelegate next) => connection => InvokeAsync(connection, next);

    private async Task InvokeAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        Caller? caller = Identify(connection.Features.Get<IConnectionSocketFeature>()?.Socket);
        if (caller is null)
        {
            Log.CallerUnknown(logger);
            connection.Abort(new ConnectionAbortedException("peer credentials not readable"));
            return;
        }

        int count = _connections.AddOrUpdate(caller.Uid, 1, static (_, before) => before + 1);
        try
        {
            if (caller.Access == AccessLevel.ReadOnly && count > options.MaxConnectionsPerReader)
            {
                Log.TooManyConnections(logger, caller.Uid, options.MaxConnectionsPerReader);
                connection.Abort(new ConnectionAbortedException("too many connections of one user"));
                return;
            }

            connection.Features.Set(caller);
            await next(connection);
        }
        finally
        {
            _connections.AddOrUpdate(caller.Uid, 0, static (_, before) => before - 1);
        }
    }

    private Caller? Identify(Socket? socket) =>
        socket is not null && PeerCredentials.TryGet(socket, out PeerCredentials peer)
            ? new Caller(peer.Uid, peer.Pid, options.Access.For(peer.Uid))
            : null;
}
