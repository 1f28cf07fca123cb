using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Diode.Tunnel.Ethereum.Crypto;

/// <summary>
/// Incremental Keccak-256: sponge of rate 136 bytes over Keccak-f[1600] with the 0x01 padding (The Keccak
/// reference, §1.1). A mutable value: pass by reference. <c>default</c> is a fresh hasher.
/// </summary>
public struct Keccak256Hasher
{
    private const int Rate = 136;
    private const int Lanes = 25;

    private LaneState _state;
    private int _position;

    private static ReadOnlySpan<ulong> RoundConstants =>
    [
        0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
        0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
        0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
        0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
        0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
        0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
    ];

    /// <summary>Rotation of the lane that moves to <see cref="PiTargets"/> in the same step.</summary>
    private static ReadOnlySpan<byte> RhoOffsets =>
        [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44];

    /// <summary>The single cycle that the pi step makes of all lanes but the first.</summary>
    private static ReadOnlySpan<byte> PiTargets =>
        [10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1];

    /// <summary>Absorbs more input.</summary>
    public void Append(ReadOnlySpan<byte> data)
    {
        Span<ulong> state = _state;
        while (!data.IsEmpty)
        {
            if (_position == 0 && data.Length >= Rate)
            {
                for (int lane = 0; lane < Rate / 8; lane++)
                {
                    state[lane] ^= BinaryPrimitives.ReadUInt64LittleEndian(data[(8 * lane)..]);
                }

                Permute(state);
                data = data[Rate..];
                continue;
            }

            int take = Math.Min(Rate - _position, data.Length);
            for (int i = 0; i < take; i++)
            {
                Absorb(state, _position + i, data[i]);
            }

            data = data[take..];
            _position += take;
            if (_position == Rate)
            {
                Permute(state);
                _position = 0;
            }
        }
    }

    /// <summary>Writes the 32-byte hash of everything appended and starts anew.</summary>
    public void GetHashAndReset(Span<byte> hash32)
    {
        Span<ulong> state = _state;
        Absorb(state, _position, 0x01);
        Absorb(state, Rate - 1, 0x80);
        Permute(state);
        for (int lane = 0; lane < Hash256.Length / 8; lane++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(hash32[(8 * lane)..], state[lane]);
        }

        state.Clear();
        _position = 0;
    }

    /// <summary>The hash of everything appended; starts anew.</summary>
    public Hash256 GetHashAndReset()
    {
        Span<byte> hash = stackalloc byte[Hash256.Length];
        GetHashAndReset(hash);
        return new Hash256(hash);
    }

    private static void Absorb(Span<ulong> state, int position, byte value)
    {
        state[position / 8] ^= (ulong)value << (8 * (position % 8));
    }

    private static void Permute(Span<ulong> lanes)
    {
        Span<ulong> columns = stackalloc ulong[5];
        foreach (ulong roundConstant in RoundConstants)
        {
            for (int x = 0; x < 5; x++)
            {
                columns[x] = lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20];
            }

            for (int x = 0; x < 5; x++)
            {
                ulong parity = columns[(x + 4) % 5] ^ BitOperations.RotateLeft(columns[(x + 1) % 5], 1);
                for (int y = 0; y < Lanes; y += 5)
                {
                    lanes[x + y] ^= parity;
                }
            }

            ulong moving = lanes[1];
            for (int step = 0; step < PiTargets.Length; step++)
            {
                int target = PiTargets[step];
                ulong displaced = lanes[target];
                lanes[target] = BitOperations.RotateLeft(moving, RhoOffsets[step]);
                moving = displaced;
            }

            for (int y = 0; y < Lanes; y += 5)
            {
                lanes.Slice(y, 5).CopyTo(columns);
                for (int x = 0; x < 5; x++)
                {
                    lanes[y + x] = columns[x] ^ (~columns[(x + 1) % 5] & columns[(x + 2) % 5]);
                }
            }

            lanes[0] ^= roundConstant;
        }
    }

    [InlineArray(Lanes)]
    [StructLayout(LayoutKind.Auto)]
    private struct LaneState
    {
        private ulong _first;
    }
}
