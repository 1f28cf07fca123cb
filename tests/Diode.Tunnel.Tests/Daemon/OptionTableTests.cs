using System.Text;
using Diode.Tunnel.Daemon.Configuration;
using Diode.Tunnel.Daemon.Hosting;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Sockets;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Diode.Tunnel.Tests.Daemon;

public sealed class OptionTableTests : IDisposable
{
    private const string Relay = "diode://0x1111111111111111111111111111111111111111@relay.example:41046";

    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Fact]
    public void Defaults_hold_without_any_source()
    {
        DaemonOptions options = Read(null, [], "/there-is-no-such-file");
        Assert.Equal("diode0", options.Interface);
        Assert.Equal(1420, options.Mtu);
        Assert.Equal("100.64.0.0/10", options.Ipv4Pool.ToString());
        Assert.Null(options.OperatorUid);
    }

    [Fact]
    public void Command_line_beats_environment_beats_file()
    {
        DaemonOptions options = Read(
            """{ "mtu": 1300, "interface": "file0", "stateDir": "/file", /* comment */ "relays": [], }""",
            new() { ["DIODE_TUNNEL_MTU"] = "1400", ["DIODE_TUNNEL_INTERFACE"] = "env0", ["DIODE_TUNNEL_OFFLOADS"] = "-udp-merge", ["HOME"] = "/root" },
            arguments: ["--mtu", "1400", "--relays", Relay, $"--relays={Relay},{Relay}", "--log-level", "debug"]);
        Assert.Equal(1400, options.Mtu);
        Assert.Equal("env0", options.Interface);
        Assert.Equal("/file", options.StateDir);
        Assert.Equal(3, options.Relays.Count);
        Assert.Equal(LogLevel.Debug, options.LogLevel);
        Assert.Equal(OffloadSwitches.All with { Udp = UdpOffloads.Segmentation }, options.Offloads);
    }

    [Theory]
    [InlineData("""{ "relay": [] }""", "unknown key 'relay'", "Did you mean 'relays'?")]
    [InlineData("""{ "mtu": 1280, "mtu": 1281 }""", "mtu: given twice", "Keep one.")]
    [InlineData("""{ "mtu": "big" }""", "mtu: 'big' is not a number from 1280 to 1420", "Mtu of")]
    [InlineData("""{ "mtu": null }""", "mtu: must be a text or a number", "Correct")]
    [InlineData("""{ "relays": "diode://x" }""", "relays: must be a list", "[")]
    [InlineData("""{ "relays": ["diode://0x11@h:1"] }""", "is not of the form diode://", "Relay")]
    [InlineData("""{ "ipv4Pool": "10.0.0.1/8" }""", "is not an IPv4 network", "Network")]
    [InlineData("""{ "interface": "much-too-long-name" }""", "at most 15 characters", "Name")]
    [InlineData("""{ "offloads": ["warp"] }""", "'warp' names an offload there is not", "Work")]
    [InlineData("""{ "operator": "no such user" }""", "neither a user id nor a local user", "User")]
    [InlineData("""{ "socket": "relative" }""", "not an absolute path", "Control socket")]
    [InlineData("{\n  \"mtu\": }", "not valid JSON at line 2", "Correct")]
    [InlineData("[]", "must be one JSON object", "mtu")]
    public void File_is_refused_with_cause_and_cure(string json, string message, string hint)
    {
        StartupException refusal = Assert.Throws<StartupException>(() => Read(json));
        Assert.Equal(DaemonExitCodes.Configuration, refusal.ExitCode);
        Assert.Contains(message, refusal.Message, StringComparison.Ordinal);
        Assert.Contains(hint, refusal.Hint, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Unknown argument '--mtuu'", "--mtuu", "1")]
    [InlineData("--mtu needs a value", "--mtu")]
    [InlineData("--mtu is given twice", "--mtu", "1280", "--mtu=1300")]
    [InlineData("--config is given twice", "--config=/a", "--config=/b")]
    [InlineData("Unknown argument 'up'", "up")]
    public void Command_line_is_refused_with_cause(string message, params string[] arguments)
    {
        StartupException refusal = Assert.Throws<StartupException>(() => Read(null, arguments: arguments));
        Assert.Equal(DaemonExitCodes.Usage, refusal.ExitCode);
        Assert.Contains(message, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_variable_of_ours_is_refused_and_a_foreign_one_is_not()
    {
        Read(null, new() { ["DIODE_OTHER"] = "x" });
        StartupException refusal = Assert.Throws<StartupException>(() => Read(null, new() { ["DIODE_TUNNEL_MTUU"] = "1" }));
        Assert.Contains("DIODE_TUNNEL_MTU'", refusal.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void Variable_names_the_file_and_a_named_file_must_exist()
    {
        File.WriteAllText(_file, """{ "mtu": 1350 }""");
        Assert.Equal(1350, Read(null, new() { ["DIODE_TUNNEL_CONFIG"] = _file }, "/none").Mtu);
        Assert.Throws<StartupException>(() => Read(null, arguments: ["--config", "/there-is-no-such-file"]));
    }

    [Fact]
    public void Mutated_files_are_read_or_refused_but_never_crash()
    {
        byte[] seed = Encoding.UTF8.GetBytes(
            $$"""{ "mtu": 1300, "interface": "file0", "relays": ["{{Relay}}"], "ipv4Pool": "100.64.0.0/10", "operator": 1000 }""");
        var random = new System.Random(7);
        int read = 0;
        int refused = 0;
        for (int i = 0; i < 10_000; i++)
        {
            byte[] mutated = [.. seed];
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                mutated[random.Next(mutated.Length)] = (byte)random.Next(256);
            }

            File.WriteAllBytes(_file, mutated);
            try
            {
                Read(null, arguments: ["--config", _file]);
                read++;
            }
            catch (StartupException)
            {
                refused++;
            }
        }

        Assert.True(read > 0 && refused > 1000, $"{read} read, {refused} refused");
    }

    private DaemonOptions Read(
        string? json, Dictionary<string, string>? environment = null, string? file = null, string[]? arguments = null)
    {
        if (json is not null)
        {
            File.WriteAllText(_file, json);
        }

        string defaultFile = file ?? (json is null ? "/there-is-no-such-file" : _file);
        return DaemonOptions.Table.Read(new DaemonOptions(), defaultFile, environment ?? [], arguments ?? []);
    }
}
