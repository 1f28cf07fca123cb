using Diode.Tunnel.WireGuard;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Benchmarks;

/// <summary>Seals and opens packets: what no tunnel of this cipher can beat on one core.</summary>
internal sealed class CipherRung : IRung
{
    private readonly IAeadKey _sender;
    private readonly IAeadKey _receiver;
    private readonly byte[] _train;
    private readonly ulong[] _counters;
    private readonly int _stride;
    private ulong _counter;

    public CipherRung(string variant, IAeadFactory aead, PacketLoad load)
    {
        Name = $"cipher ({variant})";
        Load = load;
        byte[] key = new byte[WireGuardConstants.KeyLength];
        _sender = aead.Create(key);
        _receiver = aead.Create(key);
        int padded = Math.Min((load.Length + 15) & ~15, Math.Max(load.Length, 1420));
        _stride = padded + WireGuardConstants.TagLength;
        _train = GC.AllocateArray<byte>(_stride * load.Count, pinned: true);
        _counters = new ulong[load.Count];
    }

    public string Name { get; }

    public PacketLoad Load { get; }

    public void Packets()
    {
        bool opened;
        if (Load.Count == 1)
        {
            _sender.Seal(_counter, _train);
            opened = _receiver.Open(_counter++, _train);
        }
        else
        {
            _sender.SealTrain(_counter, _train, _stride, 0);
            foreach (ref ulong counter in _counters.AsSpan())
            {
                counter = _counter++;
            }

            opened = _receiver.OpenTrain(_counters, _train, _stride, 0) == ulong.MaxValue >> (64 - Load.Count);
        }

        if (!opened)
        {
            throw new InvalidOperationException("A tag is wrong.");
        }
    }

    public void Dispose()
    {
        _sender.Dispose();
        _receiver.Dispose();
    }
}
