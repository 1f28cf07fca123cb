using Diode.Tunnel.Cli;

return await CliProgram.RunAsync(args, CliTerminal.FromConsole());
