using System.Security.Cryptography;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>Who answers.</summary>
/// <param name="Key">Signs the answers; the owner disposes it.</param>
/// <param name="Announcement">Version, features, name and start.</param>
internal sealed record RpcIdentity(PrivateKey Key, ServerAnnouncement Announcement)
{
    /// <summary>What the signature of an answer is over (diode-node §8.1).</summary>
    public static Hash256 GetDigest(ReadOnlySpan<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData("DiodeNodeReply"u8);
        hash.AppendData(body);
        return new Hash256(hash.GetHashAndReset());
    }

    /// <summary>Signs an answer.</summary>
    public byte[] Sign(ReadOnlySpan<byte> body) => Key.SignHash(GetDigest(body)).ToArray();
}
