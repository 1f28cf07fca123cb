using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>identity.json</summary>
internal static class IdentityVectors
{
    public static void Run(VectorCase vector)
    {
        switch (vector.Kind)
        {
            case "key":
                RunKey(vector);
                break;
            case "invalid_key":
                VectorCheck.True(!PrivateKey.TryFromBytes(vector.Hex("private"), out _), "was accepted");
                break;
            case "signature_variant":
                RunSignature(vector);
                break;
            case "address_text":
                VectorCheck.True(Address.TryParse(vector.Text("text"), out Address address), "was refused");
                VectorCheck.Equal(vector.Address("address"), address, "address");
                VectorCheck.Equal(vector.Text("encoded"), address.ToString(), "encoded");
                break;
            default:
                throw new VectorException("unknown kind " + vector.Kind);
        }
    }

    private static void RunKey(VectorCase vector)
    {
        using PrivateKey key = vector.PrivateKey("private");
        byte[] compressed = new byte[PublicKey.CompressedLength];
        key.PublicKey.CopyCompressedTo(compressed);
        VectorCheck.Bytes(vector.Hex("compressed"), compressed, "compressed");
        VectorCheck.Bytes(vector.Hex("uncompressed"), key.PublicKey.ToUncompressedArray(), "uncompressed");
        VectorCheck.Equal(vector.Address("address"), key.Address, "address");
        VectorCheck.Equal(vector.Text("address_text"), key.Address.ToString(), "address_text");
        foreach (string form in new[] { "compressed", "uncompressed" })
        {
            VectorCheck.True(PublicKey.TryFromBytes(vector.Hex(form), out PublicKey? read), form + " was refused");
            VectorCheck.Equal(key.PublicKey, read!, form + " read back");
        }

        byte[] message = vector.Hex("message");
        CheckDigest(vector, key, "sha256", Hash256.Sha256(message));
        CheckDigest(vector, key, "keccak256", Keccak256.Hash(message));
    }

    private static void CheckDigest(VectorCase vector, PrivateKey key, string name, Hash256 digest)
    {
        VectorCheck.Equal(vector.Hash(name), digest, name);
        Signature65 signature = vector.Signature(name + "_sig65");
        VectorCheck.True(signature.TryRecoverAddress(digest, out Address signer), name + "_sig65 does not recover");
        VectorCheck.Equal(vector.Address(name + "_recovered"), signer, name + "_recovered");
        VectorCheck.True(key.PublicKey.Verify(digest, signature), name + "_sig65 does not verify");
        VectorCheck.True(key.PublicKey.Verify(digest, key.SignHash(digest)), "our own signature does not verify");
    }

    private static void RunSignature(VectorCase vector)
    {
        Hash256 digest = vector.Text("hash") switch
        {
            "keccak256" => Keccak256.Hash(vector.Hex("message")),
            "sha256" => Hash256.Sha256(vector.Hex("message")),
            string hash => throw new VectorException("unknown hash " + hash),
        };
        VectorCheck.Equal(vector.Hash("digest"), digest, "digest");
        using PrivateKey key = vector.PrivateKey("private");
        Address owner = vector.Address("address");
        VectorCheck.Equal(owner, key.Address, "address");

        Address signer = default;
        bool recovered = Signature65.TryFromBytes(vector.Hex("sig65"), out Signature65 signature)
            && signature.TryRecoverAddress(digest, out signer);
        bool hasAnswer = vector.Text("elixir_recover").Length == 2 * Address.Length;
        string must = vector.Text("must");
        switch (must)
        {
            case "accept":
                VectorCheck.True(recovered, "was refused");
                break;
            case "reject":
                VectorCheck.True(!recovered, "was accepted");
                return;
            case "recover_as_given":
                VectorCheck.Equal(hasAnswer, recovered, "recovered");
                break;
            case "either":
                break;
            default:
                throw new VectorException("unknown verdict " + must);
        }

        if (recovered)
        {
            VectorCheck.Equal(vector.Address("elixir_recover"), signer, "recovered address");
            VectorCheck.Equal(signer == owner, key.PublicKey.Verify(digest, signature), "verifies");
        }
    }
}
