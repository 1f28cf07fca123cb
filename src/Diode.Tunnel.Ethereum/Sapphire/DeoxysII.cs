using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;

namespace Diode.Tunnel.Ethereum.Sapphire;

/// <summary>
/// Deoxys-II-256-128, the authenticated cipher of Oasis Sapphire (CAESAR submission v1.43, Jean, Nikolić, Peyrin, Seurin): key of 32 bytes,
/// nonce of 15, tag of 16 behind the cipher text. A repeated nonce shows equal messages only. Constant time. Thread-safe until disposed.
/// </summary>
/// <remarks>
/// The block cipher is Deoxys-BC-384: 16 rounds of AES, each with a subtweakey of three words. The two that come from the key are computed once;
/// the third comes from the tweak and is only permuted from round to round.
/// </remarks>
public sealed class DeoxysII : IDisposable
{
    /// <summary>Length of a key in bytes.</summary>
    public const int KeyLength = 32;

    /// <summary>Length of a nonce in bytes.</summary>
    public const int NonceLength = 15;

    /// <summary>Length of a tag in bytes.</summary>
    public const int TagLength = 16;

    private const int BlockLength = 16;
    private const int Rounds = 16;

    // What a block is for: the upper four bits of its tweak.
    private const byte MessageBlock = 0x00;
    private const byte NonceBlock = 0x10;
    private const byte AssociatedBlock = 0x20;
    private const byte LastMessageBlock = 0x40;
    private const byte LastAssociatedBlock = 0x60;
    private const byte CipherBlock = 0x80;

    private static readonly Vector128<byte> Permutation = Vector128.Create((byte)1, 6, 11, 12, 5, 10, 15, 0, 9, 14, 3, 4, 13, 2, 7, 8);

    private static ReadOnlySpan<byte> RoundConstants =>
        [0x2f, 0x5e, 0xbc, 0x63, 0xc6, 0x97, 0x35, 0x6a, 0xd4, 0xb3, 0x7d, 0xfa, 0xef, 0xc5, 0x91, 0x39, 0x72];

    private readonly Vector128<byte>[] _keys = new Vector128<byte>[Rounds + 1];
    private readonly bool _isPortable;

    /// <summary>Expands a key.</summary>
    /// <param name="key">32 bytes; the caller may zero them.</param>
    public DeoxysII(ReadOnlySpan<byte> key)
        : this(key, isPortable: false)
    {
    }

