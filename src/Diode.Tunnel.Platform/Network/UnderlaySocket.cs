using System.Buffers.Binary;
using System.Net.Sockets;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// Creates the sockets the tunnel itself runs over. On Linux they carry a firewall mark, so that policy rules and the
/// kill switch let them pass outside the tunnel: nothing of the underlay may ever enter it.
/// </summary>
public static class UnderlaySocket
{
    /// <summary>The mark of underlay packets ("0x0d10de": diode).</summary>
    public const uint FirewallMark = 0x0d10de00;

    /// <summary>The bits of the mark that are ours; the low byte is free for telling exits apart.</summary>
    public const uint FirewallMask = 0xffffff00;

    private const int KeepAliveProbes = 5;
    private const int KeepAliveIdleSeconds = 60;
    private const int KeepAliveIntervalSeconds = 60;
    private const int CheckIdleSeconds = 2;
    private const int CheckIntervalSeconds = 1;
    private const int CheckTimeoutMs = 4_000;

    // tcp(7)
    private const int TCP_USER_TIMEOUT = 18;

    /// <summary>
    /// Creates an unconnected TCP socket: marked, TCP_NODELAY, keep-alive after 60 s every 60 s, 5 probes
    /// (what relays use themselves: diode_node <c>lib/network/common.ex</c>).
    /// </summary>
    /// <exception cref="PlatformException">Marking is not permitted.</exception>
    public static Socket CreateTcp(AddressFamily family)
    {
        Socket socket = new(family, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            Mark(socket);
            socket.NoDelay = true;
            StreamPacing.Prepare(socket);
            SetKeepAlive(socket);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Creates an unbound, marked UDP socket. IPv6 sockets are IPv6 only: one socket per family.</summary>
    /// <exception cref="PlatformException">Marking is not permitted.</exception>
    public static Socket CreateUdp(AddressFamily family)
    {
        Socket socket = new(family, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            if (family == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = false;
            }

            Mark(socket);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sets the keep-alive options relays use, also on accepted sockets.</summary>
    public static void SetKeepAlive(Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, KeepAliveIdleSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, KeepAliveIntervalSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, KeepAliveProbes);
    }

    /// <summary>
    /// A connection whose other end may be gone: the kernel asks it at once, and ends the connection if nothing comes back for 4 s. Linux;
    /// elsewhere only the asking is quicker.
    /// </summary>
    /// <exception cref="SocketException">The socket is over.</exception>
    public static void CheckAlive(Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        if (OperatingSystem.IsLinux())
        {
            // Counts for data that wait for an acknowledgement as well, which keep-alive does not.
            Span<byte> timeout = stackalloc byte[sizeof(int)];
            BinaryPrimitives.WriteInt32LittleEndian(timeout, CheckTimeoutMs);
            socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, TCP_USER_TIMEOUT, timeout);
        }

        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, CheckIntervalSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, CheckIdleSeconds);
    }

    /// <summary>Marks a socket as underlay. Linux only; elsewhere it does nothing.</summary>
    /// <exception cref="PlatformException">Not permitted: needs CAP_NET_ADMIN.</exception>
    public static void Mark(Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        Span<byte> mark = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(mark, FirewallMark);
        try
        {
            socket.SetRawSocketOption(Libc.SOL_SOCKET, Libc.SO_MARK, mark);
        }
        catch (SocketException refused)
        {
            throw new PlatformException(
                "Could not mark a socket so that it stays outside the tunnel",
                refused.NativeErrorCode,
                "the daemon needs CAP_NET_ADMIN: run it as root or with the packaged systemd unit",
                refused);
        }
    }
}
