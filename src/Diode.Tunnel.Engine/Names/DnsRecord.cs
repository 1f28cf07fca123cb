namespace Diode.Tunnel.Engine.Names;

/// <summary>A resource record that was read; its data stays in the message.</summary>
/// <param name="Name">Owner, as in <see cref="DnsQuery.Name"/>.</param>
/// <param name="Type">Record type.</param>
/// <param name="Class">Class (the UDP length in an OPT record).</param>
/// <param name="TimeToLive">Seconds.</param>
/// <param name="DataOffset">Where the data starts in the message.</param>
/// <param name="DataLength">Its length.</param>
public readonly record struct DnsRecord(
    string Name, ushort Type, ushort Class, uint TimeToLive, int DataOffset, int DataLength);
