using System.Security.Cryptography;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>certificate.json</summary>
internal static class CertificateVectors
{
    public static void Run(VectorCase vector)
    {
        if (vector.Kind.Length > 0)
        {
            throw new VectorException("unknown kind " + vector.Kind);
        }

        byte[] der = vector.Hex("der");
        bool accepted = DeviceCertificate.TryParse(der, out PublicKey? key);
        string must = vector.Text("must");
        switch (must)
        {
            case "accept":
                VectorCheck.True(accepted, "was refused");
                break;
            case "reject":
                VectorCheck.True(!accepted, "was accepted");
                break;
            case "either":
                break;
            default:
                throw new VectorException("unknown verdict " + must);
        }

        if (accepted)
        {
            CheckKey(vector, key!);
        }

        if (vector.Has("tbs"))
        {
            CheckNodeStyle(vector, der);
        }
    }

    private static void CheckKey(VectorCase vector, PublicKey key)
    {
        byte[] compressed = new byte[PublicKey.CompressedLength];
        key.CopyCompressedTo(compressed);
        VectorCheck.Bytes(vector.Hex("compressed"), compressed, "compressed");
        VectorCheck.Bytes(vector.Hex("uncompressed"), key.ToUncompressedArray(), "uncompressed");
        VectorCheck.Equal(vector.Address("address"), key.Address, "address");
    }

    private static void CheckNodeStyle(VectorCase vector, byte[] der)
    {
        using PrivateKey key = vector.PrivateKey("private");
        byte[] tbs = DeviceCertificate.CreateToBeSigned(key.PublicKey);
        VectorCheck.Bytes(vector.Hex("tbs"), tbs, "tbs");
        VectorCheck.True(der.AsSpan().IndexOf(tbs) > 0, "der does not contain tbs");
        VectorCheck.Bytes(vector.Hex("sec1_private"), DeviceCertificate.EncodePrivateKey(key), "sec1_private");
        VectorCheck.Bytes(
            vector.Hex("subject_key_id"), SHA256.HashData(key.PublicKey.ToUncompressedArray()), "subject_key_id");
        VectorCheck.Equal(
            vector.Bool("self_signature_ok"), Verifies(key.PublicKey, tbs, vector.Hex("signature_der")), "self signature");

        byte[] own = DeviceCertificate.Create(key);
        VectorCheck.True(DeviceCertificate.TryParse(own, out PublicKey? read), "our own certificate was refused");
        VectorCheck.Equal(key.PublicKey, read!, "key of our own certificate");

        // Behind the TBS: 12 bytes of algorithm, 3 of the bit string's header, then the signature.
        int start = own.AsSpan().IndexOf(tbs) + tbs.Length + 15;
        VectorCheck.True(Verifies(key.PublicKey, tbs, own[start..]), "signature of our own certificate");
    }

    /// <summary>Checks with another implementation: that of the framework.</summary>
    private static bool Verifies(PublicKey key, byte[] data, byte[] signature)
    {
        byte[] point = key.ToUncompressedArray();
        using var ecdsa = ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.CreateFromValue("1.3.132.0.10"),
            Q = new ECPoint { X = point[1..33], Y = point[33..] },
        });
        return ecdsa.VerifyData(data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
    }
}
