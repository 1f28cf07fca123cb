using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform.Network;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Network;

public sealed class StreamPacingTests : IDisposable
{
    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch);
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    [Fact]
    public void Follows_a_full_link_and_only_grows_while_little_is_offered()
    {
        StreamPacing.Prepare(_socket);
        StreamPacing pacing = new(_time);
        int start = pacing.Chunk;
        Send(pacing, 2_000_000, isFull: true);
        Assert.Equal(2e6, pacing.Rate, 1e5);
        Assert.Equal(StreamPacing.MinChunk, pacing.Chunk);
        Send(pacing, 25_000_000, isFull: false);
        Assert.True(pacing.Chunk > start);
        Send(pacing, 1000, isFull: false);
        Assert.Equal(25e6, pacing.Rate, 1e6);
        Send(pacing, 500_000_000, isFull: false);
        Assert.Equal(StreamPacing.MaxChunk, pacing.Chunk);
        Send(pacing, 4_000_000, isFull: true);
        Assert.InRange(pacing.Chunk, StreamPacing.MinChunk, 32 * 1024);
    }

    [Fact]
    public void A_short_way_keeps_the_systems_congestion_control_and_a_closed_socket_is_no_error()
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        _socket.Connect(listener.LocalEndPoint!);
        StreamPacing.ChooseCongestionControl(_socket);
        _socket.Dispose();
        StreamPacing.ChooseCongestionControl(_socket);
        Send(new StreamPacing(_time), 1_000_000, isFull: true);
    }

    public void Dispose()
    {
        _socket.Dispose();
    }

    private void Send(StreamPacing pacing, double rate, bool isFull)
    {
        for (int i = 0; i < 10; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(10));
            pacing.Sent(_socket, (int)(rate / 100), isFull);
        }
    }
}
