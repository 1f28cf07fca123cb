namespace Diode.Tunnel.Ethereum.Sapphire;

/// <summary>Major types of CBOR (RFC 8949 §3.1).</summary>
internal enum CborKind
{
    /// <summary>A number from 0.</summary>
    UInt = 0,

    /// <summary>A number below 0.</summary>
    Negative = 1,

    /// <summary>Bytes.</summary>
    Bytes = 2,

    /// <summary>UTF-8.</summary>
    Text = 3,

    /// <summary>Values in a row.</summary>
    List = 4,

    /// <summary>Keys and values.</summary>
    Map = 5,

    /// <summary>A mark before a value.</summary>
    Tag = 6,

    /// <summary>true, false, null and numbers with a point.</summary>
    Simple = 7,
}
