using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>Handles one message of a dump.</summary>
internal delegate void NetlinkDumpHandler(in NetlinkMessage message);

/// <summary>
/// A rtnetlink socket for one conversation at a time, opened in the network namespace of the calling thread.
/// Not thread-safe.
/// </summary>
internal sealed class NetlinkSocket : IDisposable
{
    internal const int RequestCapacity = 1024;
    private const int ReceiveCapacity = 64 * 1024;
    private const int TimeoutSeconds = 5;
    private const int DumpAttempts = 5;

    private readonly int _fd;
    private readonly byte[] _receive = GC.AllocateUninitializedArray<byte>(ReceiveCapacity);
    private uint _sequence;
    private bool _closed;

    internal NetlinkSocket()
    {
        _fd = Libc.CreateSocket(Libc.AF_NETLINK, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, Libc.NETLINK_ROUTE);
        if (_fd < 0)
        {
            throw PlatformException.FromErrno("Could not open a netlink socket", Marshal.GetLastPInvokeError());
        }

        // Both are comforts of newer kernels: short acknowledgements and an explanation beside the errno.
        SetOption(Libc.SOL_NETLINK, Libc.NETLINK_CAP_ACK, 1);
        SetOption(Libc.SOL_NETLINK, Libc.NETLINK_EXT_ACK, 1);
        SetReceiveTimeout();
    }

    internal uint NextSequence() => ++_sequence;

    /// <summary>Sends a request written with <see cref="NextSequence"/> and NLM_F_ACK.</summary>
    /// <returns>0 or the errno, with the kernel's explanation if there is one.</returns>
    internal int Request(ReadOnlySpan<byte> request, out string? explanation)
    {
        Send(request);
        while (true)
        {
            NetlinkReader reader = new(Receive());
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.Sequence == _sequence
                    && message.Type == NetlinkConstants.NLMSG_ERROR
                    && message.TryReadError(out int errno, out explanation))
                {
                    return errno;
                }
            }
        }
    }

    /// <summary>Asks for all objects of a kind (RTM_GET…) and hands each to <paramref name="handler"/>.</summary>
    /// <param name="type">RTM_GETLINK, RTM_GETADDR, …</param>
    /// <param name="family">AF_UNSPEC for both.</param>
    /// <param name="familyHeaderLength">Length of the request's family header; its first byte is the family.</param>
    /// <param name="restart">Called before each attempt: the kernel may say that the list changed while it was read.</param>
    /// <param name="handler">Receives the messages.</param>
    internal void Dump(ushort type, byte family, int familyHeaderLength, Action restart, NetlinkDumpHandler handler)
    {
        Span<byte> buffer = stackalloc byte[64];
        for (int attempt = 0; attempt < DumpAttempts; attempt++)
        {
            restart();
            NetlinkWriter writer = new(
                buffer, type, NetlinkConstants.NLM_F_REQUEST | NetlinkConstants.NLM_F_DUMP, NextSequence());
            writer.FamilyHeader(familyHeaderLength)[0] = family;
            Send(writer.Finish());
            if (!ReceiveDump(handler))
            {
                return;
            }
        }

        throw new PlatformException("The network configuration changed all the time while it was read", Libc.EAGAIN);
    }

    public void Dispose()
    {
        if (!_closed)
        {
            _closed = true;
            _ = Libc.Close(_fd);
        }
    }

    /// <returns>True if the dump was interrupted by a change and must be repeated.</returns>
    private bool ReceiveDump(NetlinkDumpHandler handler)
    {
        bool interrupted = false;
        while (true)
        {
            NetlinkReader reader = new(Receive());
            while (reader.TryRead(out NetlinkMessage message))
            {
                if (message.Sequence != _sequence)
                {
                    continue;
                }

                interrupted |= (message.Flags & NetlinkConstants.NLM_F_DUMP_INTR) != 0;
                switch (message.Type)
                {
                    case NetlinkConstants.NLMSG_DONE:
                        return interrupted;
                    case NetlinkConstants.NLMSG_ERROR when message.TryReadError(out int errno, out _) && errno != 0:
                        throw PlatformException.FromErrno("Could not read the network configuration", errno);
                    default:
                        handler(in message);
                        break;
                }
            }
        }
    }

    private unsafe void Send(ReadOnlySpan<byte> request)
    {
        fixed (byte* bytes = request)
        {
            while (Libc.Send(_fd, bytes, (nuint)request.Length, 0) < 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                if (errno != Libc.EINTR)
                {
                    throw PlatformException.FromErrno("Could not send a netlink request", errno);
                }
            }
        }
    }

    private unsafe ReadOnlySpan<byte> Receive()
    {
        fixed (byte* bytes = _receive)
        {
            while (true)
            {
                nint length = Libc.Receive(_fd, bytes, ReceiveCapacity, Libc.MSG_TRUNC);
                if (length > ReceiveCapacity)
                {
                    throw new PlatformException($"A netlink answer of {length} bytes is longer than expected");
                }

                if (length >= 0)
                {
                    return _receive.AsSpan(0, (int)length);
                }

                int errno = Marshal.GetLastPInvokeError();
                if (errno != Libc.EINTR)
                {
                    throw PlatformException.FromErrno("The kernel did not answer a netlink request", errno);
                }
            }
        }
    }

    private unsafe void SetOption(int level, int option, int value) =>
        _ = Libc.SetSockOpt(_fd, level, option, &value, sizeof(int));

    private unsafe void SetReceiveTimeout()
    {
        // struct timeval: seconds and microseconds, both native integers.
        nint* timeout = stackalloc nint[2];
        timeout[0] = TimeoutSeconds;
        timeout[1] = 0;
        _ = Libc.SetSockOpt(_fd, Libc.SOL_SOCKET, Libc.SO_RCVTIMEO, timeout, (uint)(2 * sizeof(nint)));
    }
}
