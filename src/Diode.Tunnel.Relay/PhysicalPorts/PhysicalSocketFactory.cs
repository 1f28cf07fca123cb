using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.Relay.PhysicalPorts;

/// <summary>Binds real sockets to ports that the system chooses.</summary>
internal sealed class PhysicalSocketFactory(IPAddress address, RelayClock clock) : IPhysicalSocketFactory
{
    /// <inheritdoc/>
    public IPhysicalSocket? TryBind(PhysicalPort port, Action<PhysicalPort> onEnd)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        Socket? socket = null;
        try
        {
            socket = port.IsUdp
                ? new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp)
                : new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(address, 0));
            return port.IsUdp
                ? new UdpPhysicalSocket(socket, port, clock, onEnd)
                : new TcpPhysicalSocket(socket, port, clock, onEnd);
        }
        catch (SocketException)
        {
            // No descriptor or no port left.
            socket?.Dispose();
            return null;
        }
    }
}
