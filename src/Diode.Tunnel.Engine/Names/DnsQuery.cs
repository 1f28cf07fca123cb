namespace Diode.Tunnel.Engine.Names;

/// <summary>A query that was read.</summary>
/// <param name="Id">The sender's number.</param>
/// <param name="Opcode">0 is a standard query.</param>
/// <param name="Name">Lower case, without final dot, odd bytes escaped.</param>
/// <param name="Type">Record type asked for.</param>
/// <param name="Class">1 is the Internet.</param>
/// <param name="QuestionEnd">Offset behind the question.</param>
/// <param name="HasEdns">Whether an OPT record came along.</param>
/// <param name="UdpLength">Longest answer the sender takes over UDP.</param>
/// <param name="EdnsVersion">EDNS version, 0 is known.</param>
public readonly record struct DnsQuery(
    ushort Id,
    int Opcode,
    string Name,
    ushort Type,
    ushort Class,
    int QuestionEnd,
    bool HasEdns,
    int UdpLength,
    int EdnsVersion)
{
    /// <summary>Longest UDP message without EDNS (RFC 1035 §4.2.1).</summary>
    public const int PlainUdpLength = 512;
}
