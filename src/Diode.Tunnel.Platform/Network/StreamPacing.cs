using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// Keeps what the kernel holds of a TCP connection short in time. Bytes given to the kernel cannot be dropped any more, and its own
/// limit is megabytes: seconds on a slow link. This measures how fast the connection takes data and lets the kernel hold about
/// <see cref="Ahead"/> of it that is not on its way yet (TCP_NOTSENT_LOWAT); <see cref="Chunk"/> is what to give it at once.
/// On a long way it asks for BBR, which keeps its rate where cubic takes every lost packet for a full link. Linux; elsewhere it does nothing.
/// One thread at a time.
/// </summary>
public sealed class StreamPacing
{
    /// <summary>What the kernel may hold unsent.</summary>
    public static readonly TimeSpan Ahead = TimeSpan.FromMilliseconds(5);

    /// <summary>Least that <see cref="Chunk"/> becomes: one TLS record.</summary>
    public const int MinChunk = 16 * 1024;

    /// <summary>Most that <see cref="Chunk"/> becomes.</summary>
    public const int MaxChunk = 128 * 1024;

    private const int StartChunk = 64 * 1024;

    // struct tcp_info: the shortest round trip in microseconds; a busy machine makes the others long.
    private const int RoundTripOffset = 148;
    private static readonly TimeSpan LongWay = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Idle = TimeSpan.FromMilliseconds(250);

    private readonly TimeProvider _time;
    private long _windowStart;
    private long _windowBytes;
    private bool _windowFull;

    /// <summary>For a connection that <see cref="Prepare"/> was called for, or its listener.</summary>
    public StreamPacing(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        _time = time;
        _windowStart = time.GetTimestamp();
    }

    /// <summary>Bytes to give to the socket at once.</summary>
    public int Chunk { get; private set; } = StartChunk;

    /// <summary>How fast the connection takes data, bytes per second; 0 while that is not known. Stays while little is offered.</summary>
    public double Rate { get; private set; }

    /// <summary>Sets the limit to begin with. Connections that a listening socket accepts have that of the listener.</summary>
    public static void Prepare(Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        LimitUnsent(socket, StartChunk);
    }

    /// <summary>
    /// Looks how long the way is, once the connection has carried something, and asks for BBR if it is long. Short ways keep the system's
    /// choice: pacing costs more there than it brings. A system without BBR keeps what it has.
    /// </summary>
    public static void ChooseCongestionControl(Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        try
        {
            Span<byte> information = stackalloc byte[RoundTripOffset + sizeof(uint)];
            int length = socket.GetRawSocketOption(Libc.IPPROTO_TCP, Libc.TCP_INFO, information);
            if (length >= information.Length
                && TimeSpan.FromMicroseconds(MemoryMarshal.Read<uint>(information[RoundTripOffset..])) >= LongWay)
            {
                socket.SetRawSocketOption(Libc.IPPROTO_TCP, Libc.TCP_CONGESTION, "bbr"u8);
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Not there, not allowed, or closed.
        }
    }

    /// <summary>Counts what the socket took.</summary>
    /// <param name="socket">The connection.</param>
    /// <param name="bytes">How many.</param>
    /// <param name="isFull">Whether the socket takes no more now: then the rate is that of the way, else that of the offer.</param>
    public void Sent(Socket socket, int bytes, bool isFull)
    {
        _windowBytes += bytes;
        _windowFull |= isFull;
        TimeSpan passed = _time.GetElapsedTime(_windowStart);
        if (passed < Window)
        {
            return;
        }

        double rate = _windowBytes / passed.TotalSeconds;
        if (_windowFull || (rate > Rate && passed < Idle))
        {
            Rate = rate;
            Adapt(socket);
        }

        _windowBytes = 0;
        _windowFull = isFull;
        _windowStart = _time.GetTimestamp();
    }

    private void Adapt(Socket socket)
    {
        double wanted = Math.Clamp(Rate * Ahead.TotalSeconds, MinChunk, MaxChunk);

        // In steps of two, so that the limit is not set over and over.
        int chunk = MinChunk;
        while (chunk * 1.5 < wanted)
        {
            chunk *= 2;
        }

        if (chunk != Chunk)
        {
            Chunk = chunk;
            LimitUnsent(socket, chunk);
        }
    }

    private static void LimitUnsent(Socket socket, int bytes)
    {
        if (OperatingSystem.IsLinux())
        {
            Span<byte> limit = stackalloc byte[sizeof(int)];
            BinaryPrimitives.WriteInt32LittleEndian(limit, bytes);
            try
            {
                socket.SetRawSocketOption(Libc.IPPROTO_TCP, Libc.TCP_NOTSENT_LOWAT, limit);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                // Closed meanwhile.
            }
        }
    }
}
