using System.CommandLine;
using System.Globalization;
using System.Numerics;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary>
/// The options of everything that is written to a chain, and the way it goes: what it does and costs is shown, then somebody says yes,
/// then it is sent.
/// </summary>
internal sealed class ChainOptions
{
    private const int KeyDigits = 64;

    private readonly Option<string?> _key = new("--key")
    {
        Description = "File with the private key to sign with, 64 hex digits (default: this device's own key).",
        HelpName = "FILE",
    };

    private readonly Option<bool> _yes = new("--yes", "-y") { Description = "Send without asking." };

    private readonly Option<bool> _meta = new("--meta")
    {
        Description = "Ask a relay to send it at its own expense (chains with CallPermit, relays with meta transactions): the signer needs no coins.",
    };

    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Only say what would be sent and what it would cost." };

    private ChainOptions(string description)
    {
        Chain = new Option<string?>("--chain") { Description = description, HelpName = "CHAIN" };
    }

    /// <summary><c>--chain CHAIN</c>.</summary>
    internal Option<string?> Chain { get; }

    /// <summary>Adds the options to a command.</summary>
    internal static ChainOptions Add(
        Command command, string description = "Chain: diode, glmr, base, sapphire, av or an id (default: the only one configured, or that of the tickets).")
    {
        ChainOptions options = new(description);
        command.Add(options.Chain);
        command.Add(options._key);
        command.Add(options._yes);
        command.Add(options._dryRun);
        command.Add(options._meta);
        return options;
    }

    /// <summary><c>--contract 0x…</c>.</summary>
    internal static Option<string?> ContractOption(string what) => new("--contract")
    {
        Description = what,
        HelpName = "ADDRESS",
    };

    /// <summary>Fails where the options are given to something that is written to no chain: a dry run must not become a real one.</summary>
    internal void RefuseWithoutChain(ParseResult parsed)
    {
        if (parsed.GetValue(_dryRun) || parsed.GetValue(_key) is not null || parsed.GetValue(_meta))
        {
            throw new UsageException(
                $"{_dryRun.Name}, {_key.Name} and {_meta.Name} are for fleets of contracts, and this fleet is none.", "See: diode-tunnel fleet list");
        }
    }

    /// <summary>Shows what a request would cost, asks, and sends it.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="run">The run.</param>
    /// <param name="request">What is to be done, without chain and key.</param>
    /// <param name="after">Text for people once it is done.</param>
    /// <param name="cancellationToken">Gives up.</param>
    internal async Task<int> ActAsync(
        ParseResult parsed, CliRun run, ChainActionRequest request, Func<ChainActionResult, string?>? after, CancellationToken cancellationToken)
    {
        string? key = parsed.GetValue(_key) is { } file ? await ReadKeyAsync(file, cancellationToken) : null;
        request = request with { Chain = parsed.GetValue(Chain), Key = key, Meta = parsed.GetValue(_meta) };
        ChainActionResult plan = await run.Client.ActOnChainAsync(request, cancellationToken);
        bool isDryRun = parsed.GetValue(_dryRun);
        TextWriter told = run.Json && !isDryRun ? run.Terminal.Error : run.Out;
        if (isDryRun && run.Json)
        {
            run.Show(plan, json => json.ChainActionResult, static _ => { });
            return CliExitCodes.Ok;
        }

        Describe(plan, told);
        if (isDryRun)
        {
            await told.WriteLineAsync("Nothing was sent.");
            return CliExitCodes.Ok;
        }

        if (!parsed.GetValue(_yes) && !await AskAsync(run, cancellationToken))
        {
            await told.WriteLineAsync("Nothing was sent.");
            return CliExitCodes.Negative;
        }

        ChainActionResult done = await run.Client.ActOnChainAsync(request with { Send = true, MostCost = plan.MostCost }, cancellationToken);
        run.Show(done, json => json.ChainActionResult, writer =>
        {
            writer.WriteLine($"transaction {SafeText.Of(done.Transaction ?? "")}");
            writer.WriteLine(done.Confirmed ? "done: it is in a block" : "sent, but not in a block yet: look it up later");
            if (done.Confirmed && after?.Invoke(done) is { } more)
            {
                writer.WriteLine(SafeText.Of(more));
            }
        });
        return done.Confirmed ? CliExitCodes.Ok : CliExitCodes.Unavailable;
    }

