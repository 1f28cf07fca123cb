using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>Sending: trains whole where the system can, else many datagrams per call.</summary>
internal sealed unsafe partial class LinuxDatagramSocket
{
    // What one call with UDP_SEGMENT takes: UDP_MAX_SEGMENTS of kernels before 6.9, and an IPv4 datagram with room for headers.
    private const int MaxSegments = 64;
    private const int MaxTrainLength = 65_000;
    private const int ControlLength = 24;
    private const int ControlHeaderLength = 16;
    private const int MaxMessages = 64;

    // A kernel that keeps refusing what it accepted in the test is not asked any more.
    private const int MaxRefusals = 16;

    private int _refusals;

    [SkipLocalsInit]
    internal override bool Send(in EndpointAddress to, ReadOnlySpan<byte> train, int segmentSize)
    {
        int count = CountDatagrams(train.Length, segmentSize);
        byte* name = stackalloc byte[EndpointAddress.MaxSockaddrLength];
        if (!to.TryWriteTo(Family, new Span<byte>(name, EndpointAddress.MaxSockaddrLength), out int nameLength)
            || !_descriptor.TryEnter())
        {
            return CountSendDrops(count);
        }

        int lost = 0;
        try
        {
            fixed (byte* data = train)
            {
                if (count == 1)
                {
                    segmentSize = Math.Max(train.Length, 1);
                }

                Target target = new(name, nameLength, in to);
                for (int start = 0; start < train.Length || start == 0;)
                {
                    int length = _segmentation ? Math.Min(train.Length - start, ChunkLength(segmentSize)) : train.Length - start;
                    lost += !_segmentation || length <= segmentSize
                        ? SendSingly(in target, data + start, length, segmentSize)
                        : SendTrain(in target, data + start, length, segmentSize);

                    start += Math.Max(length, 1);
                }
            }
        }
        finally
        {
            _descriptor.Leave();
        }

        CountSent(count - lost);
        return lost == 0 || CountSendDrops(lost);
    }

    [SkipLocalsInit]
    internal override int Send(ReadOnlySpan<OutgoingTrain> trains)
    {
        if (!_segmentation || trains.Length == 1)
        {
            return base.Send(trains);
        }

        int taken = 0;
        while (!trains.IsEmpty)
        {
            int count = CountWhole(trains);
            if (count < 2)
            {
                OutgoingTrain train = trains[0];
                taken += Send(train.To, train.Buffer.Array.AsSpan(train.Offset, train.Length), train.SegmentSize) ? 1 : 0;
                trains = trains[1..];
                continue;
            }

            taken += SendWhole(trains[..count]);
            trains = trains[count..];
        }

        return taken;
    }

    private static int ChunkLength(int segmentSize) =>
        Math.Max(1, Math.Min(MaxSegments, MaxTrainLength / segmentSize)) * segmentSize;

    /// <summary>How many of the first trains fit into one call each.</summary>
    private static int CountWhole(ReadOnlySpan<OutgoingTrain> trains)
    {
        int count = 0;
        while (count < trains.Length && count < MaxMessages)
        {
            ref readonly OutgoingTrain train = ref trains[count];
            bool isSingle = train.SegmentSize <= 0 || train.SegmentSize >= train.Length;
            if (!isSingle && train.Length > ChunkLength(train.SegmentSize))
            {
                break;
            }

            count++;
        }

        return count;
    }

    /// <summary>Sends trains of one message each; what the call does not take is sent one by one.</summary>
    [SkipLocalsInit]
    private int SendWhole(ReadOnlySpan<OutgoingTrain> trains)
    {
        Libc.MMsgHdr* messages = stackalloc Libc.MMsgHdr[trains.Length];
        Libc.IoVec* vectors = stackalloc Libc.IoVec[trains.Length];
        byte* names = stackalloc byte[trains.Length * EndpointAddress.MaxSockaddrLength];
        byte* controls = stackalloc byte[trains.Length * ControlLength];
        int count = 0;
        for (; count < trains.Length; count++)
        {
            ref readonly OutgoingTrain train = ref trains[count];
            byte* name = names + (count * EndpointAddress.MaxSockaddrLength);
            if (!train.To.TryWriteTo(Family, new Span<byte>(name, EndpointAddress.MaxSockaddrLength), out int nameLength))
            {
                break;
            }

            // Bounds are checked here, because the kernel reads behind this pointer; the array is pinned for life.
            Span<byte> bytes = train.Buffer.Array.AsSpan(train.Offset, train.Length);
            vectors[count].Base = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(bytes));
            vectors[count].Length = (nuint)bytes.Length;
            bool isTrain = train.SegmentSize > 0 && train.SegmentSize < train.Length;
            messages[count].Header = new Libc.MsgHdr
            {
                Name = name,
                NameLength = (uint)nameLength,
                Vectors = vectors + count,
                VectorCount = 1,
                Control = isTrain ? WriteControl(controls + (count * ControlLength), train.SegmentSize) : null,
                ControlLength = isTrain ? ControlLength : (nuint)0,
            };
        }

        int sent = 0;
        if (count > 0 && _descriptor.TryEnter())
        {
            sent = Math.Max(0, Libc.SendMany(_descriptor.Value, messages, (uint)count, Libc.MSG_DONTWAIT));
            _descriptor.Leave();
        }

        int datagrams = 0;
        for (int i = 0; i < sent; i++)
        {
            datagrams += CountDatagrams(trains[i].Length, trains[i].SegmentSize);
        }

        CountSent(datagrams);
        if (sent == trains.Length)
        {
            return sent;
        }

