using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;
using Diode.Tunnel.Platform.Crypto.Vectors;

namespace Diode.Tunnel.Platform.Crypto;

/// <summary>
/// Our own ChaCha20-Poly1305 on vectors of 512 bits, made for trains: key stream and tags of several messages are computed side by side, so
/// that short messages and the ends of long ones leave no lane idle. No call leaves managed code.
/// </summary>
/// <remarks>Time and memory accesses depend on lengths only. Associated data, which only handshakes have, goes to another implementation.</remarks>
internal sealed unsafe class VectorChaCha20Poly1305Key : ChaCha20Poly1305Key
{
    // What fits into the first-level cache together with its key stream.
    private const int GroupLength = 16;

    private const int Untested = 0;
    private const int Testing = 1;
    private const int Trusted = 2;
    private const int Refused = 3;

    private static readonly Lock TestGate = new();
    private static int _trust;

    private readonly uint[] _key;
    private readonly bool _isUnderTest;
    private ChaCha20Poly1305Key? _other;
    private bool _disposed;

    /// <param name="key">32 bytes.</param>
    /// <param name="isUnderTest">Vectors are used although they are not trusted yet: the self-test.</param>
    public VectorChaCha20Poly1305Key(ReadOnlySpan<byte> key, bool isUnderTest = false)
    {
        _isUnderTest = isUnderTest;

        // Pinned, so that no copy of the key stays behind when the collector moves things.
        _key = GC.AllocateArray<uint>(KeyLength / sizeof(uint), pinned: true);
        key.CopyTo(MemoryMarshal.AsBytes(_key.AsSpan()));
    }

    /// <summary>True if this processor has the vectors.</summary>
    public static bool IsPossible => Vector512.IsHardwareAccelerated && Avx512F.IsSupported && BitConverter.IsLittleEndian;

    /// <summary>True if this processor has the vectors and the results are those of the other implementations. The first call tries.</summary>
    public static new bool IsSupported => IsPossible && IsTrusted();

    /// <inheritdoc/>
    public override void SealTrain(ulong firstCounter, Span<byte> train, int stride, int skip)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        CheckTrain(train.Length, stride, skip);
        if (train.Length <= stride || !UsesVectors())
        {
            base.SealTrain(firstCounter, train, stride, skip);
            return;
        }

