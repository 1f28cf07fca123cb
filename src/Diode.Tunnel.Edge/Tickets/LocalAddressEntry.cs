namespace Diode.Tunnel.Edge.Tickets;

/// <summary>An entry of a local_address whose key means nothing to us.</summary>
public sealed class LocalAddressEntry
{
    private readonly byte[] _key;
    private readonly byte[] _encodedValue;

    internal LocalAddressEntry(ReadOnlySpan<byte> key, ReadOnlySpan<byte> encodedValue)
    {
        _key = key.ToArray();
        _encodedValue = encodedValue.ToArray();
    }

    /// <summary>The key.</summary>
    public ReadOnlySpan<byte> Key => _key;

    /// <summary>The value as one RLP item.</summary>
    public ReadOnlySpan<byte> EncodedValue => _encodedValue;
}
