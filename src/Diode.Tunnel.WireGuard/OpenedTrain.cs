using Diode.Tunnel.WireGuard.Transport;

namespace Diode.Tunnel.WireGuard;

/// <summary>
/// A train that was decrypted ahead by <see cref="WireGuardInterface.OpenTrain"/>; nothing of it counts as received yet. The default value
/// is a train that was left alone.
/// </summary>
public readonly struct OpenedTrain
{
    internal OpenedTrain(ReceiverSlot slot, Keypair keypair, ulong opened)
    {
        Slot = slot;
        Keypair = keypair;
        Opened = opened;
    }

    internal ReceiverSlot? Slot { get; }

    internal Keypair? Keypair { get; }

    /// <summary>Bit i: datagram i was authentic.</summary>
    internal ulong Opened { get; }
}
