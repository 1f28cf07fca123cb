using System.Buffers.Binary;
using System.Text;

namespace Diode.Tunnel.Tests.Engine.Names;

/// <summary>Builds DNS queries and simple responses for tests.</summary>
internal static class DnsQueryBuilder
{
    public static byte[] Query(string name, ushort type, ushort id = 0x1234, int edns = -1, byte ednsVersion = 0, ushort dnsClass = 1)
    {
        byte[] opt = edns < 0 ? [] : [0, 0, 41, (byte)(edns >> 8), (byte)edns, 0, ednsVersion, 0, 0, 0, 0];
        return
        [
            (byte)(id >> 8), (byte)id, 1, 0, 0, 1, 0, 0, 0, 0, 0, (byte)(opt.Length > 0 ? 1 : 0),
            .. Name(name), (byte)(type >> 8), (byte)type, (byte)(dnsClass >> 8), (byte)dnsClass, .. opt,
        ];
    }

    public static byte[] Name(string name)
    {
        return [.. name.Split('.', StringSplitOptions.RemoveEmptyEntries).SelectMany(l => Encoding.Latin1.GetBytes(l).Prepend((byte)l.Length)), 0];
    }

    /// <summary>A response with one A record 9.9.9.9.</summary>
    public static byte[] Response(ReadOnlySpan<byte> query, int code = 0)
    {
        byte[] response = [.. query, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 9, 9, 9, 9];
        response[2] |= 0x80;
        response[3] = (byte)(0x80 | code);
        BinaryPrimitives.WriteUInt16BigEndian(response.AsSpan(6), 1);
        return response;
    }
}
