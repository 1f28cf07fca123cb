using Diode.Tunnel.WireGuard;

namespace Diode.Tunnel.Engine.Pipeline;

/// <summary>A train on its way out: gathered, numbered, sealed by whoever has time, sent in order.</summary>
internal sealed class TrainSlot(WireGuardInterface wireGuard)
{
    private TrainReservation _reservation;

    /// <summary>The packets.</summary>
    public PacketTrain Train { get; } = new(wireGuard);

    /// <summary>Set when it may be sent.</summary>
    public bool IsSealed { get; private set; }

    /// <summary>Numbers the packets; false: they wait in the core or are lost, and the slot is free.</summary>
    public SealStatus Reserve(long now)
    {
        IsSealed = false;
        return wireGuard.ReserveTrain(Train.Peer!, Train.Bytes, Train.Stride, now, out _reservation).Status;
    }

    /// <summary>Encrypts. Any thread.</summary>
    public void Seal()
    {
        IsSealed = _reservation.TrySeal(Train.Bytes, Train.Stride);
        _reservation = default;
    }
}
