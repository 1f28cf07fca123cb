namespace Diode.Tunnel.WireGuard.Cookies;

/// <summary>Labels that separate the two keys derived from a public key (WireGuard §5.4).</summary>
internal static class CookieLabels
{
    public static ReadOnlySpan<byte> Mac1 => "mac1----"u8;

    public static ReadOnlySpan<byte> Cookie => "cookie--"u8;
}
