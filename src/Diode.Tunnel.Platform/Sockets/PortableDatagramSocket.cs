using System.Net;
using System.Net.Sockets;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>
/// The sockets of .NET, one datagram a call: Windows and others. Windows' own segmentation (UDP_SEND_MSG_SIZE) and coalescing are left
/// out: the latter loses the size of segments on some systems.
/// </summary>
internal sealed class PortableDatagramSocket : DatagramSocket
{
    // WSAECONNRESET on receive after an ICMP "port unreachable" would end the reader.
    private const int SIO_UDP_CONNRESET = -1744830452;

    // A blocked receive cannot be woken without closing the socket: it looks up once a second.
    private const int WakeUpMicroseconds = 1_000_000;

    [ThreadStatic]
    private static SocketAddress? _target;

    private readonly Socket _socket;
    private readonly SocketAddress _source;
    private readonly bool _reportTooBig;
    private volatile bool _stopped;

    private PortableDatagramSocket(Socket socket, bool reportTooBig)
        : base(socket.AddressFamily)
    {
        _socket = socket;
        _reportTooBig = reportTooBig;
        _source = new SocketAddress(socket.AddressFamily, EndpointAddress.MaxSockaddrLength);
    }

    internal override int Port => ((IPEndPoint)_socket.LocalEndPoint!).Port;

    internal static PortableDatagramSocket Bind(AddressFamily family, int port, UdpChannelOptions options)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(family, SocketType.Dgram, ProtocolType.Udp);
            if (family == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = options.DualMode;
            }

            if (options.Mark != 0)
            {
                Network.UnderlaySocket.Mark(socket);
            }

            socket.ReceiveBufferSize = options.BufferBytes;
            socket.SendBufferSize = options.BufferBytes;
            SetFragments(socket, options.Fragments);
            if (OperatingSystem.IsWindows())
            {
                socket.IOControl(SIO_UDP_CONNRESET, [0, 0, 0, 0], null);
            }

            socket.Bind(new IPEndPoint(
                options.LocalAddress ?? (family == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any), port));
            return new PortableDatagramSocket(socket, options.ReportTooBig);
        }
        catch (SocketException refused)
        {
            socket?.Dispose();
            throw new PlatformException($"Could not open UDP port {port}: {refused.Message}", refused.NativeErrorCode, null, refused);
        }
        catch
        {
            socket?.Dispose();
            throw;
        }
    }

    internal override int Receive(DatagramBatch batch)
    {
        batch.Clear();
        int slot = 0;
        while (!_stopped)
        {
            try
            {
                if (slot == 0 && !_socket.Poll(WakeUpMicroseconds, SelectMode.SelectRead))
                {
                    continue;
                }

                _source.Size = EndpointAddress.MaxSockaddrLength;
                int length = _socket.ReceiveFrom(batch.Prepare(slot).Room, SocketFlags.None, _source);
                if (EndpointAddress.TryFromSockaddr(_source.Buffer.Span[.._source.Size], out EndpointAddress from) && length > 0)
                {
                    batch.Accept(slot, length, in from, 0);
                    CountReceived(1);
                    slot++;
                }
            }
            catch (SocketException lost)
            {
                if (lost.SocketErrorCode is SocketError.NotSocket or SocketError.OperationAborted or SocketError.Shutdown)
                {
                    return _stopped ? 0 : throw new PlatformException(
                        $"Receiving from UDP port {Port} failed: {lost.Message}", lost.NativeErrorCode, null, lost);
                }

                CountReceiveDrops(1);
            }
            catch (ObjectDisposedException)
            {
                return 0;
            }

            if (slot > 0 && (slot == batch.Capacity || !IsMoreWaiting()))
            {
                return batch.Count;
            }
        }

        return 0;
    }

    internal override bool Send(in EndpointAddress to, ReadOnlySpan<byte> train, int segmentSize)
    {
        int count = CountDatagrams(train.Length, segmentSize);
        SocketAddress target = _target ??= new SocketAddress(AddressFamily.InterNetworkV6, EndpointAddress.MaxSockaddrLength);
        target.Size = EndpointAddress.MaxSockaddrLength;
        if (!to.TryWriteTo(Family, target.Buffer.Span, out int targetLength))
        {
            return CountSendDrops(count);
        }

        target.Size = targetLength;
        int lost = 0;
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> datagram = count == 1 ? train : train[(i * segmentSize)..Math.Min((i + 1) * segmentSize, train.Length)];
            lost += TrySend(datagram, target, in to) ? 0 : 1;
        }

        CountSent(count - lost);
        return lost == 0 || CountSendDrops(lost);
    }

    internal override void Stop() => _stopped = true;

    public override void Dispose()
    {
        _stopped = true;
        _socket.Dispose();
    }

    private static void SetFragments(Socket socket, FragmentPolicy policy)
    {
        if (policy != FragmentPolicy.System && socket.AddressFamily == AddressFamily.InterNetwork)
        {
            socket.DontFragment = policy != FragmentPolicy.Fragment;
        }
    }

    private bool IsMoreWaiting()
    {
        try
        {
            return _socket.Available > 0;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }

    private bool TrySend(ReadOnlySpan<byte> datagram, SocketAddress target, in EndpointAddress to)
    {
        try
        {
            return _socket.SendTo(datagram, SocketFlags.None, target) == datagram.Length;
        }
        catch (SocketException failed)
        {
            if (failed.SocketErrorCode == SocketError.MessageSize && _reportTooBig)
            {
                TooBig?.Invoke(to, 0);
            }

            if (failed.SocketErrorCode == SocketError.MessageSize)
            {
                Refused?.Invoke(to, SendRefusal.TooLong, datagram.Length);
            }
            else if (failed.SocketErrorCode is SocketError.NetworkUnreachable or SocketError.HostUnreachable or SocketError.NetworkDown
                or SocketError.AddressNotAvailable or SocketError.AccessDenied)
            {
                Refused?.Invoke(to, SendRefusal.Unreachable, datagram.Length);
            }

            return false;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }
}
