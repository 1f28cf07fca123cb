namespace Diode.Tunnel.Relay.Ports;

/// <summary>Flags of <c>portopen</c> (diode-edge §3.6).</summary>
internal readonly record struct PortFlags(bool Read, bool Write, bool Shared)
{
    /// <summary>Reads the letters <c>r w s t p</c>; at least one of r and w must be there.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out PortFlags flags)
    {
        bool known = text.IndexOfAnyExcept("rwstp"u8) < 0;
        flags = new PortFlags(text.Contains((byte)'r'), text.Contains((byte)'w'), text.Contains((byte)'s'));
        return known && (flags.Read || flags.Write);
    }
}
