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

    /// <summary>See <see cref="WireGuardInterface.ReserveTrain"/>.</summary>
    public SealResult ReserveTrain(Span<byte> train, int stride, long now, out TrainReservation reservation)
    {
        if (_staged.Count == 0 && !_removed && TryReserve(train, stride, now, out reservation))
        {
            return new SealResult(SealStatus.Sealed);
        }

        lock (_gate)
        {
            FlushStaged(now);
            if (!_removed && TryReserve(train, stride, now, out reservation))
            {
                return new SealResult(SealStatus.Sealed);
            }

            reservation = default;
            return SealOrStageTrain(train, stride, now);
        }
    }

    private bool TrySealTrain(Span<byte> train, int stride, long now)
    {
        return TryReserve(train, stride, now, out TrainReservation reservation) && reservation.TrySeal(train, stride);
    }

    private bool TryReserve(ReadOnlySpan<byte> train, int stride, long now, out TrainReservation reservation)
    {
        reservation = default;
        Keypair? keypair = _keypairs.Current;
        int count = (train.Length + stride - 1) / stride;
        if (keypair is null || keypair.IsExpired(now) || !keypair.TryTakeCounters(count, out ulong counter))
        {
            return false;
        }

        reservation = new TrainReservation(keypair, counter);
        Peer.CountSent(train.Length);
        _timers.AuthenticatedSent(now);
        _timers.DataSent(now);
        RenewOnSend(keypair, counter + (ulong)(count - 1), now);
        return true;
    }
}
