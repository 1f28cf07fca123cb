namespace Diode.Tunnel.Ethereum.Proofs;

/// <summary>What a Merkle proof shows.</summary>
public enum ProofVerdict
{
    /// <summary>Nothing: it does not lead from the root to the key.</summary>
    Invalid,

    /// <summary>The key has no value under this root.</summary>
    Absent,

    /// <summary>The key has the value.</summary>
    Present,
}