    private static void Describe(ChainActionResult plan, TextWriter writer)
    {
        writer.WriteLine(SafeText.Of($"{plan.Text} on chain {plan.Chain} ({plan.ChainId})"));
        if (plan.Deadline is { } deadline)
        {
            writer.WriteLine(SafeText.Of($"  signed by  {plan.From}, permit number {plan.Nonce}, until {deadline.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture)}"));
            writer.WriteLine(SafeText.Of($"  contract   {plan.Contract}"));
            writer.WriteLine(SafeText.Of($"  gas        at most {plan.GasLimit.ToString(CultureInfo.InvariantCulture)}, paid by the relay"));
            writer.WriteLine(SafeText.Of($"  via        the first that agrees of {string.Join(", ", plan.Via)}"));
            return;
        }

        writer.WriteLine(SafeText.Of($"  signed by  {plan.From}, transaction number {plan.Nonce}"));
        writer.WriteLine(SafeText.Of($"  contract   {plan.Contract}"));
        writer.WriteLine(SafeText.Of(
            $"  gas        at most {plan.GasLimit.ToString(CultureInfo.InvariantCulture)} at {Coins(plan.GasPrice, 9)} gwei: at most {Coins(plan.MostCost, 18)} coins"));
        writer.WriteLine(SafeText.Of($"  balance    {Coins(plan.Balance, 18)} coins"));
        writer.WriteLine(SafeText.Of($"  via        {string.Join(", ", plan.Via)}"));
    }

    private async Task<bool> AskAsync(CliRun run, CancellationToken cancellationToken)
    {
        if (run.Terminal.In is not { } input)
        {
            throw new UsageException("Nobody is there to be asked whether to send it.", $"Add {_yes.Name} to send, or {_dryRun.Name} to look.");
        }

        await run.Terminal.Error.WriteAsync("Send it? [y/N] ");
        string? answer = await input.ReadLineAsync(cancellationToken);
        return answer?.Trim().ToLowerInvariant() is "y" or "yes";
    }

    // Read with the rights of the user; the daemon gets the key, never the path.
    private static async Task<string> ReadKeyAsync(string file, CancellationToken cancellationToken)
    {
        string text;
        try
        {
            const UnixFileMode ownerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & ~ownerOnly) != 0)
            {
                throw new ControlException(
                    ControlErrorCodes.BadRequest, $"The key file {file} may be read by others.", $"If nobody has copied it: chmod 600 {ShellQuote.Of(file)}");
            }

            text = (await File.ReadAllTextAsync(file, cancellationToken)).Trim();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ControlException(ControlErrorCodes.NotFound, $"There is no file {file}.", null, 404, e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new ControlException(ControlErrorCodes.PrivilegeRequired, $"You may not read {file}.", null, 403, e);
        }

        string digits = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? text[2..] : text;
        return digits.Length == KeyDigits && digits.All(char.IsAsciiHexDigit)
            ? digits
            : throw new ControlException(ControlErrorCodes.BadRequest, $"{file} is no key file: it is not one line of {KeyDigits} hexadecimal digits.");
    }

    // Exact: what costs money is not rounded.
    private static string Coins(string smallest, int decimals)
    {
        if (!BigInteger.TryParse(smallest, NumberStyles.None, CultureInfo.InvariantCulture, out BigInteger value))
        {
            return "?";
        }

        BigInteger whole = BigInteger.DivRem(value, BigInteger.Pow(10, decimals), out BigInteger rest);
        string fraction = rest.ToString(CultureInfo.InvariantCulture).PadLeft(decimals, '0').TrimEnd('0');
        return whole.ToString(CultureInfo.InvariantCulture) + (fraction.Length > 0 ? "." + fraction : "");
    }
}
