using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Network;

/// <summary>
/// Whole nftables tables through one <c>nft -f -</c> each: the kernel applies the text as one transaction, and speaking
/// its bytecode directly would be more code than the rest of this folder.
/// </summary>
internal static class Nftables
{
    internal static void Replace(TableChange table) =>
        Run($"Could not load the firewall table {table.Family} {table.Name}", ReplaceText(table));

    internal static void Delete(TableChange table) =>
        Run($"Could not remove the firewall table {table.Family} {table.Name}", DeleteText(table));

    /// <summary>"table" before "delete" makes the delete succeed whether the table exists or not.</summary>
    internal static string ReplaceText(TableChange table) =>
        $"{DeleteText(table)}table {table.Family} {table.Name} {{\n{table.Body}\n}}\n";

    internal static string DeleteText(TableChange table)
    {
        Validate(table);
        return $"table {table.Family} {table.Name}\ndelete table {table.Family} {table.Name}\n";
    }

    private static void Validate(TableChange table)
    {
        if (table.Family is not ("inet" or "ip" or "ip6")
            || table.Name.Length == 0
            || !table.Name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
        {
            throw new PlatformException($"'{table.Family} {table.Name}' is no valid firewall table", Libc.EINVAL);
        }
    }

    private static void Run(string attempt, string text)
    {
        string nft = CommandLineTool.Find("nft") ?? throw new PlatformException(
            $"{attempt}: the program nft was not found", Libc.ENOENT, "install it with 'sudo apt install nftables'");
        (int exitCode, string error) = CommandLineTool.Run(nft, ["-f", "-"], text);
        if (exitCode == 0)
        {
            return;
        }

        bool forbidden = error.Contains("Operation not permitted", StringComparison.Ordinal);
        throw new PlatformException(
            $"{attempt}: {error}",
            forbidden ? Libc.EPERM : Libc.EINVAL,
            forbidden ? "run as root, for example with sudo (needs CAP_NET_ADMIN)" : null);
    }
}
