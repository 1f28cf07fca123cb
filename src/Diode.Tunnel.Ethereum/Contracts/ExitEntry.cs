namespace Diode.Tunnel.Ethereum.Contracts;

/// <summary>An exit in an exit directory.</summary>
/// <param name="Device">The exit, and who listed it.</param>
/// <param name="Region">For example <c>de</c>.</param>
/// <param name="HasIpv4">Whether it offers IPv4.</param>
/// <param name="HasIpv6">Whether it offers IPv6.</param>
/// <param name="PolicyUrl">Where its policy can be read; may be empty.</param>
/// <param name="Expires">When the entry ends, Unix seconds.</param>
public sealed record ExitEntry(Address Device, string Region, bool HasIpv4, bool HasIpv6, string PolicyUrl, ulong Expires);
