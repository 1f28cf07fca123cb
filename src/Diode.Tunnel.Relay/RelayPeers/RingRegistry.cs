using System.Buffers.Binary;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Chains;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <summary>
/// Reads the ring from the node registry on a chain: <c>getNodesAbove(10^18)</c> (reference §7.5, §11.5). As true as the
/// upstream that is asked.
/// </summary>
internal static class RingRegistry
{
    /// <summary>Ours: members that are believed.</summary>
    public const int MaxMembers = 1024;

    private const int Word = 32;

    /// <summary>Selector and one token of stake, the least that makes a member.</summary>
    private static readonly byte[] Query =
        [0x80, 0xe8, 0xa9, 0x1f, .. new byte[24], 0x0d, 0xe0, 0xb6, 0xb3, 0xa7, 0x64, 0x00, 0x00];

    /// <summary>The members, or null when the registry cannot be read.</summary>
    public static async Task<IReadOnlyList<Address>?> ReadAsync(
        IChainGateway chains, ulong chainId, Address registry, CancellationToken cancel)
    {
        byte[]? answer = await chains.EthCallAsync(chainId, registry, Query, cancel);
        return answer is not null && TryDecode(answer, out IReadOnlyList<Address> members) ? members : null;
    }

    /// <summary>Reads <c>address[]</c>: offset, count, words.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> data, out IReadOnlyList<Address> members)
    {
        members = [];
        if (!TryReadNumber(data, 0, out int offset)
            || !TryReadNumber(data, offset, out int count)
            || count > MaxMembers
            || data.Length - offset - Word < count * Word)
        {
            return false;
        }

        var read = new List<Address>(count);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> word = data.Slice(offset + Word + (i * Word), Word);
            if (word[..(Word - Address.Length)].IndexOfAnyExcept((byte)0) >= 0)
            {
                return false;
            }

            read.Add(new Address(word[(Word - Address.Length)..]));
        }

        members = read;
        return true;
    }

    private static bool TryReadNumber(ReadOnlySpan<byte> data, int at, out int number)
    {
        number = 0;
        if (at < 0 || at > data.Length - Word || data.Slice(at, Word - sizeof(int)).IndexOfAnyExcept((byte)0) >= 0)
        {
            return false;
        }

        number = BinaryPrimitives.ReadInt32BigEndian(data[(at + Word - sizeof(int))..]);
        return number >= 0;
    }
}
