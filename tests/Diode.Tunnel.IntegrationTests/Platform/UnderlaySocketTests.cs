using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.Platform.Network;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Platform;

/// <summary>Connections whose other end has left without a word.</summary>
public sealed class UnderlaySocketTests : IDisposable
{
    private readonly NetNamespace _namespace = new();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_connection_that_is_asked_and_does_not_answer_ends_soon(bool hasData)
    {
        (Socket here, Socket there) = _namespace.Run(Connect);
        using (here)
        using (there)
        {
            UnderlaySocket.SetKeepAlive(here);
            UnderlaySocket.CheckAlive(here);
            Assert.False(IsOver(here, seconds: 6));

            _namespace.Exec("ip link set lo down");
            if (hasData)
            {
                here.Send([1]);
            }

            UnderlaySocket.CheckAlive(here);
            Assert.True(IsOver(here, seconds: 40));
        }
    }

    public void Dispose() => _namespace.Dispose();

    private static (Socket Here, Socket There) Connect()
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        Socket there = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        there.Connect(listener.LocalEndPoint!);
        return (listener.Accept(), there);
    }

    private static bool IsOver(Socket socket, int seconds) => socket.Poll(TimeSpan.FromSeconds(seconds), SelectMode.SelectRead);
}
