using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Sockets;

namespace Diode.Tunnel.Relay.Datagrams;

/// <summary>Binds the UDP ports of the relay's services.</summary>
internal static class UdpBinding
{
    // The system allows less unless it is configured; a burst of some milliseconds must fit.
    private const int BufferBytes = 4 << 20;

    // How long a send waits for a full queue.
    private const int SendWaitMs = 20;

    /// <summary>
    /// Binds a port. All interfaces means both families, where the system has IPv6; one address means that one.
    /// </summary>
    /// <param name="address">The relay's listening address.</param>
    /// <param name="port">The port; 0 lets the system choose.</param>
    /// <param name="option">What the operator set, for the hint.</param>
    /// <exception cref="PlatformException">The port is in use or not allowed.</exception>
    public static Socket Bind(IPAddress address, int port, string option)
    {
        bool any = address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);
        if (any && Socket.OSSupportsIPv6 && TryBind(IPAddress.IPv6Any, port, out Socket? both, out _))
        {
            return both!;
        }

        return TryBind(any ? IPAddress.Any : address, port, out Socket? socket, out SocketException? refused)
            ? socket!
            : throw new PlatformException(
                $"Cannot use UDP port {port}: {refused!.Message}",
                refused.NativeErrorCode,
                Hint(option),
                refused);
    }

    /// <summary>The same for a socket that moves many datagrams per call.</summary>
    /// <exception cref="PlatformException">The port is in use or not allowed.</exception>
    public static UdpChannel BindChannel(IPAddress address, int port, string option)
    {
        bool any = address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);
        var options = new UdpChannelOptions { BufferBytes = BufferBytes, Mark = 0, SendWaitMs = SendWaitMs };
        if (any && Socket.OSSupportsIPv6)
        {
            try
            {
                return UdpChannel.Bind(AddressFamily.InterNetworkV6, port, options with { DualMode = true });
            }
            catch (PlatformException)
            {
                // IPv4 alone tells what is wrong.
            }
        }

        try
        {
            return any
                ? UdpChannel.Bind(AddressFamily.InterNetwork, port, options)
                : UdpChannel.Bind(address.AddressFamily, port, options with { LocalAddress = address });
        }
        catch (PlatformException refused)
        {
            throw new PlatformException(
                $"Cannot use UDP port {port}: {refused.Message}", refused.Errno, Hint(option), refused);
        }
    }

    private static string Hint(string option) => $"choose another with {option}, or stop the program that has it (ss -lunp)";

    private static bool TryBind(IPAddress address, int port, out Socket? socket, out SocketException? refused)
    {
        socket = null;
        refused = null;
        try
        {
            socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp)
            {
                ReceiveBufferSize = BufferBytes,
                SendBufferSize = BufferBytes,
            };
            if (address.Equals(IPAddress.IPv6Any))
            {
                socket.DualMode = true;
            }

            socket.Bind(new IPEndPoint(address, port));
            return true;
        }
        catch (SocketException exception)
        {
            socket?.Dispose();
            refused = exception;
            return false;
        }
    }
}
