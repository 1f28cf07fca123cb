using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Org.BouncyCastle.Crypto.Digests;
using Org.BouncyCastle.Crypto.Macs;
using Org.BouncyCastle.Crypto.Parameters;
using BouncyCastleX25519 = Org.BouncyCastle.Math.EC.Rfc7748.X25519;

namespace Diode.Tunnel.Ethereum.Sapphire;

/// <summary>
/// The encryption of one confidential call (diode-client §14.3): call data go to the key of the confidential runtime, the answer comes back under
/// the same secret. Good for one call. Pure: randomness comes in. Answers never throw.
/// </summary>
public sealed class SapphireEnvelope : IDisposable
{
    /// <summary>Length of X25519 keys in bytes.</summary>
    public const int KeyLength = 32;

    private const ulong DeoxysFormat = 1;
    private readonly byte[] _ephemeral = new byte[KeyLength];
    private readonly byte[] _nonce;
    private readonly ulong _epoch;
    private readonly DeoxysII _cipher;

    private SapphireEnvelope(ReadOnlySpan<byte> secret, byte[] shared, ulong epoch, ReadOnlySpan<byte> nonce)
    {
        byte[] scalar = secret.ToArray();
        BouncyCastleX25519.ScalarMultBase(scalar, 0, _ephemeral, 0);
        CryptographicOperations.ZeroMemory(scalar);
        _nonce = nonce.ToArray();
        _epoch = epoch;
        _cipher = OpenCipher(shared);
    }

    /// <summary>Agrees on a secret with the runtime; false for a key that leads to no secret.</summary>
    /// <param name="runtime">The runtime's key for call data.</param>
    /// <param name="epoch">Its epoch.</param>
    /// <param name="secret">32 random bytes, used for this call only.</param>
    /// <param name="nonce">15 random bytes.</param>
    /// <param name="envelope">The envelope.</param>
    public static bool TryCreate(
        ReadOnlySpan<byte> runtime, ulong epoch, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> nonce, [NotNullWhen(true)] out SapphireEnvelope? envelope)
    {
        envelope = null;
        ArgumentOutOfRangeException.ThrowIfNotEqual(secret.Length, KeyLength, nameof(secret));
        ArgumentOutOfRangeException.ThrowIfNotEqual(nonce.Length, DeoxysII.NonceLength, nameof(nonce));
        if (!TryAgree(secret, runtime, out byte[]? shared))
        {
            return false;
        }

        envelope = new SapphireEnvelope(secret, shared, epoch, nonce);
        CryptographicOperations.ZeroMemory(shared);
        return true;
    }

    /// <summary>Encrypts call data: what goes into <see cref="SapphireQuery.Pack"/>, or is a transaction's data.</summary>
    public byte[] Encrypt(ReadOnlySpan<byte> callData)
    {
        byte[] plain = new CborWriter().BeginMap(1).WriteText("body").WriteBytes(callData).ToArray();
        return new CborWriter().BeginMap(2)
            .WriteText("body").BeginMap(4)
            .WriteText("pk").WriteBytes(_ephemeral)
            .WriteText("data").WriteBytes(_cipher.Seal(_nonce, plain))
            .WriteText("epoch").WriteUInt(_epoch)
            .WriteText("nonce").WriteBytes(_nonce)
            .WriteText("format").WriteUInt(DeoxysFormat).ToArray();
    }

    /// <summary>
    /// Decrypts an answer. An answer in clear text could be anybody's: it is none. Only who knows the secret can have encrypted a refusal, too.
    /// </summary>
    public SapphireReply ReadReply(ReadOnlySpan<byte> reply)
    {
        var reader = new CborReader(reply);
        if (!reader.TryReadMap(out int members) || members != 1 || !reader.TryReadText(out string? kind))
        {
            return SapphireReply.Broken("the answer is no CBOR map");
        }

        if (kind is not ("ok" or "unknown") || !reader.IsMap)
        {
            return SapphireReply.Broken(kind == "fail" ? "the query was refused in clear text" : "the answer is not encrypted");
        }

        ReadOnlySpan<byte> nonce = default;
        ReadOnlySpan<byte> data = default;
        reader.TryReadMap(out members);
        for (int i = 0; i < members; i++)
        {
            bool read = reader.TryReadText(out string? key) && key switch
            {
                "nonce" => reader.TryReadBytes(out nonce),
                "data" => reader.TryReadBytes(out data),
                _ => reader.TrySkip(),
            };
            if (!read)
            {
                return SapphireReply.Broken("the answer is no CBOR map");
            }
        }

        return !reader.IsAtEnd || _cipher.Open(nonce, data) is not { } plain
            ? SapphireReply.Broken("the answer can't be decrypted: it is not from whom the question was for, or was changed on the way")
            : SapphireReply.FromPlain(plain);
    }

    /// <inheritdoc/>
    public void Dispose() => _cipher.Dispose();

    /// <summary>The cipher both sides get from their shared secret.</summary>
    internal static DeoxysII OpenCipher(byte[] shared)
    {
        var mac = new HMac(new Sha512tDigest(256));
        mac.Init(new KeyParameter(Encoding.ASCII.GetBytes("MRAE_Box_Deoxys-II-256-128")));
        mac.BlockUpdate(shared, 0, shared.Length);
        byte[] key = new byte[DeoxysII.KeyLength];
        mac.DoFinal(key, 0);
        var cipher = new DeoxysII(key);
        CryptographicOperations.ZeroMemory(key);
        return cipher;
    }

    /// <summary>X25519; false for a public key of low order or wrong length.</summary>
    internal static bool TryAgree(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> publicKey, [NotNullWhen(true)] out byte[]? shared)
    {
        shared = null;
        if (publicKey.Length != KeyLength)
        {
            return false;
        }

        byte[] scalar = secret.ToArray();
        byte[] result = new byte[KeyLength];
        bool agreed = BouncyCastleX25519.CalculateAgreement(scalar, 0, publicKey.ToArray(), 0, result, 0);
        CryptographicOperations.ZeroMemory(scalar);
        shared = agreed ? result : null;
        return agreed;
    }
}
