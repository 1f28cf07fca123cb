using System.Buffers.Binary;

namespace Diode.Tunnel.Edge.Objects;

/// <summary>32-byte words as Diode signs them: numbers and, unlike Solidity, also text are right-aligned.</summary>
internal static class SignedWords
{
    public const int WordLength = 32;

    public static void Write(Span<byte> words, int index, ReadOnlySpan<byte> value)
    {
        Span<byte> word = words.Slice(index * WordLength, WordLength);
        word.Clear();
        value.CopyTo(word[(WordLength - value.Length)..]);
    }

    public static void Write(Span<byte> words, int index, ulong value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        Write(words, index, bytes);
    }
}
