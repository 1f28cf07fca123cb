using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Interop.Linux;
using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Platform.Tun;

/// <summary>
/// A Linux TUN device (linux/Documentation/networking/tuntap.rst): IFF_TUN | IFF_NO_PI, one queue, not persistent, so
/// the kernel removes it with all its addresses and routes when the descriptor closes, however the process ends. With offloads also
/// IFF_VNET_HDR: a virtio header in front of every packet, which then may be a super-packet.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed partial class LinuxTunAdapter : ITunAdapter
{
    private const string DevicePath = "/dev/net/tun";
    private const int MinMtu = 576;
    private const int MaxMtu = PacketBuffer.StandardCapacity - PacketBuffer.Headroom - PacketBuffer.Tailroom;

    private readonly FileDescriptor _tun;
    private readonly FileDescriptor _stopEvent;
    private readonly bool _hasHeader;
    private TunOffloads _readOffloads;
    private volatile bool _stopped;
    private long _readDrops;
    private long _writeDrops;

    private LinuxTunAdapter(
        FileDescriptor tun, FileDescriptor stopEvent, string name, int interfaceIndex, int mtu, bool hasHeader)
    {
        _hasHeader = hasHeader;
        _tun = tun;
        _stopEvent = stopEvent;
        Name = name;
        InterfaceIndex = interfaceIndex;
        Mtu = mtu;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public int InterfaceIndex { get; }

    /// <inheritdoc/>
    public int Mtu { get; }

    /// <inheritdoc/>
    public TunOffloads Active => _readOffloads
        | (MergesTcp ? TunOffloads.ReceiveMerge : TunOffloads.None)
        | (MergesUdp ? TunOffloads.ReceiveMergeUdp : TunOffloads.None);

    /// <inheritdoc/>
    public long ReadDrops => Volatile.Read(ref _readDrops);

    /// <inheritdoc/>
    public long WriteDrops => Volatile.Read(ref _writeDrops);

    /// <inheritdoc/>
    public int Read(PacketBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        batch.Clear();
        batch.TrimLarge();
        if (_stopped || !_tun.TryEnter())
        {
            return 0;
        }

        try
        {
            while (!_stopped)
            {
                FillBatch(_tun.Value, batch);
                if (batch.Count > 0)
                {
                    return batch.Count;
                }

                if (!WaitReadable(_tun.Value))
                {
                    return 0;
                }
            }

            return 0;
        }
        finally
        {
            _tun.Leave();
        }
    }

    /// <inheritdoc/>
    public bool Write(ReadOnlySpan<byte> packet)
    {
        if (!_tun.TryEnter())
        {
            return CountWriteDrops(1);
        }

        try
        {
            return WritePacket(_tun.Value, packet);
        }
        finally
        {
            _tun.Leave();
        }
    }

    /// <inheritdoc/>
    public int Write(PacketBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (!_tun.TryEnter())
        {
            Interlocked.Add(ref _writeDrops, batch.Count);
            return 0;
        }

        try
        {
            int written = 0;
            for (int i = 0; i < batch.Count; i++)
            {
                written += WritePacket(_tun.Value, batch.Packets[i].Span) ? 1 : 0;
            }

            return written;
        }
        finally
        {
            _tun.Leave();
        }
    }

    /// <inheritdoc/>
    public ITunWriter CreateWriter() => MergesTcp || MergesUdp ? new LinuxTunWriter(this) : new PlainTunWriter(this);

    /// <inheritdoc/>
    public void Stop()
    {
        if (_stopped)
        {
            return;
        }

        _stopped = true;
        if (_stopEvent.TryEnter())
        {
            try
            {
                Signal(_stopEvent.Value);
            }
            finally
            {
                _stopEvent.Leave();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        _tun.Dispose();
        _stopEvent.Dispose();
    }

    private static unsafe void Signal(int eventFd)
    {
        // Never read back: the event stays readable, so every later poll returns at once.
        ulong one = 1;
        _ = Libc.Write(eventFd, (byte*)&one, sizeof(ulong));
    }
}
