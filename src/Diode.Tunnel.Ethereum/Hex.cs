using System.Buffers;

namespace Diode.Tunnel.Ethereum;

/// <summary>Hexadecimal text with the <c>0x</c> prefix.</summary>
internal static class Hex
{
    /// <summary>Fills <paramref name="destination"/> from <c>0x</c> and exactly that many digits.</summary>
    public static bool TryParsePrefixed(ReadOnlySpan<char> text, Span<byte> destination)
    {
        return text.Length == 2 + (2 * destination.Length)
            && text[0] == '0'
            && text[1] == 'x'
            && Convert.FromHexString(text[2..], destination, out _, out _) == OperationStatus.Done;
    }
}
