using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Interop.Linux;
using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Platform.Tun;

/// <summary>Merges packets and writes each result in one call, with a virtio header and without copying.</summary>
[SupportedOSPlatform("linux")]
internal sealed class LinuxTunWriter : ITunWriter, IMergeSink
{
    private readonly LinuxTunAdapter _adapter;
    private readonly PacketMerger _merger;
    private int _accepted;

    internal LinuxTunWriter(LinuxTunAdapter adapter)
    {
        _adapter = adapter;
        _merger = new PacketMerger(this);
    }

    /// <inheritdoc/>
    public bool Add(PacketBuffer buffer, int offset, int length)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        if (length == 0 || buffer.Array[offset] >> 4 is not (4 or 6))
        {
            return _adapter.CountWriteDrops(1);
        }

        _merger.Add(buffer, offset, length, _adapter.MergesTcp, _adapter.MergesUdp);
        return true;
    }

    /// <inheritdoc/>
    public int Flush()
    {
        _merger.Flush();
        int accepted = _accepted;
        _accepted = 0;
        return accepted;
    }

    /// <inheritdoc/>
    public void Dispose() => _merger.Flush();

    void IMergeSink.WriteSingle(ReadOnlySpan<byte> packet) => _accepted += _adapter.Write(packet) ? 1 : 0;

    unsafe void IMergeSink.WriteMerged(MergeGroup group)
    {
        int count = group.Seal(out Libc.IoVec* vectors);
        switch (_adapter.WriteVectors(vectors, count))
        {
            case 0:
                _adapter.CountMerge(group.Kind, isAccepted: true);
                _accepted += group.Count;
                break;
            case Libc.EINVAL:
                // This kernel does not take what others take: the packets go singly, and soon nothing is merged any more.
                _adapter.CountMerge(group.Kind, isAccepted: false);
                for (int i = 0; i < group.Count; i++)
                {
                    _accepted += _adapter.Write(group.Original(i)) ? 1 : 0;
                }

                break;
            default:
                _adapter.CountWriteDrops(group.Count);
                break;
        }
    }
}
