namespace Diode.Tunnel.Engine.Names;

/// <summary>DNS numbers used here (RFC 1035 §3.2, RFC 3596, RFC 6891).</summary>
internal static class DnsType
{
    public const ushort A = 1;
    public const ushort Ns = 2;
    public const ushort Soa = 6;
    public const ushort Ptr = 12;
    public const ushort Aaaa = 28;
    public const ushort Opt = 41;
    public const ushort Any = 255;

    public const ushort ClassIn = 1;
}

/// <summary>Response codes (RFC 1035 §4.1.1, RFC 6891 §6.1.3).</summary>
internal static class DnsCode
{
    public const int NoError = 0;
    public const int FormatError = 1;
    public const int ServerFailure = 2;
    public const int NameError = 3;
    public const int NotImplemented = 4;
    public const int Refused = 5;
    public const int BadVersion = 16;
}
