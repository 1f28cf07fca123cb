using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Platform.Tun;

/// <summary>
/// Hands packets to the system in batches. Made by <see cref="ITunAdapter.CreateWriter"/>, one per writing thread. Keeps the order within
/// a flow; merges consecutive packets of a flow where adapter and system can (<see cref="Offload.TunOffloads.ReceiveMerge"/>).
/// </summary>
public interface ITunWriter : IDisposable
{
    /// <summary>
    /// Adds a complete IP packet. It is taken by reference: its bytes must stay unchanged until <see cref="Flush"/>.
    /// May write what was gathered before when there is no room for more.
    /// </summary>
    /// <param name="buffer">Where the packet lies, anywhere in the array. The caller stays the owner.</param>
    /// <param name="offset">Where it starts in <see cref="PacketBuffer.Array"/>.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <returns>False if it was dropped at once, because it is no IP packet or the adapter is gone; it is counted.</returns>
    bool Add(PacketBuffer buffer, int offset, int length);

    /// <summary>Writes what was added. Never blocks.</summary>
    /// <returns>How many packets the system accepted since the last flush; the rest was dropped and counted.</returns>
    int Flush();
}
