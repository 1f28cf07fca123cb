using System.Buffers.Binary;
using System.Security.Cryptography;
using Org.BouncyCastle.Crypto;
using Org.BouncyCastle.Crypto.Parameters;
using BouncyCastleChaCha20Poly1305 = Org.BouncyCastle.Crypto.Modes.ChaCha20Poly1305;

namespace Diode.Tunnel.WireGuard.Crypto;

internal sealed class ManagedAeadKey : IAeadKey
{
    private const int NonceLength = 12;
    private readonly byte[] _key;

    public ManagedAeadKey(ReadOnlySpan<byte> key)
    {
        _key = GC.AllocateArray<byte>(WireGuardConstants.KeyLength, pinned: true);
        key.CopyTo(_key);
    }

    public void Seal(ulong counter, Span<byte> plaintextThenTag, ReadOnlySpan<byte> associatedData = default)
    {
        byte[] plaintext = plaintextThenTag[..^WireGuardConstants.TagLength].ToArray();
        byte[] output = new byte[plaintextThenTag.Length];
        BouncyCastleChaCha20Poly1305 cipher = Prepare(true, counter, associatedData);
        int written = cipher.ProcessBytes(plaintext, 0, plaintext.Length, output, 0);
        cipher.DoFinal(output, written);
        output.CopyTo(plaintextThenTag);
    }

    public bool Open(ulong counter, Span<byte> ciphertextThenTag, ReadOnlySpan<byte> associatedData = default)
    {
        byte[] input = ciphertextThenTag.ToArray();
        byte[] output = new byte[input.Length];
        BouncyCastleChaCha20Poly1305 cipher = Prepare(false, counter, associatedData);
        try
        {
            int written = cipher.ProcessBytes(input, 0, input.Length, output, 0);
            cipher.DoFinal(output, written);
        }
        catch (InvalidCipherTextException)
        {
            return false;
        }

        output.AsSpan(0, input.Length - WireGuardConstants.TagLength).CopyTo(ciphertextThenTag);
        return true;
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_key);
    }

    private BouncyCastleChaCha20Poly1305 Prepare(bool encrypt, ulong counter, ReadOnlySpan<byte> associatedData)
    {
        byte[] nonce = new byte[NonceLength];
        BinaryPrimitives.WriteUInt64LittleEndian(nonce.AsSpan(4), counter);
        BouncyCastleChaCha20Poly1305 cipher = new();
        cipher.Init(encrypt, new ParametersWithIV(new KeyParameter(_key), nonce));
        if (!associatedData.IsEmpty)
        {
            cipher.ProcessAadBytes(associatedData.ToArray(), 0, associatedData.Length);
        }

        return cipher;
    }
}
