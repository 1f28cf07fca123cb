using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Ethereum.Abi;

namespace Diode.Tunnel.Ethereum.Contracts;

/// <summary>Calls of the exit directory and what they return. Pure; answers never throw.</summary>
public static class ExitDirectoryCalls
{
    private const int Ipv4Bit = 1;
    private const int Ipv6Bit = 2;
    private const int MaxRegions = 10_000;

    /// <summary>Lists the caller as an exit.</summary>
    public static byte[] Register(string region, bool ipv4, bool ipv6, string policyUrl, TimeSpan lifetime) =>
        new AbiWriter("Register(string,uint8,string,uint64)").WriteString(region)
            .WriteUInt((ipv4 ? Ipv4Bit : 0) | (ipv6 ? Ipv6Bit : 0)).WriteString(policyUrl).WriteUInt((long)lifetime.TotalSeconds).ToArray();

    /// <summary>Prolongs the caller's entry.</summary>
    public static byte[] Renew(TimeSpan lifetime) => new AbiWriter("Renew(uint64)").WriteUInt((long)lifetime.TotalSeconds).ToArray();

    /// <summary>Removes the caller's entry.</summary>
    public static byte[] Unregister() => new AbiWriter("Unregister()").ToArray();

    /// <summary>Regions that have entries.</summary>
    public static byte[] Regions() => new AbiWriter("Regions()").ToArray();

    /// <summary>Number of entries of a region, ended ones included: the end of paging.</summary>
    public static byte[] Count(string region) => new AbiWriter("Count(string)").WriteString(region).ToArray();

    /// <summary>The entries in force among a page.</summary>
    public static byte[] List(string region, int offset, int limit) =>
        new AbiWriter("List(string,uint256,uint256)").WriteString(region).WriteUInt(offset).WriteUInt(limit).ToArray();

    /// <summary>Reads what <see cref="Regions"/> returned.</summary>
    public static bool TryReadRegions(ReadOnlySpan<byte> data, [NotNullWhen(true)] out string[]? regions) =>
        new AbiReader(data).TryReadStrings(MaxRegions, out regions);

    /// <summary>Reads what <see cref="Count"/> returned.</summary>
    public static bool TryReadCount(ReadOnlySpan<byte> data, out ulong count) => new AbiReader(data).TryReadUInt64(out count);

    /// <summary>Reads a page of at most <paramref name="most"/> entries.</summary>
    public static bool TryReadList(ReadOnlySpan<byte> data, int most, [NotNullWhen(true)] out ExitEntry[]? entries)
    {
        entries = null;
        var reader = new AbiReader(data);
        if (!reader.TryReadList(most, out int count, out AbiReader items))
        {
            return false;
        }

        var found = new List<ExitEntry>();
        for (int i = 0; i < count; i++)
        {
            if (!items.TryReadTuple(out AbiReader members)
                || !members.TryReadAddress(out Address device)
                || !members.TryReadString(out string? region)
                || !members.TryReadUInt64(out ulong families)
                || !members.TryReadString(out string? policy)
                || !members.TryReadUInt64(out ulong expires))
            {
                return false;
            }

            found.Add(new ExitEntry(device, region, (families & Ipv4Bit) != 0, (families & Ipv6Bit) != 0, policy, expires));
        }

        entries = [.. found];
        return true;
    }
}
