using System.Buffers.Binary;
using System.Net.Sockets;

namespace Diode.Tunnel.Platform.Ipc;

/// <summary>Who is on the other end of a Unix socket, as the kernel recorded it when the connection was made.</summary>
/// <param name="Uid">Effective user id.</param>
/// <param name="Gid">Effective group id; supplementary groups are not included.</param>
/// <param name="Pid">Process id; may belong to another process by now, for logs only.</param>
public readonly record struct PeerCredentials(uint Uid, uint Gid, int Pid)
{
    private const int SolSocket = 1;
    private const int SoPeercred = 17;

    /// <summary>True for the superuser.</summary>
    public bool IsRoot => Uid == 0;

    /// <summary>Reads SO_PEERCRED of a connected Unix socket (unix(7)).</summary>
    /// <remarks>In Kestrel the socket comes from the connection feature <c>IConnectionSocketFeature</c>.</remarks>
    /// <returns>False on other systems, for other kinds of sockets and for sockets that are not connected.</returns>
    public static bool TryGet(Socket socket, out PeerCredentials credentials)
    {
        ArgumentNullException.ThrowIfNull(socket);
        credentials = default;
        if (!OperatingSystem.IsLinux() || socket.AddressFamily != AddressFamily.Unix)
        {
            return false;
        }

        // struct ucred { pid_t pid; uid_t uid; gid_t gid; }
        Span<byte> ucred = stackalloc byte[12];
        try
        {
            if (socket.GetRawSocketOption(SolSocket, SoPeercred, ucred) != ucred.Length)
            {
                return false;
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return false;
        }

        int pid = Read(ucred);
        if (pid == 0)
        {
            // The kernel answers pid 0 and ids of -1 for a socket without a peer.
            return false;
        }

        credentials = new PeerCredentials((uint)Read(ucred[4..]), (uint)Read(ucred[8..]), pid);
        return true;
    }

    private static int Read(ReadOnlySpan<byte> field) => BitConverter.IsLittleEndian
        ? BinaryPrimitives.ReadInt32LittleEndian(field)
        : BinaryPrimitives.ReadInt32BigEndian(field);
}
