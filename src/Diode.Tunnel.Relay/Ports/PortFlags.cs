namespace Diode.Tunnel.Relay.Ports;

/// <summary>Flags of <c>portopen</c> (diode-edge §3.6).</summary>
/// <param name="Read"><c>r</c>: the opener receives.</param>
/// <param name="Write"><c>w</c>: the opener sends.</param>
/// <param name="Shared"><c>s</c>: several openers, one port at the target.</param>
/// <param name="Traced"><c>t</c>: the opener is told what happens.</param>
/// <param name="Forwarded"><c>p</c>: the target may be on another relay.</param>
internal readonly record struct PortFlags(bool Read, bool Write, bool Shared, bool Traced, bool Forwarded)
{
    /// <summary>Reads the letters <c>r w s t p</c>; at least one of r and w must be there.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out PortFlags flags)
    {
        bool known = text.IndexOfAnyExcept("rwstp"u8) < 0;
        flags = new PortFlags(
            text.Contains((byte)'r'),
            text.Contains((byte)'w'),
            text.Contains((byte)'s'),
            text.Contains((byte)'t'),
            text.Contains((byte)'p'));
        return known && (flags.Read || flags.Write);
    }
}
