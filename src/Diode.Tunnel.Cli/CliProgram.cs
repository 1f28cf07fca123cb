using System.CommandLine;
using System.CommandLine.Help;
using System.Text.Json;
using Diode.Tunnel.Cli.Commands;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli;

/// <summary>The command line as a function of its arguments.</summary>
public static class CliProgram
{
    private const string Name = "diode-tunnel";

    /// <summary>Runs one command; returns one of <see cref="CliExitCodes"/>.</summary>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, CliTerminal terminal)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(terminal);
        var shell = new CliShell(terminal);
        RootCommand root = Build(shell);
        ParseResult parsed = root.Parse(arguments);
        if (parsed.Errors.Count > 0 && parsed.Action is not HelpAction)
        {
            string command = CommandPath(parsed);
            string message = parsed.UnmatchedTokens is [string unknown, ..]
                ? $"Unknown argument '{unknown}'."
                : parsed.Errors[0].Message;
            return Fail(terminal, false, "USAGE", message, $"See {command} --help", CliExitCodes.Usage);
        }

        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                Output = terminal.Out,
                Error = terminal.Error,
            });
        }
        catch (UsageException e)
        {
            return Fail(terminal, shell.Json(parsed), "USAGE", e.Message, e.Hint, CliExitCodes.Usage);
        }
        catch (ControlException e)
        {
            string? hint = e.Code == ControlErrorCodes.PrivilegeRequired ? Elevated(arguments) : e.Hint;
            return Fail(terminal, shell.Json(parsed), e.Code, e.Message, hint, CliExitCodes.For(e.Code));
        }
        catch (OperationCanceledException)
        {
            return CliExitCodes.Interrupted;
        }
        catch (IOException e)
        {
            // A reader that closed the pipe (diode-tunnel status | head) is no failure worth words.
            return e.GetType() == typeof(IOException)
                ? CliExitCodes.Failed
                : Fail(terminal, shell.Json(parsed), "FILE", e.Message, null, CliExitCodes.Failed);
        }
        catch (Exception e)
        {
            return Fail(
                terminal,
                shell.Json(parsed),
                ControlErrorCodes.Internal,
                $"Fault in the program: {e.GetType().Name}: {e.Message}",
                "Please report it with the command that led to it.",
                CliExitCodes.Failed);
        }
    }

    private static RootCommand Build(CliShell shell)
    {
        var root = new RootCommand("Controls the Diode Tunnel service of this machine.")
        {
            UpCommand.Create(shell),
            DownCommand.Create(shell),
            StatusCommand.Create(shell),
            PingCommand.Create(shell),
            WhoamiCommand.Create(shell),
            IpCommand.Create(shell),
            FleetCommand.Create(shell),
            JoinCommand.Create(shell),
            LeaveCommand.Create(shell),
            PublishCommand.Create(shell),
            UnpublishCommand.Create(shell),
            BindCommand.Create(shell),
            ClearTextCommand.Create(shell),
            BnsCommand.Create(shell),
            ExitCommand.Create(shell),
            TicketCommand.Create(shell),
            ResetCommand.Create(shell),
            VersionCommand.Create(shell),
        };
        shell.AddGlobals(root);
        return root;
    }

    private static string CommandPath(ParseResult parsed)
    {
        var names = new List<string>();
        for (System.CommandLine.Parsing.SymbolResult? result = parsed.CommandResult; result is not null; result = result.Parent)
        {
            if (result is System.CommandLine.Parsing.CommandResult { Command: not RootCommand } command)
            {
                names.Insert(0, command.Command.Name);
            }
        }

        return string.Join(' ', names.Prepend(Name));
    }

    /// <summary>The very command that was typed, ready to be pasted.</summary>
    private static string Elevated(IReadOnlyList<string> arguments) =>
        $"sudo {Name} {string.Join(' ', arguments.Select(ShellQuote.Of))}";

    private static int Fail(CliTerminal terminal, bool json, string code, string message, string? hint, int exitCode)
    {
        if (json)
        {
            var error = new ControlError { Code = code, Message = message, Hint = hint };
            terminal.Error.WriteLine(JsonSerializer.Serialize(error, ControlJson.Default.ControlError));
            return exitCode;
        }

        terminal.Error.WriteLine($"{Name}: {SafeText.Of(message)}");
        if (hint is not null)
        {
            terminal.Error.WriteLine($"  {SafeText.Of(hint)}");
        }

        return exitCode;
    }
}
