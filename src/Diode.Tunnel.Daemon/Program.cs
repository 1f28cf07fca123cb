using Diode.Tunnel.Daemon.Hosting;

return await DaemonProgram.RunAsync(DaemonProgram.InvokedAs(), args, Console.Out, Console.Error);
