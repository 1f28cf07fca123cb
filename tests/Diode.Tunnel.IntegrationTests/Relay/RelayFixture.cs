using System.Net;
using Diode.Tunnel.Relay;
using Diode.Tunnel.Relay.Sessions;
using Microsoft.Extensions.Logging.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>A relay on two free loopback ports with its state in a folder of its own.</summary>
internal sealed class RelayFixture : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("diode-relay-").FullName;

    public RelayFixture(RelayLimits? limits = null)
    {
        Options = new RelayOptions
        {
            Listen = [new IPEndPoint(IPAddress.Loopback, 0), new IPEndPoint(IPAddress.Loopback, 0)],
            StateDirectory = _folder,
            Limits = limits ?? new RelayLimits(),
        };
        Node = new RelayNode(Options, NullLogger.Instance);
        Node.Start();
    }

    public RelayOptions Options { get; }

    public RelayNode Node { get; }

    public string Folder => _folder;

    public async Task WaitForAsync(Func<bool> condition, string what)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!condition())
        {
            Xunit.Assert.False(
                timeout.IsCancellationRequested, $"{what}: {string.Join(", ", Node.ReadCounters())}");
            await Task.Delay(20);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Node.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
