using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>
/// The port of one allocation. Waiting for data allocates per wait, receiving what is there does not.
/// </summary>
internal sealed class TurnRelaySocket : ITurnRelay
{
    // Longer datagrams of peers are dropped: they would be fragments on every real path.
    private const int LongestData = 8 * 1024;
    private const int Tailroom = 4;
    private const int PortOffset = 2;
    private const int IpOffset = 4;
    private const int SendTimeoutMs = 20;
    private const int MaxInRow = 256;

    [ThreadStatic]
    private static SocketAddress? _to;

    private readonly Socket _socket;
    private readonly TurnAllocation _allocation;
    private readonly TurnServer _server;
    private readonly RelayCounters _counters;
    private readonly SocketAddress _from = new(AddressFamily.InterNetwork);

    /// <summary>Takes over a bound IPv4 socket and begins to receive.</summary>
    public TurnRelaySocket(Socket socket, TurnAllocation allocation, TurnServer server, RelayCounters counters)
    {
        _socket = socket;
        _allocation = allocation;
        _server = server;
        _counters = counters;
        _socket.SendTimeout = SendTimeoutMs;
        Port = (ushort)((IPEndPoint)socket.LocalEndPoint!).Port;
        _ = RunAsync();
    }

    /// <inheritdoc/>
    public ushort Port { get; }

    /// <inheritdoc/>
    public void Send(TurnPeer peer, ReadOnlySpan<byte> data)
    {
        try
        {
            SocketAddress to = _to ??= new SocketAddress(AddressFamily.InterNetwork);
            BinaryPrimitives.WriteUInt16BigEndian(to.Buffer.Span[PortOffset..], peer.Port);
            BinaryPrimitives.WriteUInt32BigEndian(to.Buffer.Span[IpOffset..], peer.Ip);
            _socket.SendTo(data, SocketFlags.None, to);
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            _counters.TurnDrop();
        }
    }

    /// <inheritdoc/>
    public void Close()
    {
        _socket.Dispose();
    }

    private async Task RunAsync()
    {
        // Not under the lock of the caller.
        await Task.Yield();
        byte[] buffer = GC.AllocateUninitializedArray<byte>(TurnServer.Headroom + LongestData + Tailroom, pinned: true);
        Memory<byte> room = buffer.AsMemory(TurnServer.Headroom, LongestData);
        while (true)
        {
            try
            {
                Forward(buffer, await _socket.ReceiveFromAsync(room, SocketFlags.None, _from));
                int row = 0;
                while (row++ < MaxInRow && _socket.Available > 0)
                {
                    Forward(buffer, _socket.ReceiveFrom(room.Span, SocketFlags.None, _from));
                }

                if (row > MaxInRow)
                {
                    await Task.Yield();
                }
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.OperationAborted)
            {
                return;
            }
            catch (SocketException)
            {
                // What a peer refused by ICMP arrives here; the address stays in use.
                _counters.TurnDrop();
            }
        }
    }

    private void Forward(byte[] buffer, int length)
    {
        if (length >= LongestData)
        {
            _counters.TurnDrop();
            return;
        }

        ReadOnlySpan<byte> from = _from.Buffer.Span;
        var peer = new TurnPeer(
            BinaryPrimitives.ReadUInt32BigEndian(from[IpOffset..]), BinaryPrimitives.ReadUInt16BigEndian(from[PortOffset..]));
        _server.ReceiveFromPeer(_allocation, peer, buffer, length);
    }
}
