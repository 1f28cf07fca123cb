using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>
/// The Internet checksum (RFC 1071) with vector instructions. A running sum is in the byte order of this machine and only
/// <see cref="Fold"/> and <see cref="Finish"/> give it a meaning. Pieces may be summed one after the other if all but the last have an
/// even length. Never overflows for less than 2^32 bytes.
/// </summary>
public static class VectorChecksum
{
    /// <summary>Adds bytes to a running sum; an odd last byte is followed by a zero.</summary>
    public static ulong Add(ReadOnlySpan<byte> bytes, ulong sum = 0)
    {
        ref byte at = ref MemoryMarshal.GetReference(bytes);
        nuint length = (nuint)bytes.Length;
        nuint position = 0;
        if (Vector256.IsHardwareAccelerated && length >= 64)
        {
            // 32-bit words are added in 64-bit lanes, even and odd words apart: no carry is ever lost.
            Vector256<ulong> low = Vector256.Create(0xffff_fffful);
            Vector256<ulong> even = Vector256<ulong>.Zero;
            Vector256<ulong> odd = Vector256<ulong>.Zero;
            Vector256<ulong> even2 = Vector256<ulong>.Zero;
            Vector256<ulong> odd2 = Vector256<ulong>.Zero;
            for (; position + 64 <= length; position += 64)
            {
                Vector256<ulong> first = Vector256.LoadUnsafe(ref at, position).AsUInt64();
                Vector256<ulong> second = Vector256.LoadUnsafe(ref at, position + 32).AsUInt64();
                even += first & low;
                odd += first >>> 32;
                even2 += second & low;
                odd2 += second >>> 32;
            }

            sum += Vector256.Sum(even + odd + (even2 + odd2));
        }
        else if (Vector128.IsHardwareAccelerated && length >= 32)
        {
            Vector128<ulong> low = Vector128.Create(0xffff_fffful);
            Vector128<ulong> even = Vector128<ulong>.Zero;
            Vector128<ulong> odd = Vector128<ulong>.Zero;
            for (; position + 16 <= length; position += 16)
            {
                Vector128<ulong> words = Vector128.LoadUnsafe(ref at, position).AsUInt64();
                even += words & low;
                odd += words >>> 32;
            }

            sum += Vector128.Sum(even + odd);
        }

        for (; position + 4 <= length; position += 4)
        {
            sum += Unsafe.ReadUnaligned<uint>(ref Unsafe.Add(ref at, position));
        }

        if (position + 2 <= length)
        {
            sum += Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref at, position));
            position += 2;
        }

        if (position < length)
        {
            byte last = Unsafe.Add(ref at, position);
            sum += BitConverter.IsLittleEndian ? last : (uint)last << 8;
        }

        return sum;
    }

    /// <summary>Adds a 16-bit value, such as a length or a protocol of a pseudo header.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong AddValue(ulong sum, ushort value) =>
        sum + (BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(value) : value);

    /// <summary>The ones' complement sum, 0 to 0xffff, ready to be written in network order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Fold(ulong sum)
    {
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        ushort folded = (ushort)sum;
        return BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(folded) : folded;
    }

    /// <summary>The checksum: the complement of <see cref="Fold"/>. A sum over a valid checksum gives 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Finish(ulong sum) => (ushort)~Fold(sum);
}
