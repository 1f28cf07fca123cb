using Diode.Tunnel.WireGuard.Messages;
using Diode.Tunnel.WireGuard.Transport;

namespace Diode.Tunnel.WireGuard;

/// <content>Sealing several packets at once: one look at the keypair, one reservation of counters, timers touched once.</content>
internal sealed partial class PeerSession
{
    /// <summary>See <see cref="WireGuardInterface.SealTrain"/>.</summary>
    public SealResult SealTrain(Span<byte> train, int stride, long now)
    {
        // Packets that already wait go first.
        if (_staged.Count == 0 && !_removed && TrySealTrain(train, stride, now))
        {
            return new SealResult(SealStatus.Sealed);
        }

        return SealOrStageTrain(train, stride, now);
    }

    private SealResult SealOrStageTrain(Span<byte> train, int stride, long now)
    {
        lock (_gate)
        {
            if (_removed)
            {
                return new SealResult(SealStatus.Dropped, _context.Drops.Count(DropReason.PeerRemoved));
            }

            FlushStaged(now);
            if (TrySealTrain(train, stride, now))
            {
                return new SealResult(SealStatus.Sealed);
            }

            for (int start = 0; start < train.Length; start += stride)
            {
                int end = Math.Min(start + stride, train.Length) - WireGuardConstants.TagLength;
                ReadOnlySpan<byte> padded = train[(start + TransportData.HeaderLength)..end];
                int length = InnerPacket.TryGetLength(padded, out int inner) ? inner : padded.Length;
                if (!_staged.Add(padded[..length]))
                {
                    _context.Drops.Count(DropReason.StagedOverflow);
                }
            }

            BeginHandshake(now, isRetry: false);
            return new SealResult(SealStatus.Staged);
        }
    }

    private bool TrySealTrain(Span<byte> train, int stride, long now)
    {
        Keypair? keypair = _keypairs.Current;
        int count = (train.Length + stride - 1) / stride;
        if (keypair is null || keypair.IsExpired(now) || !keypair.TryTakeCounters(count, out ulong counter)
            || !keypair.TrySealTrain(counter, train, stride))
        {
            return false;
        }

        ulong next = counter;
        for (int start = 0; start < train.Length; start += stride)
        {
            TransportData.WriteHeader(train[start..], keypair.RemoteIndex, next++);
        }

        Peer.CountSent(train.Length);
        _timers.AuthenticatedSent(now);
        _timers.DataSent(now);
        RenewOnSend(keypair, next - 1, now);
        return true;
    }
}