        // The first that was refused meets its error again on its own, and is dealt with there; the rest follows.
        OutgoingTrain refused = trains[sent];
        int taken = Send(refused.To, refused.Buffer.Array.AsSpan(refused.Offset, refused.Length), refused.SegmentSize) ? 1 : 0;
        return sent + taken + (sent + 1 < trains.Length ? Send(trains[(sent + 1)..]) : 0);
    }

    private static byte* WriteControl(byte* control, int segmentSize)
    {
        // struct cmsghdr { size_t len; int level; int type; } and the size as u16.
        *(nuint*)control = ControlHeaderLength + sizeof(ushort);
        *(int*)(control + 8) = Libc.SOL_UDP;
        *(int*)(control + 12) = Libc.UDP_SEGMENT;
        *(ulong*)(control + ControlHeaderLength) = (ushort)segmentSize;
        return control;
    }

    /// <returns>How many were lost.</returns>
    private int SendTrain(in Target target, byte* data, int length, int segmentSize)
    {
        byte* control = stackalloc byte[ControlLength];
        Libc.IoVec vector = new() { Base = data, Length = (nuint)length };
        Libc.MsgHdr message = new()
        {
            Name = target.Name,
            NameLength = (uint)target.NameLength,
            Vectors = &vector,
            VectorCount = 1,
            Control = WriteControl(control, segmentSize),
            ControlLength = ControlLength,
        };
        int waitMs = _sendWaitMs;
        bool retried = false;
        while (Libc.SendMessage(_descriptor.Value, &message, Libc.MSG_DONTWAIT) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (MayTryAgain(errno, ref waitMs, ref retried))
            {
                continue;
            }

            switch (errno)
            {
                case Libc.EIO:
                    // The way out cannot checksum what it would cut (no checksum offload); that does not change.
                    _segmentation = false;
                    break;
                case Libc.EMSGSIZE:
                    break;
                case Libc.EINVAL or Libc.EOPNOTSUPP:
                    // Segments over the MTU, which the datagrams sent singly then find out, or a kernel with a fault.
                    _segmentation = Interlocked.Increment(ref _refusals) < MaxRefusals;
                    break;
                default:
                    Refuse(in target, errno, segmentSize);
                    return CountDatagrams(length, segmentSize);
            }

            return SendSingly(in target, data, length, segmentSize);
        }

        if (_refusals != 0)
        {
            Volatile.Write(ref _refusals, 0);
        }

        return 0;
    }

    /// <returns>How many were lost.</returns>
    [SkipLocalsInit]
    private int SendSingly(in Target target, byte* data, int length, int segmentSize)
    {
        int total = CountDatagrams(length, segmentSize);
        int batch = Math.Min(total, MaxMessages);
        Libc.MMsgHdr* messages = stackalloc Libc.MMsgHdr[batch];
        Libc.IoVec* vectors = stackalloc Libc.IoVec[batch];
        int waitMs = _sendWaitMs;
        int lost = 0;
        bool retried = false;
        for (int done = 0; done < total;)
        {
            int count = Math.Min(total - done, batch);
            for (int i = 0; i < count; i++)
            {
                int start = (done + i) * segmentSize;
                vectors[i] = new Libc.IoVec { Base = data + start, Length = (nuint)Math.Min(segmentSize, length - start) };
                messages[i].Header = new Libc.MsgHdr
                {
                    Name = target.Name,
                    NameLength = (uint)target.NameLength,
                    Vectors = vectors + i,
                    VectorCount = 1,
                };
            }

            int sent = Libc.SendMany(_descriptor.Value, messages, (uint)count, Libc.MSG_DONTWAIT);
            if (sent > 0)
            {
                done += sent;
                retried = false;
                continue;
            }

            int errno = Marshal.GetLastPInvokeError();
            if (!MayTryAgain(errno, ref waitMs, ref retried))
            {
                if (errno == Libc.EMSGSIZE && _reportTooBig)
                {
                    TooBig?.Invoke(target.Address, 0);
                }

                // This one cannot be sent; the next one may.
                Refuse(in target, errno, (int)vectors[0].Length);
                done++;
                lost++;
            }
        }

        return lost;
    }

    /// <summary>
    /// True after an interruption, once when an earlier datagram's error was reported instead of this one's, and when a full queue has
    /// room again in time.
    /// </summary>
    private bool MayTryAgain(int errno, ref int waitMs, ref bool retried)
    {
        switch (errno)
        {
            case Libc.EINTR:
                return true;
            case Libc.EAGAIN when waitMs > 0:
                Libc.PollFd wait = new() { Fd = _descriptor.Value, Events = Libc.POLLOUT };
                int ready = Libc.Poll(&wait, 1, waitMs);
                waitMs = 0;
                return ready > 0;
            case Libc.ECONNREFUSED or Libc.EHOSTUNREACH or Libc.ENETUNREACH or Libc.EMSGSIZE or Libc.EACCES or Libc.EPROTO
                when _reportTooBig && !retried:
                retried = true;
                return true;
            default:
                return false;
        }
    }

    /// <summary>Says why, if it is because of the receiver. A blackhole route is EINVAL, a dropping firewall EPERM.</summary>
    private void Refuse(in Target target, int errno, int length)
    {
        SendRefusal? why = errno switch
        {
            Libc.EMSGSIZE => SendRefusal.TooLong,
            Libc.ENETUNREACH or Libc.EHOSTUNREACH or Libc.ENETDOWN or Libc.EADDRNOTAVAIL or Libc.EACCES or Libc.EPERM or Libc.EINVAL
                => SendRefusal.Unreachable,
            _ => null,
        };
        if (why is { } refusal)
        {
            Refused?.Invoke(target.Address, refusal, length);
        }
    }

    private readonly struct Target(byte* name, int nameLength, in EndpointAddress address)
    {
        internal readonly EndpointAddress Address = address;
        internal readonly byte* Name = name;
        internal readonly int NameLength = nameLength;
    }
}
