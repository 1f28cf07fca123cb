namespace Diode.Tunnel.Platform.Crypto.Vectors;

/// <summary>Where a message of a call lies and under which nonce.</summary>
internal unsafe struct CipherMessage
{
    /// <summary>Text, followed by 16 bytes for the tag.</summary>
    public byte* Text;

    /// <summary>Bytes of text.</summary>
    public int Length;

    /// <summary>First 32 bits of the nonce; zero in WireGuard.</summary>
    public uint NonceHead;

    /// <summary>The other 64 bits of the nonce.</summary>
    public ulong Nonce;

    /// <summary>Blocks of key stream for the text.</summary>
    public readonly int Blocks => (Length + ChaChaLanes.BlockLength - 1) / ChaChaLanes.BlockLength;
}
