namespace Diode.Tunnel.WireGuard.Transport;

/// <summary>Sliding window over received counters (RFC 6479, WireGuard §5.4.6). Not thread-safe.</summary>
internal sealed class ReplayWindow
{
    private const int BitsPerBlock = 64;
    private const int Blocks = 128;

    /// <summary>Counters this far behind the greatest are still accepted once: one block less than the ring holds.</summary>
    public const ulong Size = (Blocks - 1) * BitsPerBlock;

    private readonly ulong[] _ring = new ulong[Blocks];
    private ulong _greatest;

    /// <summary>Accepts a counter the first time it is seen. Call only for datagrams whose tag was right.</summary>
    public bool TryAccept(ulong counter)
    {
        if (counter >= WireGuardConstants.RejectAfterMessages)
        {
            return false;
        }

        ulong block = counter / BitsPerBlock;
        if (counter > _greatest)
        {
            ulong current = _greatest / BitsPerBlock;
            ulong skipped = Math.Min(block - current, Blocks);
            for (ulong i = 1; i <= skipped; i++)
            {
                _ring[(current + i) % Blocks] = 0;
            }

            _greatest = counter;
        }
        else if (_greatest - counter > Size)
        {
            return false;
        }

        ref ulong bits = ref _ring[block % Blocks];
        ulong bit = 1UL << (int)(counter % BitsPerBlock);
        if ((bits & bit) != 0)
        {
            return false;
        }

        bits |= bit;
        return true;
    }
}
