using System.Net.Sockets;
using Diode.Tunnel.Cli;
using Diode.Tunnel.Control;
using Diode.Tunnel.Daemon.ControlApi;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.IntegrationTests.ControlApi;

/// <summary>The real API server on a socket of its own, with a recording backend behind it.</summary>
internal sealed class ControlApiFixture : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("diode-api-");

    private ControlApiFixture(AccessPolicy? access)
    {
        // The folder of the socket is made by the server; the parent must let other users through.
        File.SetUnixFileMode(_folder.FullName, (UnixFileMode)Convert.ToInt32("755", 8));
        Options = new ControlApiOptions(
            Path.Combine(_folder.FullName, "run", "daemon.sock"), access ?? new AccessPolicy(DaemonUid: 4242, OperatorUid: null));
    }

    internal RecordingBackend Backend { get; } = new();

    internal ControlApiOptions Options { get; }

    internal WebApplication App { get; private set; } = null!;

    internal string Folder => _folder.FullName;

    internal ControlEndpoint Endpoint => new(Options.SocketPath);

    internal static async Task<ControlApiFixture> StartAsync(AccessPolicy? access = null)
    {
        var fixture = new ControlApiFixture(access);
        fixture.App = fixture.Build();
        await fixture.App.StartAsync();
        return fixture;
    }

    internal WebApplication Build() => ControlApiServer.Build(Options, services =>
    {
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.None));
        services.AddSingleton<IControlBackend>(Backend);
    });

    internal Task<CliResult> CliAsync(params string[] arguments) => RunAsync(null, arguments);

    /// <summary>The same with a person who answers.</summary>
    internal Task<CliResult> CliAnswerAsync(string answer, params string[] arguments) => RunAsync(answer, arguments);

    private async Task<CliResult> RunAsync(string? answer, string[] arguments)
    {
        using StringReader? input = answer is null ? null : new StringReader(answer + "\n");
        using var output = new StringWriter();
        using var error = new StringWriter();
        int exitCode = await CliProgram.RunAsync(
            [.. arguments, "--socket", Options.SocketPath], new CliTerminal(output, error, IsInteractive: false) { In = input });
        return new CliResult(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>Sends bytes as they are and returns all that comes back before the server closes.</summary>
    internal async Task<string> RawAsync(string request)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Options.SocketPath));
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(System.Text.Encoding.Latin1.GetBytes(request));
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(10));
    }

    public async ValueTask DisposeAsync()
    {
        await App.StopAsync();
        await App.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}

/// <summary>What a run of the command line left behind.</summary>
internal sealed record CliResult(int ExitCode, string Output, string Error);
