using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>
/// Memory for up to <see cref="MaxDatagrams"/> IPv4 datagrams and the calls that move that many at once: a call per datagram costs
/// more than the datagram. Runs of equal size leave as one (UDP_SEGMENT), where the way out can do that. Allocates nothing per
/// datagram. One thread at a time; any number of sockets, one after the other.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed unsafe class UdpBatch : IDisposable
{
    /// <summary>Most datagrams of one call.</summary>
    public const int MaxDatagrams = 32;

    // The largest UDP datagram; pages that none reaches cost no memory.
    private const int SlotSize = 65_536;
    private const int AddressSize = 16;
    private const int ControlSize = 24;
    private const int ControlHeader = 16;
    private const int MaxSegmented = 65_000;

    private readonly byte* _memory;
    private readonly Libc.MMsgHdr* _messages;
    private readonly Libc.IoVec* _vectors;
    private readonly byte* _addresses;
    private readonly byte* _target;
    private readonly byte* _control;
    private bool _disposed;

    /// <summary>Reserves the memory.</summary>
    public UdpBatch()
    {
        _memory = (byte*)NativeMemory.Alloc((nuint)(MaxDatagrams * SlotSize));
        _messages = (Libc.MMsgHdr*)NativeMemory.AllocZeroed((nuint)(MaxDatagrams * sizeof(Libc.MMsgHdr)));
        _vectors = (Libc.IoVec*)NativeMemory.AllocZeroed((nuint)(MaxDatagrams * sizeof(Libc.IoVec)));
        _addresses = (byte*)NativeMemory.AllocZeroed((MaxDatagrams + 1) * AddressSize);
        _target = _addresses + (MaxDatagrams * AddressSize);
        _control = (byte*)NativeMemory.AllocZeroed(ControlSize);
    }

    /// <summary>Frees the memory.</summary>
    ~UdpBatch()
    {
        Free();
    }

    /// <summary>
    /// Takes what waits at the socket, without blocking; the datagrams stay until the next call.
    /// </summary>
    /// <returns>How many; 0 when there is none, −1 when the socket is closed or broken.</returns>
    public int Receive(SafeSocketHandle socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ObjectDisposedException.ThrowIf(_disposed, this);
        for (int index = 0; index < MaxDatagrams; index++)
        {
            _vectors[index] = new Libc.IoVec { Base = _memory + (index * SlotSize), Length = SlotSize };
            _messages[index].Header = new Libc.MsgHdr
            {
                Name = _addresses + (index * AddressSize),
                NameLength = AddressSize,
                Vectors = _vectors + index,
                VectorCount = 1,
            };
        }

        bool held = false;
        try
        {
            socket.DangerousAddRef(ref held);
            int count = Libc.ReceiveMany((int)socket.DangerousGetHandle(), _messages, MaxDatagrams, Libc.MSG_DONTWAIT, null);
            return count >= 0 ? count : Marshal.GetLastPInvokeError() is Libc.EAGAIN or Libc.EINTR ? 0 : -1;
        }
        catch (ObjectDisposedException)
        {
            return -1;
        }
        finally
        {
            if (held)
            {
                socket.DangerousRelease();
            }
        }
    }

    /// <summary>A datagram received last.</summary>
    public ReadOnlySpan<byte> GetDatagram(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)MaxDatagrams);
        return new ReadOnlySpan<byte>(_memory + (index * SlotSize), (int)_messages[index].Length);
    }

    /// <summary>Who sent it: family, port and IPv4 address as the first eight bytes of the structure of the system, never 0.</summary>
    public ulong GetSender(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)MaxDatagrams);
        return *(ulong*)(_addresses + (index * AddressSize));
    }

    /// <summary>
    /// Sends datagrams received last on, to one receiver. Waits a moment when the queue of the system is full.
    /// </summary>
    /// <param name="socket">Where to.</param>
    /// <param name="from">The first of them.</param>
    /// <param name="count">How many.</param>
    /// <param name="receiver">As from <see cref="GetSender"/>.</param>
    /// <param name="timeoutMs">The moment.</param>
    /// <param name="segments">Whether runs may leave as one; set to false when the way out cannot do that.</param>
    /// <returns>How many were not sent: too big for the path, no route, a full queue.</returns>
    public int Forward(SafeSocketHandle socket, int from, int count, ulong receiver, int timeoutMs, ref bool segments)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(from + count, MaxDatagrams);
        *(ulong*)_target = receiver;
        int lost = 0;
        bool held = false;
        try
        {
            socket.DangerousAddRef(ref held);
            int descriptor = (int)socket.DangerousGetHandle();
            for (int end = from + count; from < end;)
            {
                int run = segments ? CountRun(from, end) : 1;
                if (run > 1)
                {
                    if (TrySendRun(descriptor, from, run, timeoutMs))
                    {
                        from += run;
                        continue;
                    }

                    segments = false;
                }

                int single = segments ? 1 : end - from;
                lost += SendSingly(descriptor, from, single, timeoutMs);
                from += single;
            }
        }
        catch (ObjectDisposedException)
        {
            lost = count;
        }
        finally
        {
            if (held)
            {
                socket.DangerousRelease();
            }
        }

        return lost;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    // Datagrams of one size, of which the last may be shorter, but not empty.
    private int CountRun(int from, int end)
    {
        uint size = _messages[from].Length;
        int run = 1;
        uint total = size;
        while (from + run < end && size > 0)
        {
            uint next = _messages[from + run].Length;
            if (next == 0 || next > size || total + next > MaxSegmented)
            {
                break;
            }

            run++;
            total += next;
            if (next < size)
            {
                break;
            }
        }

        return run;
    }

    private bool TrySendRun(int descriptor, int from, int run, int timeoutMs)
    {
        for (int index = from; index < from + run; index++)
        {
            _vectors[index].Length = _messages[index].Length;
        }

        // struct cmsghdr { size_t len; int level; int type; } and the size of a segment.
        *(nuint*)_control = ControlHeader + sizeof(ushort);
        *(int*)(_control + 8) = Libc.SOL_UDP;
        *(int*)(_control + 12) = Libc.UDP_SEGMENT;
        *(ushort*)(_control + ControlHeader) = (ushort)_messages[from].Length;
        var message = new Libc.MsgHdr
        {
            Name = _target,
            NameLength = AddressSize,
            Vectors = _vectors + from,
            VectorCount = (nuint)run,
            Control = _control,
            ControlLength = ControlSize,
        };
        while (Libc.SendMessage(descriptor, &message, Libc.MSG_DONTWAIT) < 0)
        {
            if (!MayTryAgain(descriptor, ref timeoutMs))
            {
                return false;
            }
        }

        return true;
    }

    private int SendSingly(int descriptor, int from, int count, int timeoutMs)
    {
        for (int index = from; index < from + count; index++)
        {
            _vectors[index].Length = _messages[index].Length;
            _messages[index].Header.Name = _target;
            _messages[index].Header.NameLength = AddressSize;
            _messages[index].Header.ControlLength = 0;
        }

        int lost = 0;
        while (count > 0)
        {
            // The kernel overwrites the lengths with what it sent, which is all of a datagram.
            int sent = Libc.SendMany(descriptor, _messages + from, (uint)count, Libc.MSG_DONTWAIT);
            if (sent <= 0)
            {
                if (MayTryAgain(descriptor, ref timeoutMs))
                {
                    continue;
                }

                // This one cannot be sent; the next one may.
                sent = 1;
                lost++;
            }

            from += sent;
            count -= sent;
        }

        return lost;
    }

    // True after an interruption and when a full queue has room again in time. The time is spent once.
    private static bool MayTryAgain(int descriptor, ref int timeoutMs)
    {
        int error = Marshal.GetLastPInvokeError();
        if (error == Libc.EINTR)
        {
            return true;
        }

        if (error != Libc.EAGAIN || timeoutMs == 0)
        {
            return false;
        }

        var wait = new Libc.PollFd { Fd = descriptor, Events = Libc.POLLOUT };
        int ready = Libc.Poll(&wait, 1, timeoutMs);
        timeoutMs = 0;
        return ready > 0;
    }

    private void Free()
    {
        if (!_disposed)
        {
            _disposed = true;
            NativeMemory.Free(_memory);
            NativeMemory.Free(_messages);
            NativeMemory.Free(_vectors);
            NativeMemory.Free(_addresses);
            NativeMemory.Free(_control);
        }
    }
}
