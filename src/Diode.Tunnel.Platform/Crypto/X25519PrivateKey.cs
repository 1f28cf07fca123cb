using System.Runtime.InteropServices;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Crypto;

/// <summary>An X25519 private key (RFC 7748) held by libcrypto.</summary>
/// <remarks>Thread-safe. There is no managed fallback here: check <see cref="IsSupported"/> first.</remarks>
public sealed unsafe class X25519PrivateKey : IDisposable
{
    /// <summary>Length of private keys, public keys and shared secrets in bytes.</summary>
    public const int Length = 32;

    private readonly KeyHandle _key;

    /// <summary>Copies a private key; it is clamped when used.</summary>
    /// <param name="privateKey">32 bytes; the caller may clear its own.</param>
    /// <exception cref="PlatformNotSupportedException">See <see cref="IsSupported"/>.</exception>
    public X25519PrivateKey(ReadOnlySpan<byte> privateKey)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(privateKey.Length, Length, nameof(privateKey));
        if (!OpenSsl.HasLibcrypto)
        {
            throw new PlatformNotSupportedException("X25519 needs libcrypto.so.3.");
        }

        fixed (byte* bytes = privateKey)
        {
            _key = new KeyHandle(
                Libcrypto.EVP_PKEY_new_raw_private_key(Libcrypto.EVP_PKEY_X25519, 0, bytes, Length));
        }

        if (_key.IsInvalid)
        {
            throw new PlatformNotSupportedException($"libcrypto has no X25519: {OpenSsl.TakeErrors("unknown error")}");
        }
    }

    /// <summary>True if libcrypto is present and reproduces RFC 7748 §6.1.</summary>
    public static bool IsSupported { get; } = OpenSsl.HasLibcrypto && PassesSelfTest();

    /// <summary>Writes the public key.</summary>
    /// <param name="publicKey">At least 32 bytes.</param>
    public void CopyPublicKeyTo(Span<byte> publicKey)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(publicKey.Length, Length, nameof(publicKey));
        using KeyHandle.Use key = _key.Enter();
        nuint length = Length;
        fixed (byte* bytes = publicKey)
        {
            if (Libcrypto.EVP_PKEY_get_raw_public_key(key.Pointer, bytes, &length) != 1)
            {
                throw new PlatformException($"Could not derive a public key: {OpenSsl.TakeErrors("unknown error")}");
            }
        }
    }

    /// <summary>Computes the shared secret with a peer.</summary>
    /// <param name="peerPublicKey">32 bytes from the network.</param>
    /// <param name="sharedSecret">At least 32 bytes.</param>
    /// <returns>False, and zeros, if the peer's key is of low order (the result would be zero) or has a wrong length.</returns>
    public bool TryAgree(ReadOnlySpan<byte> peerPublicKey, Span<byte> sharedSecret)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sharedSecret.Length, Length, nameof(sharedSecret));
        sharedSecret[..Length].Clear();
        if (peerPublicKey.Length != Length)
        {
            return false;
        }

        using KeyHandle.Use key = _key.Enter();
        nint peer = 0;
        nint context = 0;
        bool agreed;
        fixed (byte* bytes = peerPublicKey, secret = sharedSecret)
        {
            nuint length = Length;
            peer = Libcrypto.EVP_PKEY_new_raw_public_key(Libcrypto.EVP_PKEY_X25519, 0, bytes, Length);
            context = Libcrypto.EVP_PKEY_CTX_new(key.Pointer, 0);
            agreed = peer != 0
                && context != 0
                && Libcrypto.EVP_PKEY_derive_init(context) == 1
                && Libcrypto.EVP_PKEY_derive_set_peer(context, peer) == 1
                && Libcrypto.EVP_PKEY_derive(context, secret, &length) == 1
                && length == Length;
        }

        Libcrypto.EVP_PKEY_CTX_free(context);
        Libcrypto.EVP_PKEY_free(peer);
        if (!agreed)
        {
            Libcrypto.ERR_clear_error();
            sharedSecret[..Length].Clear();
        }

        return agreed;
    }

    /// <summary>Releases the key; libcrypto zeroes it.</summary>
    public void Dispose() => _key.Dispose();

    private static bool PassesSelfTest()
    {
        ReadOnlySpan<byte> alice =
        [
            0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
            0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
        ];
        ReadOnlySpan<byte> bobPublic =
        [
            0xde, 0x9e, 0xdb, 0x7d, 0x7b, 0x7d, 0xc1, 0xb4, 0xd3, 0x5b, 0x61, 0xc2, 0xec, 0xe4, 0x35, 0x37,
            0x3f, 0x83, 0x43, 0xc8, 0x5b, 0x78, 0x67, 0x4d, 0xad, 0xfc, 0x7e, 0x14, 0x6f, 0x88, 0x2b, 0x4f,
        ];
        ReadOnlySpan<byte> shared =
        [
            0x4a, 0x5d, 0x9d, 0x5b, 0xa4, 0xce, 0x2d, 0xe1, 0x72, 0x8e, 0x3b, 0xf4, 0x80, 0x35, 0x0f, 0x25,
            0xe0, 0x7e, 0x21, 0xc9, 0x47, 0xd1, 0x9e, 0x33, 0x76, 0xf0, 0x9b, 0x3c, 0x1e, 0x16, 0x17, 0x42,
        ];
        try
        {
            using X25519PrivateKey key = new(alice);
            Span<byte> secret = stackalloc byte[Length];
            return key.TryAgree(bobPublic, secret) && secret.SequenceEqual(shared);
        }
        catch (PlatformNotSupportedException)
        {
            return false;
        }
    }

    private sealed class KeyHandle : SafeHandle
    {
        public KeyHandle(nint key)
            : base(0, ownsHandle: true) => SetHandle(key);

        public override bool IsInvalid => handle == 0;

        public Use Enter()
        {
            bool added = false;
            DangerousAddRef(ref added);
            return new Use(this);
        }

        protected override bool ReleaseHandle()
        {
            Libcrypto.EVP_PKEY_free(handle);
            return true;
        }

        /// <summary>Keeps the key from being freed while a thread uses it.</summary>
        public readonly ref struct Use(KeyHandle owner)
        {
            public nint Pointer => owner.handle;

            public void Dispose() => owner.DangerousRelease();
        }
    }
}
