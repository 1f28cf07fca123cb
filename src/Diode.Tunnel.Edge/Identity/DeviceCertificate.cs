using System.Diagnostics.CodeAnalysis;
using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;

namespace Diode.Tunnel.Edge.Identity;

/// <summary>
/// The X.509 certificates that devices and relays show each other. Only the public key in them counts (reference §1.3,
/// §1.4); the private key's possession is proven by TLS, so the self-signature is not checked here.
/// </summary>
public static class DeviceCertificate
{
    private const byte TaggedVersion = 0xa0;
    private const byte TaggedIssuerId = 0x81;
    private const byte TaggedSubjectId = 0x82;
    private const byte TaggedExtensions = 0xa3;
    private const byte TaggedKeyIdentifier = 0x80;

    /// <summary>1.2.840.10045.4.3.2, ecdsa-with-SHA256.</summary>
    private static ReadOnlySpan<byte> EcdsaWithSha256 => [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

    /// <summary>1.2.840.10045.4, the root of all ECDSA signature algorithms.</summary>
    private static ReadOnlySpan<byte> EcdsaSignatures => [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];

    /// <summary>1.2.840.10045.2.1, id-ecPublicKey.</summary>
    private static ReadOnlySpan<byte> EcPublicKey => [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

    /// <summary>1.3.132.0.10, secp256k1.</summary>
    private static ReadOnlySpan<byte> Secp256k1Curve => [0x2b, 0x81, 0x04, 0x00, 0x0a];

    private static ReadOnlySpan<byte> CommonName => [0x55, 0x04, 0x03];

    private static ReadOnlySpan<byte> SubjectKeyIdentifier => [0x55, 0x1d, 0x0e];

    private static ReadOnlySpan<byte> AuthorityKeyIdentifier => [0x55, 0x1d, 0x23];

    private static ReadOnlySpan<byte> BasicConstraints => [0x55, 0x1d, 0x13];

    /// <summary>9671339679901102673, the same in every certificate of diode_node.</summary>
    private static ReadOnlySpan<byte> SerialNumber => [0x00, 0x86, 0x37, 0x80, 0x32, 0xaa, 0xa5, 0x32, 0x51];

    /// <summary>
    /// Builds the self-signed certificate diode_node builds: v3, fixed serial number, CN = address, 2018-11-13 to
    /// 2032-11-13. Contains nothing of this machine and no clock.
    /// </summary>
    public static byte[] Create(PrivateKey key)
    {
        byte[] tbs = CreateToBeSigned(key.PublicKey);
        Signature65 signature = key.SignHash(Hash256.Sha256(tbs));
        byte[] ecdsa = DerWriter.Sequence(
            DerWriter.UnsignedInteger(signature.R.ToArray()), DerWriter.UnsignedInteger(signature.S.ToArray()));
        return DerWriter.Sequence(tbs, SignatureAlgorithm(), DerWriter.BitString(ecdsa));
    }

    /// <summary>The part of <see cref="Create"/> that is signed.</summary>
    public static byte[] CreateToBeSigned(PublicKey key)
    {
        byte[] point = key.ToUncompressedArray();
        byte[] keyId = Hash256.Sha256(point).ToArray();
        byte[] name = DerWriter.Sequence(DerWriter.Tagged(
            DerReader.Set,
            DerWriter.Sequence(
                DerWriter.ObjectIdentifier(CommonName),
                DerWriter.Tagged(DerReader.Utf8String, Encoding.ASCII.GetBytes(key.Address.ToString())))));
        byte[] validity = DerWriter.Sequence(
            DerWriter.Tagged(DerReader.UtcTime, "181113072916Z"u8.ToArray()),
            DerWriter.Tagged(DerReader.UtcTime, "321113072916Z"u8.ToArray()));
        byte[] publicKey = DerWriter.Sequence(
            DerWriter.Sequence(DerWriter.ObjectIdentifier(EcPublicKey), DerWriter.ObjectIdentifier(Secp256k1Curve)),
            DerWriter.BitString(point));
        byte[] isAuthority = DerWriter.Tagged(DerReader.Boolean, [0xff]);
        byte[] extensions = DerWriter.Sequence(
            DerWriter.Sequence(
                DerWriter.ObjectIdentifier(SubjectKeyIdentifier),
                DerWriter.OctetString(DerWriter.OctetString(keyId))),
            DerWriter.Sequence(
                DerWriter.ObjectIdentifier(AuthorityKeyIdentifier),
                DerWriter.OctetString(DerWriter.Sequence(DerWriter.Tagged(TaggedKeyIdentifier, keyId)))),
            DerWriter.Sequence(
                DerWriter.ObjectIdentifier(BasicConstraints),
                isAuthority,
                DerWriter.OctetString(DerWriter.Sequence(isAuthority))));
        return DerWriter.Sequence(
            DerWriter.Tagged(TaggedVersion, DerWriter.Tagged(DerReader.Integer, [2])),
            DerWriter.Tagged(DerReader.Integer, SerialNumber.ToArray()),
            SignatureAlgorithm(),
            name,
            validity,
            name,
            publicKey,
            DerWriter.Tagged(TaggedExtensions, extensions));
    }

    /// <summary>
    /// The SEC 1 form (RFC 5915) of a private key with the curve as named-curve OID, as TLS libraries load it. The
    /// caller zeroes the result.
    /// </summary>
    public static byte[] EncodePrivateKey(PrivateKey key)
    {
        byte[] secret = new byte[PrivateKey.Length];
        key.CopyTo(secret);
        byte[] octets = DerWriter.OctetString(secret);
        byte[] encoded = DerWriter.Sequence(
            DerWriter.Tagged(DerReader.Integer, [1]),
            octets,
            DerWriter.Tagged(0xa0, DerWriter.ObjectIdentifier(Secp256k1Curve)),
            DerWriter.Tagged(0xa1, DerWriter.BitString(key.PublicKey.ToUncompressedArray())));
        Array.Clear(secret);
        Array.Clear(octets);
        return encoded;
    }

    /// <summary>
    /// Reads the public key of exactly one DER certificate: version 3, signed with ECDSA, key on the named curve
    /// secp256k1 (explicit parameters are refused), a point that is on the curve, nothing after the end. Names,
    /// validity and extensions are not looked at, as no Diode program does.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> der, [NotNullWhen(true)] out PublicKey? key)
    {
        key = null;
        if (der.Length > EdgeLimits.MaxCertificate)
        {
            return false;
        }

        var file = new DerReader(der);
        return file.TryReadNested(DerReader.Sequence, out DerReader certificate)
            && file.IsEmpty
            && certificate.TryReadNested(DerReader.Sequence, out DerReader tbs)
            && certificate.TryRead(DerReader.Sequence, out ReadOnlySpan<byte> algorithm)
            && IsEcdsa(algorithm)
            && certificate.TryRead(DerReader.BitString, out ReadOnlySpan<byte> signature)
            && signature.Length > 1
            && certificate.IsEmpty
            && TryReadKey(tbs, algorithm, out key);
    }

    private static bool TryReadKey(DerReader tbs, ReadOnlySpan<byte> outerAlgorithm, out PublicKey? key)
    {
        key = null;
        return tbs.TryReadNested(TaggedVersion, out DerReader version)
            && version.TryRead(DerReader.Integer, out ReadOnlySpan<byte> number)
            && number.SequenceEqual((ReadOnlySpan<byte>)[2])
            && version.IsEmpty
            && tbs.TryRead(DerReader.Integer, out ReadOnlySpan<byte> serial)
            && !serial.IsEmpty
            && tbs.TryRead(DerReader.Sequence, out ReadOnlySpan<byte> algorithm)
            && algorithm.SequenceEqual(outerAlgorithm)
            && tbs.TryRead(DerReader.Sequence, out _)
            && tbs.TryRead(DerReader.Sequence, out _)
            && tbs.TryRead(DerReader.Sequence, out _)
            && tbs.TryReadNested(DerReader.Sequence, out DerReader publicKey)
            && TryReadEnd(tbs)
            && publicKey.TryReadNested(DerReader.Sequence, out DerReader keyAlgorithm)
            && keyAlgorithm.TryRead(DerReader.ObjectIdentifier, out ReadOnlySpan<byte> keyType)
            && keyType.SequenceEqual(EcPublicKey)
            && keyAlgorithm.TryRead(DerReader.ObjectIdentifier, out ReadOnlySpan<byte> curve)
            && curve.SequenceEqual(Secp256k1Curve)
            && keyAlgorithm.IsEmpty
            && publicKey.TryRead(DerReader.BitString, out ReadOnlySpan<byte> point)
            && publicKey.IsEmpty
            && point.Length > 1
            && point[0] == 0
            && PublicKey.TryFromBytes(point[1..], out key);
    }

    /// <summary>Unique identifiers and extensions, each at most once and in this order.</summary>
    private static bool TryReadEnd(DerReader tbs)
    {
        return (tbs.NextTag != TaggedIssuerId || tbs.TryReadAny(out _))
            && (tbs.NextTag != TaggedSubjectId || tbs.TryReadAny(out _))
            && (tbs.NextTag != TaggedExtensions || tbs.TryReadAny(out _))
            && tbs.IsEmpty;
    }

    private static bool IsEcdsa(ReadOnlySpan<byte> algorithm)
    {
        var reader = new DerReader(algorithm);
        return reader.TryRead(DerReader.ObjectIdentifier, out ReadOnlySpan<byte> oid)
            && oid.StartsWith(EcdsaSignatures)
            && reader.IsEmpty;
    }

    private static byte[] SignatureAlgorithm()
    {
        return DerWriter.Sequence(DerWriter.ObjectIdentifier(EcdsaWithSha256));
    }
}
