using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun;
using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine.Pipeline;

/// <summary>
/// Network → system for one receiving thread: opens whole trains in place, judges their packets and gathers them at the adapter, which
/// merges them. Made by <see cref="PacketPipeline.CreateReceiver"/>; the thread calls <see cref="Flush"/> after each batch.
/// </summary>
/// <remarks>With helpers, the trains of a batch are decrypted by several threads and then judged in the order of arrival.</remarks>
internal sealed class PipelineReceiver : IDisposable
{
    private const int MostJobs = 64;

    private readonly PacketPipeline _pipeline;
    private readonly ITunWriter _writer;
    private readonly WireGuardInterface _wireGuard;
    private readonly EngineClock _clock;
    private readonly CipherCrew _crew;
    private readonly Job[] _jobs = new Job[MostJobs];
    private readonly PacketPool _pool;
    private PacketBuffer? _coupled;
    private readonly ReceivedPacket[] _packets = new ReceivedPacket[WireGuardInterface.MaxTrainLength];
    private readonly FlowMemo _memo = new();
    private PipelineSnapshot? _snapshot;
    private TunnelPeer? _peer;
    private AddressBookEntry? _entry;
    private int _added;
    private int _count;
    private bool _lastIsOpen;
    private long _now;

    /// <param name="pipeline">Judges packets.</param>
    /// <param name="writer">Takes them; disposed with this.</param>
    /// <param name="wireGuard">Opens trains.</param>
    /// <param name="pool">Buffers.</param>
    /// <param name="clock">Time.</param>
    /// <param name="helpers">Threads that help to decrypt.</param>
    public PipelineReceiver(
        PacketPipeline pipeline,
        ITunWriter writer,
        WireGuardInterface wireGuard,
        PacketPool pool,
        EngineClock clock,
        int helpers)
    {
        _pipeline = pipeline;
        _writer = writer;
        _wireGuard = wireGuard;
        _clock = clock;
        _pool = pool;
        _crew = new CipherCrew(helpers, Open);
    }

    /// <summary>Takes a datagram or a train. The buffer stays the caller's and unchanged until <see cref="Flush"/>.</summary>
    /// <param name="path">Where it came from.</param>
    /// <param name="buffer">The bytes; overwritten.</param>
    /// <param name="segmentSize">Size of each datagram but the last; 0: there is only one.</param>
    public void Take(IPath path, PacketBuffer buffer, int segmentSize)
    {
        if (segmentSize <= 0 && TryCouple(path, buffer.Span))
        {
            return;
        }

        int stride = segmentSize <= 0 ? Math.Max(1, buffer.Length) : segmentSize;
        int most = stride * WireGuardInterface.MaxTrainLength;
        for (int at = 0; at < buffer.Length; at += most)
        {
            Add(path, buffer, buffer.Offset + at, Math.Min(most, buffer.Length - at), stride);
        }

        _lastIsOpen = false;
    }

    private void Add(IPath path, PacketBuffer buffer, int offset, int length, int stride)
    {
        if (_count == 0)
        {
            _now = _clock.Now;
        }
        else if (_count == _jobs.Length)
        {
            Work();
        }

        ref Job job = ref _jobs[_count++];
        job.Path = path;
        job.Buffer = buffer;
        job.Offset = offset;
        job.Length = length;
        job.Stride = stride;
    }

    /// <summary>
    /// Copies a single datagram behind the one before, where the system did not: a train is cheaper to decrypt than the copy costs.
    /// </summary>
    private bool TryCouple(IPath path, ReadOnlySpan<byte> datagram)
    {
        PacketBuffer coupled = _coupled ??= _pool.RentLarge();
        if (datagram.IsEmpty
            || datagram.Length > PacketBuffer.StandardCapacity
            || coupled.Length + datagram.Length > coupled.MaxPacketLength)
        {
            return false;
        }

        int offset = PacketBuffer.Headroom + coupled.Length;
        datagram.CopyTo(coupled.Array.AsSpan(offset));
        coupled.Length += datagram.Length;
        if (_lastIsOpen && _count > 0)
        {
            ref Job last = ref _jobs[_count - 1];
            if (ReferenceEquals(last.Path, path)
                && datagram.Length <= last.Stride
                && last.Length < last.Stride * WireGuardInterface.MaxTrainLength)
            {
                last.Length += datagram.Length;
                _lastIsOpen = datagram.Length == last.Stride;
                return true;
            }
        }

        Add(path, coupled, offset, datagram.Length, datagram.Length);
        _lastIsOpen = true;
        return true;
    }

    /// <summary>Hands what was gathered to the system. The buffers are then free.</summary>
    public void Flush()
    {
        Work();
        int accepted = _writer.Flush();
        _pipeline.CountDelivered(accepted, _added - accepted);
        _added = 0;
        _memo.Clear();
        _snapshot = null;
        _peer = null;
        _coupled?.Reset();
    }

    private void Work()
    {
        if (_crew.HasHelpers && _count > 1)
        {
            _crew.Run(_count);
        }

        for (int i = 0; i < _count; i++)
        {
            Receive(ref _jobs[i]);
            _jobs[i] = default;
        }

        _count = 0;
        _lastIsOpen = false;
    }

    /// <summary>Decrypts ahead. Several threads at once.</summary>
    private void Open(int index)
    {
        ref Job job = ref _jobs[index];
        job.Opened = _wireGuard.OpenTrain(job.Bytes, job.Stride, _now);
    }

    private void Receive(ref Job job)
    {
        int count = _wireGuard.ReceiveTrain(
            job.Bytes, job.Stride, job.Opened, job.Path, job.Path.SourceId, _now, _packets, out int dropped);
        if (dropped > 0)
        {
            _pipeline.Count(PipelineDrop.InRejected, dropped);
        }

        for (int i = 0; i < count; i++)
        {
            ReceivedPacket packet = _packets[i];
            if (packet.Peer.Tag is TunnelPeer peer)
            {
                Deliver(peer, job.Buffer, job.Offset + packet.Offset, packet.Length, _now);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _crew.Dispose();
        _writer.Dispose();
        if (_coupled is not null)
        {
            _pool.Return(_coupled);
            _coupled = null;
        }
    }

    private void Deliver(TunnelPeer peer, PacketBuffer buffer, int offset, int length, long now)
    {
        Span<byte> bytes = buffer.Array.AsSpan(offset, length);
        if (!ReferenceEquals(_memo.Peer, peer) || !_memo.Matches(bytes))
        {
            if (!IpPacket.TryParse(bytes, out IpPacket packet))
            {
                _pipeline.Count(PipelineDrop.InMalformed);
                return;
            }

            PipelineSnapshot snapshot = _snapshot ??= _pipeline.Snapshot;
            if (!ReferenceEquals(peer, _peer))
            {
                _peer = peer;
                _entry = snapshot.Book.TryFind(peer.Device, out int index) ? snapshot.Book.Entries[index] : null;
            }

            if (_entry is null)
            {
                _pipeline.Count(PipelineDrop.InForeignSource);
                return;
            }

            if (!_pipeline.Admit(snapshot, peer, _entry, bytes, ref packet, now, out TranslationResult translated))
            {
                return;
            }

            _memo.Remember(bytes, packet, translated, peer);
            length = packet.TotalLength;
        }

        _added++;
        _writer.Add(buffer, offset, length);
    }

    private struct Job
    {
        public IPath Path;
        public PacketBuffer Buffer;
        public int Offset;
        public int Length;
        public int Stride;
        public OpenedTrain Opened;

        public readonly Span<byte> Bytes => Buffer.Array.AsSpan(Offset, Length);
    }
}
