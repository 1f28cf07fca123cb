using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Diode.Tunnel.Platform.Crypto.Vectors;

/// <summary>Sixteen blocks of key stream and what they are for: runs of blocks, each of one message. Block 0 is its one-time key.</summary>
internal unsafe struct ChaChaBatch
{
    /// <summary>Bytes of a one-time key in front of a message's key stream (RFC 8439 §2.6).</summary>
    public const int OneTimeKeyLength = 32;

    // A run is written as whole vectors from its first lane on; the next run overwrites what is too much.
    private const int RowLength = 2 * ChaChaLanes.Lanes;

    private fixed uint _tails[4 * RowLength];
    private fixed byte _stream[ChaChaLanes.StreamLength];
    private fixed int _runs[3 * ChaChaLanes.Lanes];
    private int _runCount;
    private int _count;

    /// <summary>True if every block is taken.</summary>
    public readonly bool IsFull => _count == ChaChaLanes.Lanes;

    /// <summary>True if no block is taken.</summary>
    public readonly bool IsEmpty => _count == 0;

    /// <summary>Begins anew.</summary>
    public void Clear()
    {
        _count = 0;
        _runCount = 0;
    }

    /// <summary>Takes blocks of one message.</summary>
    /// <returns>How many of them had room.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public int Add(CipherMessage* message, int index, int firstBlock, int count)
    {
        int added = Math.Min(count, ChaChaLanes.Lanes - _count);
        if (added <= 0)
        {
            return 0;
        }

        fixed (uint* tails = _tails)
        {
            uint* row = tails + _count;
            (Vector512<uint>.Indices + Vector512.Create((uint)firstBlock)).Store(row);
            Vector512.Create(message->NonceHead).Store(row + RowLength);
            Vector512.Create((uint)message->Nonce).Store(row + (2 * RowLength));
            Vector512.Create((uint)(message->Nonce >> 32)).Store(row + (3 * RowLength));
        }

        _runs[3 * _runCount] = index;
        _runs[(3 * _runCount) + 1] = firstBlock;
        _runs[(3 * _runCount) + 2] = added;
        _runCount++;
        _count += added;
        return added;
    }

    /// <summary>Makes the key stream and copies the one-time keys that are in it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Generate(uint* key, byte* oneTimeKeys)
    {
        fixed (uint* tails = _tails)
        {
            fixed (byte* stream = _stream)
            {
                ChaChaLanes.Generate(key, tails, RowLength, stream);
                byte* block = stream;
                for (int run = 0; run < _runCount; run++)
                {
                    if (_runs[(3 * run) + 1] == 0)
                    {
                        Vector256.Load(block).Store(oneTimeKeys + (_runs[3 * run] * OneTimeKeyLength));
                    }

                    block += _runs[(3 * run) + 2] * ChaChaLanes.BlockLength;
                }
            }
        }
    }

    /// <summary>Applies the key stream to the texts that it was made for.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="which">Bit i: message i is meant.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Apply(CipherMessage* messages, uint which)
    {
        fixed (byte* stream = _stream)
        {
            byte* next = stream;
            for (int run = 0; run < _runCount; run++)
            {
                byte* key = next;
                int index = _runs[3 * run];
                int block = _runs[(3 * run) + 1];
                int count = _runs[(3 * run) + 2];
                next += count * ChaChaLanes.BlockLength;
                if ((which >> index & 1) == 0)
                {
                    continue;
                }

                if (block == 0)
                {
                    key += ChaChaLanes.BlockLength;
                    block = 1;
                }

                int offset = (block - 1) * ChaChaLanes.BlockLength;
                byte* text = messages[index].Text + offset;
                int length = Math.Min(messages[index].Length - offset, (int)(next - key));
                for (; length >= ChaChaLanes.BlockLength; length -= ChaChaLanes.BlockLength)
                {
                    (Vector512.Load(text) ^ Vector512.Load(key)).Store(text);
                    text += ChaChaLanes.BlockLength;
                    key += ChaChaLanes.BlockLength;
                }

                for (; length >= sizeof(ulong); length -= sizeof(ulong))
                {
                    Unsafe.WriteUnaligned(text, Unsafe.ReadUnaligned<ulong>(text) ^ Unsafe.ReadUnaligned<ulong>(key));
                    text += sizeof(ulong);
                    key += sizeof(ulong);
                }

                for (; length > 0; length--)
                {
                    *text++ ^= *key++;
                }
            }
        }
    }
}