    internal DeoxysII(ReadOnlySpan<byte> key, bool isPortable)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, KeyLength, nameof(key));
        _isPortable = isPortable;
        Vector128<byte> third = Vector128.Create(key[..BlockLength]);
        Vector128<byte> second = Vector128.Create(key[BlockLength..]);
        for (int i = 0; i <= Rounds; i++)
        {
            byte constant = RoundConstants[i];
            _keys[i] = third ^ second ^ Vector128.Create((byte)1, 2, 4, 8, constant, constant, constant, constant, 0, 0, 0, 0, 0, 0, 0, 0);

            // x7…x0 becomes x6…x0, x7 ^ x5 in the second word, x0 ^ x6, x7…x1 in the third.
            second = Vector128.ShiftLeft(second, 1)
                | ((Vector128.ShiftRightLogical(second, 7) ^ Vector128.ShiftRightLogical(second, 5)) & Vector128<byte>.One);
            third = Vector128.ShiftRightLogical(third, 1)
                | ((Vector128.ShiftLeft(third, 7) ^ Vector128.ShiftLeft(third, 1)) & Vector128.Create((byte)0x80));
            second = Vector128.Shuffle(second, Permutation);
            third = Vector128.Shuffle(third, Permutation);
        }
    }

    /// <summary>Encrypts: the cipher text and its tag.</summary>
    public byte[] Seal(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> message, ReadOnlySpan<byte> associated = default)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(nonce.Length, NonceLength, nameof(nonce));
        byte[] output = new byte[message.Length + TagLength];
        Vector128<byte> tag = Authenticate(nonce, message, associated);
        Crypt(nonce, tag, message, output);
        tag.CopyTo(output.AsSpan(message.Length));
        return output;
    }

    /// <summary>Decrypts; null when the tag is wrong or a length is.</summary>
    public byte[]? Open(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> sealedMessage, ReadOnlySpan<byte> associated = default)
    {
        if (nonce.Length != NonceLength || sealedMessage.Length < TagLength)
        {
            return null;
        }

        ReadOnlySpan<byte> told = sealedMessage[^TagLength..];
        byte[] message = new byte[sealedMessage.Length - TagLength];
        Crypt(nonce, Vector128.Create(told), sealedMessage[..^TagLength], message);
        Span<byte> tag = stackalloc byte[TagLength];
        Authenticate(nonce, message, associated).CopyTo(tag);
        if (CryptographicOperations.FixedTimeEquals(tag, told))
        {
            return message;
        }

        CryptographicOperations.ZeroMemory(message);
        return null;
    }

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(_keys.AsSpan()));

    private Vector128<byte> Authenticate(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> message, ReadOnlySpan<byte> associated)
    {
        Vector128<byte> sum = Absorb(associated, AssociatedBlock, LastAssociatedBlock) ^ Absorb(message, MessageBlock, LastMessageBlock);
        Span<byte> tweak = stackalloc byte[BlockLength];
        tweak[0] = NonceBlock;
        nonce.CopyTo(tweak[1..]);
        return EncryptBlock(Vector128.Create((ReadOnlySpan<byte>)tweak), sum);
    }

    private Vector128<byte> Absorb(ReadOnlySpan<byte> data, byte kind, byte lastKind)
    {
        Vector128<byte> sum = Vector128<byte>.Zero;
        Span<byte> tweak = stackalloc byte[BlockLength];
        Span<byte> last = stackalloc byte[BlockLength];
        tweak.Clear();
        tweak[0] = kind;
        ulong number = 0;
        for (; data.Length >= BlockLength; data = data[BlockLength..])
        {
            BinaryPrimitives.WriteUInt64BigEndian(tweak[8..], number++);
            sum ^= EncryptBlock(Vector128.Create((ReadOnlySpan<byte>)tweak), Vector128.Create(data[..BlockLength]));
        }

        if (data.Length > 0)
        {
            tweak[0] = lastKind;
            BinaryPrimitives.WriteUInt64BigEndian(tweak[8..], number);
            last.Clear();
            data.CopyTo(last);
            last[data.Length] = 0x80;
            sum ^= EncryptBlock(Vector128.Create((ReadOnlySpan<byte>)tweak), Vector128.Create((ReadOnlySpan<byte>)last));
        }

        return sum;
    }

    // The same both ways: the key stream depends on nonce, tag and position.
    private void Crypt(ReadOnlySpan<byte> nonce, Vector128<byte> tag, ReadOnlySpan<byte> input, Span<byte> output)
    {
        Span<byte> block = stackalloc byte[BlockLength];
        Span<byte> tweak = stackalloc byte[BlockLength];
        Span<byte> stream = stackalloc byte[BlockLength];
        block[0] = 0;
        nonce.CopyTo(block[1..]);
        Vector128<byte> counted = Vector128.Create((ReadOnlySpan<byte>)block);
        tag.CopyTo(tweak);
        tweak[0] |= CipherBlock;
        ulong low = BinaryPrimitives.ReadUInt64BigEndian(tweak[8..]);
        for (int i = 0; i < input.Length; i += BlockLength)
        {
            BinaryPrimitives.WriteUInt64BigEndian(tweak[8..], low ^ (ulong)(i / BlockLength));
            EncryptBlock(Vector128.Create((ReadOnlySpan<byte>)tweak), counted).CopyTo(stream);
            int length = Math.Min(BlockLength, input.Length - i);
            for (int j = 0; j < length; j++)
            {
                output[i + j] = (byte)(input[i + j] ^ stream[j]);
            }
        }
    }

    private Vector128<byte> EncryptBlock(Vector128<byte> tweak, Vector128<byte> block)
    {
        Vector128<byte> state = block ^ tweak ^ _keys[0];
        for (int i = 1; i <= Rounds; i++)
        {
            tweak = Vector128.Shuffle(tweak, Permutation);
            Vector128<byte> key = tweak ^ _keys[i];
            state = _isPortable ? AesRound.EncryptPortable(state, key) : AesRound.Encrypt(state, key);
        }

        return state;
    }
}
