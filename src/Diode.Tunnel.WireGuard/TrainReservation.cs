using Diode.Tunnel.WireGuard.Messages;
using Diode.Tunnel.WireGuard.Transport;

namespace Diode.Tunnel.WireGuard;

/// <summary>Keypair and counters for a train, so that trains can be sealed by several threads and still be numbered in order.</summary>
public readonly struct TrainReservation
{
    private readonly Keypair? _keypair;
    private readonly ulong _counter;

    internal TrainReservation(Keypair keypair, ulong counter)
    {
        _keypair = keypair;
        _counter = counter;
    }

    /// <summary>Encrypts the train it was made for, once. Any thread.</summary>
    /// <returns>False if the keys are gone: the peer was removed or the keypair retired since; the train is lost.</returns>
    public bool TrySeal(Span<byte> train, int stride)
    {
        if (_keypair is null || !_keypair.TrySealTrain(_counter, train, stride))
        {
            return false;
        }

        ulong next = _counter;
        for (int start = 0; start < train.Length; start += stride)
        {
            TransportData.WriteHeader(train[start..], _keypair.RemoteIndex, next++);
        }

        return true;
    }
}
