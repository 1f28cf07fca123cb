using System.Buffers.Binary;
using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Tls;

namespace Diode.Tunnel.Platform.Tls.BouncyCastle;

/// <summary>Protection of records with the AEADs of .NET: AES-GCM (RFC 5288) and ChaCha20-Poly1305 (RFC 7905).</summary>
internal sealed class RecordCipher : TlsCipher, IDisposable
{
    private const int NonceLength = 12;
    private const int TagLength = 16;
    private const int AdditionalDataLength = 13;

    // AES-GCM: four bytes of the nonce are derived, eight travel with the record. ChaCha20: all are derived.
    private readonly int _explicitLength;
    private readonly byte[] _writeIv;
    private readonly byte[] _readIv;
    private readonly AesGcm? _writeAes;
    private readonly AesGcm? _readAes;
    private readonly ChaCha20Poly1305? _writeChaCha;
    private readonly ChaCha20Poly1305? _readChaCha;

    public RecordCipher(TlsContext context, int keyLength, bool isAes)
    {
        _explicitLength = isAes ? 8 : 0;
        int ivLength = NonceLength - _explicitLength;
        SecurityParameters parameters = context.SecurityParameters;
        byte[] keys = TlsUtilities.PRF(
            context,
            parameters.MasterSecret,
            ExporterLabel.key_expansion,
            [.. parameters.ServerRandom, .. parameters.ClientRandom],
            2 * (keyLength + ivLength));
        ReadOnlySpan<byte> clientKey = keys.AsSpan(0, keyLength);
        ReadOnlySpan<byte> serverKey = keys.AsSpan(keyLength, keyLength);
        byte[] clientIv = keys.AsSpan(2 * keyLength, ivLength).ToArray();
        byte[] serverIv = keys.AsSpan((2 * keyLength) + ivLength, ivLength).ToArray();
        bool isServer = context.IsServer;
        ReadOnlySpan<byte> writeKey = isServer ? serverKey : clientKey;
        ReadOnlySpan<byte> readKey = isServer ? clientKey : serverKey;
        _writeIv = isServer ? serverIv : clientIv;
        _readIv = isServer ? clientIv : serverIv;
        if (isAes)
        {
            _writeAes = new AesGcm(writeKey, TagLength);
            _readAes = new AesGcm(readKey, TagLength);
        }
        else
        {
            _writeChaCha = new ChaCha20Poly1305(writeKey);
            _readChaCha = new ChaCha20Poly1305(readKey);
        }

        CryptographicOperations.ZeroMemory(keys);
    }

    public int GetPlaintextLimit(int ciphertextLimit) => ciphertextLimit - TagLength - _explicitLength;

    public byte[] EncodePlaintext(long seqNo, byte type, byte[] plaintext, int offset, int len)
    {
        byte[] record = new byte[_explicitLength + len + TagLength];
        Span<byte> nonce = stackalloc byte[NonceLength];
        CreateNonce(_writeIv, seqNo, nonce);
        nonce[^_explicitLength..].CopyTo(record);
        Span<byte> additional = stackalloc byte[AdditionalDataLength];
        WriteAdditionalData(seqNo, type, len, additional);
        ReadOnlySpan<byte> input = plaintext.AsSpan(offset, len);
        Span<byte> output = record.AsSpan(_explicitLength, len);
        Span<byte> tag = record.AsSpan(_explicitLength + len);
        if (_writeAes is not null)
        {
            _writeAes.Encrypt(nonce, input, output, tag, additional);
        }
        else
        {
            _writeChaCha!.Encrypt(nonce, input, output, tag, additional);
        }

        return record;
    }

    public byte[] DecodeCiphertext(long seqNo, byte type, byte[] ciphertext, int offset, int len)
    {
        int length = GetPlaintextLimit(len);
        if (length < 0)
        {
            throw new TlsFatalAlert(AlertDescription.decode_error);
        }

        ReadOnlySpan<byte> record = ciphertext.AsSpan(offset, len);
        Span<byte> nonce = stackalloc byte[NonceLength];
        CreateNonce(_readIv, seqNo, nonce);
        record[.._explicitLength].CopyTo(nonce[^_explicitLength..]);
        Span<byte> additional = stackalloc byte[AdditionalDataLength];
        WriteAdditionalData(seqNo, type, length, additional);
        ReadOnlySpan<byte> input = record.Slice(_explicitLength, length);
        ReadOnlySpan<byte> tag = record[^TagLength..];
        byte[] plaintext = new byte[length];
        try
        {
            if (_readAes is not null)
            {
                _readAes.Decrypt(nonce, input, tag, plaintext, additional);
            }
            else
            {
                _readChaCha!.Decrypt(nonce, input, tag, plaintext, additional);
            }
        }
        catch (CryptographicException exception)
        {
            throw new TlsFatalAlert(AlertDescription.bad_record_mac, exception);
        }

        return plaintext;
    }

    public void Dispose()
    {
        _writeAes?.Dispose();
        _readAes?.Dispose();
        _writeChaCha?.Dispose();
        _readChaCha?.Dispose();
    }

    private static void WriteAdditionalData(long seqNo, byte type, int length, Span<byte> additional)
    {
        BinaryPrimitives.WriteInt64BigEndian(additional, seqNo);
        additional[8] = type;
        additional[9] = 3;
        additional[10] = 3;
        BinaryPrimitives.WriteUInt16BigEndian(additional[11..], (ushort)length);
    }

    /// <summary>AES: derived part, then the number. ChaCha20: the derived nonce with the number mixed in.</summary>
    private static void CreateNonce(ReadOnlySpan<byte> iv, long seqNo, Span<byte> nonce)
    {
        nonce.Clear();
        BinaryPrimitives.WriteInt64BigEndian(nonce[4..], seqNo);
        for (int i = 0; i < iv.Length; i++)
        {
            nonce[i] ^= iv[i];
        }
    }
}
