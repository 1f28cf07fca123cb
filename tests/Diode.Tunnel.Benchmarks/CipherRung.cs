using Diode.Tunnel.WireGuard;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Benchmarks;

/// <summary>Seals and opens one packet: what no tunnel of this cipher can beat on one core.</summary>
internal sealed class CipherRung : IRung
{
    private readonly IAeadKey _sender;
    private readonly IAeadKey _receiver;
    private readonly byte[] _buffer = new byte[Ladder.PacketLength + WireGuardConstants.TagLength];
    private ulong _counter;

    public CipherRung(string variant, IAeadFactory aead)
    {
        Name = $"cipher seal + open ({variant})";
        byte[] key = new byte[WireGuardConstants.KeyLength];
        _sender = aead.Create(key);
        _receiver = aead.Create(key);
    }

    public string Name { get; }

    public int PacketLength => Ladder.PacketLength;

    public void Seal()
    {
        _sender.Seal(_counter++, _buffer);
    }

    public void Packet()
    {
        _sender.Seal(_counter, _buffer);
        if (!_receiver.Open(_counter++, _buffer))
        {
            throw new InvalidOperationException("The tag is wrong.");
        }
    }

    public void Dispose()
    {
        _sender.Dispose();
        _receiver.Dispose();
    }
}
