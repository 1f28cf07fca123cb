using System.Buffers.Binary;
using System.Security.Cryptography;
using Org.BouncyCastle.Asn1;
using Org.BouncyCastle.Asn1.X509;
using Org.BouncyCastle.Crypto.Tls;

namespace Diode.Tunnel.Platform.Tls.BouncyCastle;

/// <summary>
/// A session as bytes for the cache: version, suite, master secret, id, the peer's certificate. Only sessions with the
/// extended master secret are resumed (RFC 7627).
/// </summary>
internal static class SessionState
{
    // Not a DER sequence, so that the other engine does not take our sessions, nor we its.
    private const byte Version = 1;
    private const int SecretOffset = 3;
    private const int SecretLength = 48;
    private const int IdOffset = SecretOffset + SecretLength;

    /// <summary>Null if the session cannot be resumed. The caller zeroes the result.</summary>
    public static byte[]? Encode(TlsSession? session, ReadOnlySpan<byte> peerCertificate)
    {
        if (session is not { IsResumable: true } || session.SessionID.Length is 0 or > 32)
        {
            return null;
        }

        SessionParameters parameters = session.ExportSessionParameters();
        try
        {
            if (!parameters.IsExtendedMasterSecret || parameters.MasterSecret.Length != SecretLength)
            {
                return null;
            }

            byte[] id = session.SessionID;
            byte[] state = GC.AllocateUninitializedArray<byte>(
                IdOffset + 1 + id.Length + peerCertificate.Length, pinned: true);
            state[0] = Version;
            BinaryPrimitives.WriteUInt16BigEndian(state.AsSpan(1), (ushort)parameters.CipherSuite);
            parameters.MasterSecret.CopyTo(state, SecretOffset);
            state[IdOffset] = (byte)id.Length;
            id.CopyTo(state, IdOffset + 1);
            peerCertificate.CopyTo(state.AsSpan(IdOffset + 1 + id.Length));
            return state;
        }
        finally
        {
            parameters.Clear();
        }
    }

    /// <summary>Null if the bytes are not ours.</summary>
    public static TlsSession? Decode(ReadOnlySpan<byte> state, out byte[] peerCertificate)
    {
        peerCertificate = [];
        if (state.Length <= IdOffset + 1 || state[0] != Version || state.Length <= IdOffset + 1 + state[IdOffset])
        {
            return null;
        }

        byte[] id = state.Slice(IdOffset + 1, state[IdOffset]).ToArray();
        peerCertificate = state[(IdOffset + 1 + id.Length)..].ToArray();
        byte[] secret = state.Slice(SecretOffset, SecretLength).ToArray();
        try
        {
            return TlsUtilities.ImportSession(
                id,
                new SessionParameters.Builder()
                    .SetCipherSuite(BinaryPrimitives.ReadUInt16BigEndian(state[1..]))
                    .SetCompressionAlgorithm(CompressionMethod.cls_null)
                    .SetMasterSecret(secret)
                    .SetExtendedMasterSecret(true)
                    .SetPeerCertificate(new Certificate(
                        [X509CertificateStructure.GetInstance(Asn1Object.FromByteArray(peerCertificate))]))
                    .Build());
        }
        catch (Exception exception) when (exception is IOException or ArgumentException or InvalidCastException or InvalidOperationException)
        {
            // A certificate the library cannot read: then it is a full handshake.
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }
}
