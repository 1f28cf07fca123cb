namespace Diode.Tunnel.IntegrationTests.Namespaces;

/// <summary>How a command ended and what it printed (standard output, then standard error).</summary>
internal readonly record struct CommandResult(int ExitCode, string Output);
