using Diode.Tunnel.Engine;
using Diode.Tunnel.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Diode.Tunnel.Tests.Engine;

public sealed class FleetRenewalTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("diode-renewal-").FullName;

    [Fact]
    public async Task The_operators_daemon_signs_a_fleet_anew_before_it_runs_out()
    {
        // A tunnel that is down changes nothing on the machine; its fleets are looked after all the same.
        await File.WriteAllTextAsync(Path.Combine(_folder, "state.json"), """{ "schema": 1, "wantUp": false }""");
        ManualTimeProvider time = new(DateTimeOffset.UnixEpoch.AddDays(20_000));
        await using TunnelEngine engine = await TunnelEngine.StartAsync(
            new EngineOptions { StateDirectory = _folder }, NullLoggerFactory.Instance, time);
        FleetView made = await engine.CreateFleetAsync("home", "laptop", default);
        Assert.Equal(1, made.Version);

        time.Advance(TimeSpan.FromDays(200));
        await Task.Delay(300);
        Assert.Equal(1, Assert.Single((await engine.GetStatusAsync(default)).Fleets).Version);

        time.Advance(TimeSpan.FromDays(50));
        FleetView renewed = made;
        for (int i = 0; i < 100 && renewed.Version == 1; i++)
        {
            await Task.Delay(50);
            renewed = Assert.Single((await engine.GetStatusAsync(default)).Fleets);
        }

        Assert.Equal(2, renewed.Version);
        Assert.True(renewed.Expires > made.Expires);
        Assert.Equal(made.Operator, renewed.Operator);
    }

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
    }
}
