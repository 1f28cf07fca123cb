using System.CommandLine;
using Diode.Tunnel.Control;

namespace Diode.Tunnel.Cli;

/// <summary>The global options, and how a command becomes an action with client and error handling.</summary>
internal sealed class CliShell(CliTerminal terminal)
{
    private readonly Option<string?> _socket = new("--socket")
    {
        Description = "Control socket of the daemon (DIODE_TUNNEL_SOCKET).",
        HelpName = "FILE",
        Recursive = true,
    };

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Write JSON documents with a schemaVersion.",
        Recursive = true,
    };

    private readonly Option<int> _timeout = new("--timeout")
    {
        Description = "Seconds to wait for an answer.",
        HelpName = "SECONDS",
        DefaultValueFactory = _ => (int)ControlClient.DefaultTimeout.TotalSeconds,
        Recursive = true,
    };

    internal CliTerminal Terminal => terminal;

    internal void AddGlobals(RootCommand root)
    {
        _timeout.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !(int.TryParse(result.Tokens[0].Value, out int seconds) && seconds is > 0 and <= 86400))
            {
                result.AddError("--timeout takes seconds, 1 to 86400.");
            }
        });
        root.Add(_socket);
        root.Add(_json);
        root.Add(_timeout);
    }

    internal ControlEndpoint Endpoint(ParseResult parsed) => ControlEndpoint.Resolve(parsed.GetValue(_socket));

    internal bool Json(ParseResult parsed) => parsed.GetValue(_json);

    /// <summary>Gives a command its action; the client lives as long as the action.</summary>
    internal Command Handle(Command command, Func<ParseResult, CliRun, CancellationToken, Task<int>> action)
    {
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = new ControlClient(Endpoint(parsed), TimeSpan.FromSeconds(parsed.GetValue(_timeout)));
            return await action(parsed, new CliRun(client, terminal, Json(parsed)), cancellationToken);
        });
        return command;
    }
}
