using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Crypto;

/// <summary>libcrypto EVP: one context per direction, keyed once; per packet only the nonce changes.</summary>
internal sealed unsafe class LibcryptoChaCha20Poly1305Key : ChaCha20Poly1305Key
{
    // Above this, some 2 µs of work, a call must not keep the garbage collector waiting.
    private const int ShortInput = 4096;

    private static readonly nint Cipher = FetchCipher();

    private readonly CipherContext _seal;
    private readonly CipherContext _open;

    public LibcryptoChaCha20Poly1305Key(ReadOnlySpan<byte> key)
    {
        _seal = new CipherContext(key, encrypt: true);
        _open = new CipherContext(key, encrypt: false);
    }

    /// <summary>True if libcrypto 3 is present and reproduces RFC 8439 §2.8.2.</summary>
    public static new bool IsSupported { get; } = Cipher != 0 && PassesSelfTest();

    internal override void Seal(ReadOnlySpan<byte> nonce, Span<byte> buffer, ReadOnlySpan<byte> associatedData)
    {
        nint context = _seal.Enter();
        int length = buffer.Length - TagLength;
        int written;
        bool done;
        fixed (byte* text = buffer, iv = nonce, aad = associatedData)
        {
            done = Libcrypto.EVP_CipherInit_ex(context, 0, 0, null, iv, 1) == 1
                && (associatedData.IsEmpty || Update(context, null, aad, associatedData.Length))
                && (length == 0 || Update(context, text, text, length))
                && Libcrypto.EVP_CipherFinal_ex(context, text + length, &written) == 1
                && Libcrypto.EVP_CIPHER_CTX_ctrl(
                    context, Libcrypto.EVP_CTRL_AEAD_GET_TAG, TagLength, text + length) == 1;
        }

        GC.KeepAlive(this);
        if (!done)
        {
            // Never hand out what may be half plaintext.
            CryptographicOperations.ZeroMemory(buffer);
            throw new CryptographicException($"libcrypto could not encrypt: {OpenSsl.TakeErrors("unknown error")}");
        }
    }

    internal override bool Open(ReadOnlySpan<byte> nonce, Span<byte> buffer, ReadOnlySpan<byte> associatedData)
    {
        nint context = _open.Enter();
        int length = buffer.Length - TagLength;
        int written;
        bool opened;
        fixed (byte* text = buffer, iv = nonce, aad = associatedData)
        {
            opened = Libcrypto.EVP_CipherInit_ex(context, 0, 0, null, iv, 0) == 1
                && Libcrypto.EVP_CIPHER_CTX_ctrl(
                    context, Libcrypto.EVP_CTRL_AEAD_SET_TAG, TagLength, text + length) == 1
                && (associatedData.IsEmpty || Update(context, null, aad, associatedData.Length))
                && (length == 0 || Update(context, text, text, length))
                && Libcrypto.EVP_CipherFinal_ex(context, text + length, &written) == 1;
        }

        GC.KeepAlive(this);
        return opened;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _seal.Dispose();
            _open.Dispose();
        }
    }

    private static bool Update(nint context, byte* output, byte* input, int length)
    {
        int written;
        return (length <= ShortInput
            ? Libcrypto.EVP_CipherUpdate_Short(context, output, &written, input, length)
            : Libcrypto.EVP_CipherUpdate(context, output, &written, input, length)) == 1;
    }

    private static nint FetchCipher()
    {
        if (!OpenSsl.HasLibcrypto)
        {
            return 0;
        }

        fixed (byte* name = "ChaCha20-Poly1305\0"u8)
        {
            return Libcrypto.EVP_CIPHER_fetch(0, name, null);
        }
    }

    private static bool PassesSelfTest()
    {
        try
        {
            using LibcryptoChaCha20Poly1305Key key = new(AeadSelfTest.Key);
            return AeadSelfTest.Passes(key);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private sealed class CipherContext : SafeHandle
    {
        public CipherContext(ReadOnlySpan<byte> key, bool encrypt)
            : base(0, ownsHandle: true)
        {
            SetHandle(Libcrypto.EVP_CIPHER_CTX_new());
            fixed (byte* bytes = key)
            {
                if (IsInvalid || Libcrypto.EVP_CipherInit_ex(handle, Cipher, 0, bytes, null, encrypt ? 1 : 0) != 1)
                {
                    Dispose();
                    throw new CryptographicException(
                        $"libcrypto could not set a key: {OpenSsl.TakeErrors("out of memory")}");
                }
            }
        }

        public override bool IsInvalid => handle == 0;

        /// <summary>The native context; the caller keeps this object alive until it has left it.</summary>
        public nint Enter()
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }

        // Frees the key schedule with OPENSSL_clear_free.
        protected override bool ReleaseHandle()
        {
            Libcrypto.EVP_CIPHER_CTX_free(handle);
            return true;
        }
    }
}
