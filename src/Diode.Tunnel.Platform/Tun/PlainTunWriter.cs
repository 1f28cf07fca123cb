using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Platform.Tun;

/// <summary>Writes every packet when it is added: for adapters without offloads.</summary>
public sealed class PlainTunWriter(ITunAdapter adapter) : ITunWriter
{
    private int _accepted;

    /// <inheritdoc/>
    public bool Add(PacketBuffer buffer, int offset, int length)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        bool accepted = adapter.Write(buffer.Array.AsSpan(offset, length));
        _accepted += accepted ? 1 : 0;
        return accepted;
    }

    /// <inheritdoc/>
    public int Flush()
    {
        int accepted = _accepted;
        _accepted = 0;
        return accepted;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The adapter is not ours.
    }
}
