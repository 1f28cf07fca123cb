using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine;

/// <content>
/// Exit directories: contracts in which anybody lists an exit. They are read when somebody looks at them. A listing lets nobody in
/// anywhere: an exit that is in no fleet with this device can be seen, not used.
/// </content>
public sealed partial class TunnelEngine
{
    // Anybody can list any number: what is shown, and paid for, stays small.
    private const int MostRegions = 64;
    private const int MostOfRegion = 16;

    private static readonly TimeSpan DirectoryTimeout = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan DirectoryFresh = TimeSpan.FromMinutes(1);

    private readonly List<(ChainAccess Chain, Address Contract)> _directories = [];
    private CommunityExits _community = CommunityExits.None;
    private DateTimeOffset _communityRead;

    private void OpenDirectories()
    {
        foreach (string text in _options.ExitDirectories)
        {
            string[] parts = text.Split('=', 2);
            _directories.Add((FindChain(parts[0], "…"), parts.Length == 2 && Address.TryParse(parts[1], out Address contract)
                ? contract
                : throw new TunnelException($"'{text}' is not CHAIN=0x… of an exit directory.", code: "BAD_REQUEST")));
        }
    }

    /// <summary>The exits that the directories list, at most a minute old.</summary>
    public async Task<CommunityExits> ListCommunityExitsAsync(CancellationToken cancellation)
    {
        (bool isFresh, CommunityExits known) = await _loop.InvokeAsync(
            () => (_time.GetUtcNow() - _communityRead < DirectoryFresh, _community), cancellation).ConfigureAwait(false);
        if (_directories.Count == 0 || isFresh)
        {
            return known;
        }

        List<CommunityExit> exits = [];
        List<string> problems = [];
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _chainsStopped.Token);
        limit.CancelAfter(DirectoryTimeout);
        foreach ((ChainAccess chain, Address contract) in _directories)
        {
            try
            {
                await ReadDirectoryAsync(chain, contract, exits, problems, limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                problems.Add($"exit directory {contract} on chain '{chain.Prefix}' took more than {DirectoryTimeout.TotalSeconds:0} s");
            }
        }

        CommunityExits read = new([.. exits.OrderBy(static e => e.Region, StringComparer.Ordinal)], problems);
        await _loop.InvokeAsync(
            () =>
            {
                // What can't be read is asked for again the next time, and then nothing is known: an entry is only an advertisement.
                (_community, _communityRead) = (read, problems.Count == 0 ? _time.GetUtcNow() : default);
            },
            cancellation).ConfigureAwait(false);
        return read;
    }

    private async Task ReadDirectoryAsync(
        ChainAccess chain, Address contract, List<CommunityExit> exits, List<string> problems, CancellationToken cancel)
    {
        ChainFleetReader reader = _chains.ReaderOf(chain);
        EvmResult<(byte[] Data, string Assurance)> answer = await reader.CallAsync(contract, ExitDirectoryCalls.Regions(), cancel).ConfigureAwait(false);
        string[]? regions = null;
        if (!answer.IsOk || !ExitDirectoryCalls.TryReadRegions(answer.Value.Data, out regions))
        {
            problems.Add($"exit directory {contract} on chain '{chain.Prefix}' can't be read: {answer.Failure ?? "it is none"}");
            return;
        }

        regions = [.. regions.Where(static r => r.Length is > 0 and <= 16 && r.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-'))];
        if (regions.Length > MostRegions)
        {
            problems.Add($"exit directory {contract} has {regions.Length} regions, the first {MostRegions} are shown");
        }

        EvmResult<EvmResult<byte[]>[]> pages = await reader.CallAllAsync(
            [.. regions.Take(MostRegions).Select(r => new ChainCall(contract, ExitDirectoryCalls.List(r, 0, MostOfRegion)))], cancel).ConfigureAwait(false);
        if (!pages.IsOk)
        {
            problems.Add($"exit directory {contract} on chain '{chain.Prefix}' can't be read: {pages.Failure}");
            return;
        }

        ulong now = (ulong)_time.GetUtcNow().ToUnixTimeSeconds();
        foreach (EvmResult<byte[]> page in pages.Value)
        {
            if (page.IsOk && ExitDirectoryCalls.TryReadList(page.Value, MostOfRegion, out ExitEntry[]? entries))
            {
                exits.AddRange(entries.Where(e => !e.Device.IsZero && e.Expires > now).Select(e => new CommunityExit(
                    e.Device.ToString(),
                    e.Region,
                    e.HasIpv4,
                    e.HasIpv6,
                    e.PolicyUrl,
                    DateTimeOffset.FromUnixTimeSeconds((long)Math.Min(e.Expires, (ulong)int.MaxValue * 2)),
                    $"{chain.Prefix}: {answer.Value.Assurance}")));
            }
            else
            {
                problems.Add($"exit directory {contract} on chain '{chain.Prefix}' can't be read in part: {page.Failure ?? "malformed entries"}");
            }
        }
    }

    // Why a wish can't be granted that the directories seem to grant.
    private string DescribeStrangers(string target)
    {
        int strangers = _community.Exits.Count(e => !_mesh.Peers.ContainsKey(Address.Parse(e.Device))
            && (target == "auto" || e.Region == target || string.Equals(e.Device, target, StringComparison.OrdinalIgnoreCase)));
        return strangers == 0 ? ""
            : $" {strangers} of the community listed there cannot be used: an exit lets in only devices of a fleet with it.";
    }
}

/// <summary>An exit in an exit directory: somebody says that it is there, no more.</summary>
/// <param name="Device">The exit.</param>
/// <param name="Region">Where it says it is.</param>
/// <param name="Ipv4">Whether it says to carry IPv4.</param>
/// <param name="Ipv6">Whether it says to carry IPv6.</param>
/// <param name="PolicyUrl">Where its policy can be read; may be empty.</param>
/// <param name="Expires">When the entry ends.</param>
/// <param name="Assurance">How it is known that it is listed.</param>
public sealed record CommunityExit(
    string Device, string Region, bool Ipv4, bool Ipv6, string PolicyUrl, DateTimeOffset Expires, string Assurance);

/// <summary>What the exit directories list.</summary>
/// <param name="Exits">The entries in force.</param>
/// <param name="Problems">What could not be read, for people.</param>
public sealed record CommunityExits(IReadOnlyList<CommunityExit> Exits, IReadOnlyList<string> Problems)
{
    /// <summary>No directory, or none read yet.</summary>
    public static CommunityExits None { get; } = new([], []);
}
