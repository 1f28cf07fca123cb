using System.Net.Sockets;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>
/// One bound UDP socket that moves many datagrams per call. A <em>train</em> is a run of datagrams of equal size (the last may be
/// shorter) lying one behind the other. One thread receives, any thread sends; <see cref="Stop"/> and <see cref="Dispose"/> may be called
/// from anywhere. Lives in the network namespace of the thread that bound it. Nothing is allocated per datagram.
/// </summary>
public sealed class UdpChannel : IDisposable
{
    private readonly DatagramSocket _socket;

    private UdpChannel(DatagramSocket socket)
    {
        _socket = socket;
        _socket.TooBig = (to, mtu) => TooBig?.Invoke(to, mtu);
        _socket.Refused = (to, why, length) => Refused?.Invoke(to, why, length);
    }

    /// <summary>
    /// A datagram was longer than its path carries: receiver and the largest IP packet that fits (0 if unknown). Raised by the thread
    /// that sends or receives, which it must not hold up.
    /// </summary>
    public event Action<EndpointAddress, int>? TooBig;

    /// <summary>
    /// This machine itself did not take a datagram for a reason that lies with its receiver: receiver, reason, length of the datagram in
    /// bytes. Once for each call and part of a train that is refused. Raised by the thread that sends, which it must not hold up.
    /// </summary>
    public event Action<EndpointAddress, SendRefusal, int>? Refused;

    /// <summary>The bound port.</summary>
    public int Port => _socket.Port;

    /// <summary>Family of the socket; a dual mode socket is IPv6.</summary>
    public AddressFamily Family => _socket.Family;

    /// <summary>The offloads in use now: asked for, allowed (<see cref="OffloadSwitches"/>), tested, and not failed since.</summary>
    public UdpOffloads Active => _socket.Active;

    /// <summary>Datagrams received.</summary>
    public long Received => _socket.Received;

    /// <summary>Datagrams lost before they could be received: the socket's queue was full, or they were too long.</summary>
    public long ReceiveDrops => _socket.ReceiveDrops;

    /// <summary>Datagrams handed to the system.</summary>
    public long Sent => _socket.Sent;

    /// <summary>Datagrams the system did not take: too long, no route, filtered, queue full.</summary>
    public long SendDrops => _socket.SendDrops;

    /// <summary>Opens and binds a socket.</summary>
    /// <param name="family">IPv4 or IPv6.</param>
    /// <param name="port">Port; 0 lets the system choose.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="PlatformException">The port is taken, the family is missing, or marking is not permitted.</exception>
    public static UdpChannel Bind(AddressFamily family, int port = 0, UdpChannelOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(port);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, ushort.MaxValue);
        if (family is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6))
        {
            throw new ArgumentOutOfRangeException(nameof(family));
        }

        options ??= new UdpChannelOptions();
        return new UdpChannel(OperatingSystem.IsLinux() && !options.UsePortable
            ? LinuxDatagramSocket.Bind(family, port, options)
            : PortableDatagramSocket.Bind(family, port, options));
    }

    /// <summary>
    /// Replaces the content of a batch with what arrived. Blocks until there is something, then takes what is there.
    /// </summary>
    /// <returns>Number of filled slots; 0 after <see cref="Stop"/> or dispose.</returns>
    /// <exception cref="PlatformException">The socket failed for good.</exception>
    public int Receive(DatagramBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return _socket.Receive(batch);
    }

    /// <summary>Sends a train, or a datagram. Any length: it is cut into what a call takes. May wait a moment for a full queue.</summary>
    /// <param name="to">Receiver.</param>
    /// <param name="train">The datagrams.</param>
    /// <param name="segmentSize">Size of each but the last; 0 or the whole length and more: a single datagram.</param>
    /// <returns>False if any of them was not taken; those are counted.</returns>
    public bool Send(in EndpointAddress to, ReadOnlySpan<byte> train, int segmentSize = 0) => _socket.Send(in to, train, segmentSize);

    /// <summary>Sends several trains in as few calls as possible, in order.</summary>
    /// <returns>How many trains were taken whole.</returns>
    public int Send(ReadOnlySpan<OutgoingTrain> trains) => _socket.Send(trains);

    /// <summary>Makes the running and every later <see cref="Receive"/> return 0. Sending stays possible.</summary>
    public void Stop() => _socket.Stop();

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
