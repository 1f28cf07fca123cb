using System.Runtime.InteropServices;
using Diode.Tunnel.Platform.Interop.Linux;
using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Platform.Tun;

/// <summary>Writing, also for the writers this adapter made.</summary>
public sealed partial class LinuxTunAdapter
{
    // A kernel that refuses merged packets is not asked for ever.
    private const int MaxRefusals = 8;

    private volatile bool _mergesTcp;
    private volatile bool _mergesUdp;
    private int _tcpRefusals;
    private int _udpRefusals;

    /// <summary>Whether writers merge TCP packets.</summary>
    internal bool MergesTcp
    {
        get => _mergesTcp;
        private set => _mergesTcp = value;
    }

    /// <summary>Whether writers merge UDP packets.</summary>
    internal bool MergesUdp
    {
        get => _mergesUdp;
        private set => _mergesUdp = value;
    }

    /// <summary>Writes one packet that lies in pieces, the first of which is its virtio header.</summary>
    /// <returns>0 or the errno.</returns>
    internal unsafe int WriteVectors(Libc.IoVec* vectors, int count)
    {
        if (!_tun.TryEnter())
        {
            return Libc.EBADF;
        }

        try
        {
            while (true)
            {
                if (Libc.WriteVectors(_tun.Value, vectors, count) >= 0)
                {
                    return 0;
                }

                int errno = Marshal.GetLastPInvokeError();
                if (errno != Libc.EINTR)
                {
                    return errno;
                }
            }
        }
        finally
        {
            _tun.Leave();
        }
    }

    /// <summary>Notes whether the kernel took a merged packet; merging ends for good when it keeps refusing.</summary>
    internal void CountMerge(SegmentKind kind, bool isAccepted)
    {
        ref int refusals = ref kind == SegmentKind.Udp ? ref _udpRefusals : ref _tcpRefusals;
        if (isAccepted)
        {
            if (refusals != 0)
            {
                Volatile.Write(ref refusals, 0);
            }

            return;
        }

        if (Interlocked.Increment(ref refusals) >= MaxRefusals)
        {
            if (kind == SegmentKind.Udp)
            {
                MergesUdp = false;
            }
            else
            {
                MergesTcp = false;
            }
        }
    }

    internal bool CountWriteDrops(int packets)
    {
        Interlocked.Add(ref _writeDrops, packets);
        return false;
    }

    private unsafe bool WritePacket(int fd, ReadOnlySpan<byte> packet)
    {
        // All zero: an ordinary packet with its checksums in place.
        ulong* header = stackalloc ulong[2] { 0, 0 };
        Libc.IoVec* vectors = stackalloc Libc.IoVec[2];
        fixed (byte* bytes = packet)
        {
            vectors[0] = new Libc.IoVec { Base = (byte*)header, Length = VirtioHeader.Length };
            vectors[1] = new Libc.IoVec { Base = bytes, Length = (nuint)packet.Length };
            int skipped = _hasHeader ? 0 : 1;
            while (true)
            {
                if (Libc.WriteVectors(fd, vectors + skipped, 2 - skipped) >= 0)
                {
                    return true;
                }

                // EIO: adapter down. EINVAL: not an IP packet. EAGAIN and ENOBUFS: queue full.
                if (Marshal.GetLastPInvokeError() != Libc.EINTR)
                {
                    return CountWriteDrops(1);
                }
            }
        }
    }
}
