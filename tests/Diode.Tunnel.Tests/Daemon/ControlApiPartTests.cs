using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Daemon.ControlApi;
using Diode.Tunnel.Daemon.Hosting;
using Xunit;

namespace Diode.Tunnel.Tests.Daemon;

public sealed class ControlApiPartTests
{
    [Theory]
    [InlineData(0u, AccessLevel.ReadWrite)]
    [InlineData(500u, AccessLevel.ReadWrite)]
    [InlineData(1000u, AccessLevel.ReadWrite)]
    [InlineData(1001u, AccessLevel.ReadOnly)]
    [InlineData(uint.MaxValue, AccessLevel.ReadOnly)]
    public void Root_daemon_and_operator_may_change(uint uid, AccessLevel access) =>
        Assert.Equal(access, new AccessPolicy(DaemonUid: 500, OperatorUid: 1000).For(uid));

    [Fact]
    public void Without_an_operator_nobody_else_may() =>
        Assert.Equal(AccessLevel.ReadOnly, new AccessPolicy(DaemonUid: 0, OperatorUid: null).For(1000));

    [Fact]
    public void Metrics_are_sorted_in_families_with_types()
    {
        string text = MetricsText.Write(new Dictionary<string, long>
        {
            ["drops_total{reason=\"b\"}"] = 2,
            ["drops_total_more"] = 9,
            ["drops_total{reason=\"a\"}"] = 1,
            ["peers.online"] = 3,
        });
        Assert.Equal(
            "# TYPE diode_tunnel_drops_total counter\n"
            + "diode_tunnel_drops_total{reason=\"a\"} 1\n"
            + "diode_tunnel_drops_total{reason=\"b\"} 2\n"
            + "# TYPE diode_tunnel_drops_total_more gauge\n"
            + "diode_tunnel_drops_total_more 9\n"
            + "# TYPE diode_tunnel_peers_online gauge\n"
            + "diode_tunnel_peers_online 3\n",
            text);
    }

    [Fact]
    public async Task Relay_name_and_relay_verb_choose_the_relay_role()
    {
        foreach ((string name, string[] arguments) in new[] { ("/usr/sbin/diode-relay", new[] { "--help" }), ("diode-tunneld", ["relay", "--help"]) })
        {
            using var output = new StringWriter();
            Assert.Equal(0, await DaemonProgram.RunAsync(name, arguments, output, TextWriter.Null));
            Assert.Contains("diode-relay: a relay", output.ToString(), StringComparison.Ordinal);
        }

        using var version = new StringWriter();
        Assert.Equal(0, await DaemonProgram.RunAsync("diode-relay", ["--version"], version, TextWriter.Null));
        Assert.StartsWith("diode-relay ", version.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_names_every_setting()
    {
        using var output = new StringWriter();
        await DaemonProgram.RunAsync("diode-tunneld", ["--help"], output, TextWriter.Null);
        Assert.All(
            Diode.Tunnel.Daemon.Configuration.DaemonOptions.Table.Rows,
            row => Assert.Contains(row.Flag, output.ToString(), StringComparison.Ordinal));
    }
}