        fixed (byte* bytes = train)
        {
            CipherMessage* messages = stackalloc CipherMessage[GroupLength];
            int count = 0;
            for (int start = 0; start < train.Length; start += stride)
            {
                messages[count++] = MessageAt(bytes, train.Length, start, stride, skip, firstCounter++);
                if (count == GroupLength || start + stride >= train.Length)
                {
                    SealGroup(messages, count);
                    count = 0;
                }
            }
        }
    }

    /// <inheritdoc/>
    public override ulong OpenTrain(ReadOnlySpan<ulong> counters, Span<byte> train, int stride, int skip)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        CheckTrain(train.Length, stride, skip);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(counters.Length, 64, nameof(counters));
        ArgumentOutOfRangeException.ThrowIfNotEqual(counters.Length, (train.Length + stride - 1) / stride, nameof(counters));
        if (counters.Length <= 1 || !UsesVectors())
        {
            return base.OpenTrain(counters, train, stride, skip);
        }

        ulong opened = 0;
        fixed (byte* bytes = train)
        {
            CipherMessage* messages = stackalloc CipherMessage[GroupLength];
            for (int first = 0; first < counters.Length; first += GroupLength)
            {
                int count = Math.Min(GroupLength, counters.Length - first);
                for (int i = 0; i < count; i++)
                {
                    messages[i] = MessageAt(
                        bytes, train.Length, (first + i) * stride, stride, skip, counters[first + i]);
                }

                opened |= (ulong)OpenGroup(messages, count) << first;
            }
        }

        return opened;
    }

    internal override void Seal(ReadOnlySpan<byte> nonce, Span<byte> buffer, ReadOnlySpan<byte> associatedData)
    {
        Other().Seal(nonce, buffer, associatedData);
    }

    internal override bool Open(ReadOnlySpan<byte> nonce, Span<byte> buffer, ReadOnlySpan<byte> associatedData)
    {
        return Other().Open(nonce, buffer, associatedData);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _disposed = true;
            CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(_key.AsSpan()));
            _other?.Dispose();
        }
    }

    private static bool IsTrusted()
    {
        lock (TestGate)
        {
            if (Volatile.Read(ref _trust) is not (Trusted or Refused))
            {
                Volatile.Write(ref _trust, VectorSelfTest.Passes() ? Trusted : Refused);
            }

            return _trust == Trusted;
        }
    }

    /// <summary>
    /// The self-test, and compiling what it runs, take 0.1 s: the first train starts it on another thread, and until it has passed trains
    /// go message by message. A program that is started for a handshake and an echo never pays for it.
    /// </summary>
    private bool UsesVectors()
    {
        int trust = Volatile.Read(ref _trust);
        if (trust == Untested && !_isUnderTest && Interlocked.CompareExchange(ref _trust, Testing, Untested) == Untested)
        {
            _ = Task.Run(IsTrusted);
        }

        return trust == Trusted || _isUnderTest;
    }

    private static CipherMessage MessageAt(byte* train, int total, int start, int stride, int skip, ulong counter)
    {
        return new CipherMessage
        {
            Text = train + start + skip,
            Length = Math.Min(stride, total - start) - skip - TagLength,
            Nonce = counter,
        };
    }

    // The callers make trains of these lengths only; a mistake there must not become a write beyond the span.
    private static void CheckTrain(int length, int stride, int skip)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(skip);
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, skip + TagLength);
        int last = length % stride;
        ArgumentOutOfRangeException.ThrowIfLessThan(last == 0 ? stride : last, skip + TagLength, nameof(length));
    }

    // One message leaves most lanes idle: another implementation is faster. One thread may seal while another opens.
    private ChaCha20Poly1305Key Other()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Volatile.Read(ref _other) is { } other)
        {
            return other;
        }

        other = CreateOther(MemoryMarshal.AsBytes(_key.AsSpan()));
        if (Interlocked.CompareExchange(ref _other, other, null) is { } earlier)
        {
            other.Dispose();
            return earlier;
        }

        return other;
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void SealGroup(CipherMessage* messages, int count)
    {
        byte* oneTimeKeys = stackalloc byte[GroupLength * ChaChaBatch.OneTimeKeyLength];
        Unsafe.SkipInit(out ChaChaBatch batch);
        batch.Clear();
        fixed (uint* key = _key)
        {
            for (int i = 0; i < count; i++)
            {
                int blocks = messages[i].Blocks + 1;
                int next = 0;
                while (next < blocks)
                {
                    next += batch.Add(messages + i, i, next, blocks - next);
                    if (batch.IsFull || (next == blocks && i == count - 1))
                    {
                        batch.Generate(key, oneTimeKeys);
                        batch.Apply(messages, uint.MaxValue);
                        batch.Clear();
                    }
                }
            }
        }

        byte* tags = stackalloc byte[PolyLanes.MaxMessages * TagLength];
        for (int first = 0; first < count; first += PolyLanes.MaxMessages)
        {
            int some = Math.Min(PolyLanes.MaxMessages, count - first);
            PolyLanes.Compute(messages + first, some, oneTimeKeys + (first * ChaChaBatch.OneTimeKeyLength), tags);
            for (int i = 0; i < some; i++)
            {
                CipherMessage* message = messages + first + i;
                Vector128.Load(tags + (i * TagLength)).Store(message->Text + message->Length);
            }
        }

        Erase(oneTimeKeys, count);
    }

    /// <returns>Bit i is set if message i was verified; only then it is decrypted.</returns>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private uint OpenGroup(CipherMessage* messages, int count)
    {
        byte* oneTimeKeys = stackalloc byte[GroupLength * ChaChaBatch.OneTimeKeyLength];
        uint verified;
        fixed (uint* key = _key)
        {
            int blocks = count;
            for (int i = 0; i < count; i++)
            {
                blocks += messages[i].Blocks;
            }

            verified = blocks <= 2 * ChaChaLanes.Lanes
                ? OpenFew(messages, count, key, oneTimeKeys)
                : OpenMany(messages, count, key, oneTimeKeys);
        }

        Erase(oneTimeKeys, count);
        return verified;
    }

    /// <summary>All key stream at once, before the tags: it fits into two batches.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static uint OpenFew(CipherMessage* messages, int count, uint* key, byte* oneTimeKeys)
    {
        Unsafe.SkipInit(out ChaChaBatch first);
        Unsafe.SkipInit(out ChaChaBatch second);
        first.Clear();
        second.Clear();
        for (int i = 0; i < count; i++)
        {
            int blocks = messages[i].Blocks + 1;
            int added = first.Add(messages + i, i, 0, blocks);
            second.Add(messages + i, i, added, blocks - added);
        }

        first.Generate(key, oneTimeKeys);
        if (!second.IsEmpty)
        {
            second.Generate(key, oneTimeKeys);
        }

        uint verified = Verify(messages, count, oneTimeKeys);
        first.Apply(messages, verified);
        second.Apply(messages, verified);
        return verified;
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static uint OpenMany(CipherMessage* messages, int count, uint* key, byte* oneTimeKeys)
    {
        Unsafe.SkipInit(out ChaChaBatch batch);
        batch.Clear();
        for (int i = 0; i < count; i++)
        {
            batch.Add(messages + i, i, 0, 1);
        }

        batch.Generate(key, oneTimeKeys);
        batch.Clear();
        uint verified = Verify(messages, count, oneTimeKeys);
        for (int i = 0; i < count; i++)
        {
            int blocks = (verified >> i & 1) != 0 ? messages[i].Blocks + 1 : 1;
            int next = 1;
            while (next < blocks)
            {
                next += batch.Add(messages + i, i, next, blocks - next);
                if (batch.IsFull)
                {
                    batch.Generate(key, oneTimeKeys);
                    batch.Apply(messages, verified);
                    batch.Clear();
                }
            }
        }

        if (!batch.IsEmpty)
        {
            batch.Generate(key, oneTimeKeys);
            batch.Apply(messages, verified);
        }

        return verified;
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static uint Verify(CipherMessage* messages, int count, byte* oneTimeKeys)
    {
        byte* tags = stackalloc byte[PolyLanes.MaxMessages * TagLength];
        uint verified = 0;
        for (int first = 0; first < count; first += PolyLanes.MaxMessages)
        {
            int some = Math.Min(PolyLanes.MaxMessages, count - first);
            PolyLanes.Compute(messages + first, some, oneTimeKeys + (first * ChaChaBatch.OneTimeKeyLength), tags);
            for (int i = 0; i < some; i++)
            {
                CipherMessage* message = messages + first + i;
                Vector128<byte> given = Vector128.Load(message->Text + message->Length);
                verified |= (given ^ Vector128.Load(tags + (i * TagLength))) == Vector128<byte>.Zero ? 1u << (first + i) : 0;
            }
        }

        return verified;
    }

    private static void Erase(byte* oneTimeKeys, int count)
    {
        CryptographicOperations.ZeroMemory(new Span<byte>(oneTimeKeys, count * ChaChaBatch.OneTimeKeyLength));
    }
}
