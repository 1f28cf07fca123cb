using System.Text.Json;
using Diode.Tunnel.Cli;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.ControlApi;

/// <summary>Every verb through client, socket and server to the backend and back.</summary>
public sealed class CliVerbTests
{
    [Theory]
    [InlineData("up", "up", "Done: up")]
    [InlineData("down", "down", "first step")]
    [InlineData("reset", "reset", "Done: reset")]
    [InlineData("whoami", "whoami", "access    read-write")]
    [InlineData("ip -4", "status", "100.64.0.1")]
    [InlineData("ip server -6", "status", "fd00::2")]
    [InlineData("ping server -c 3", "ping server 3", "3 sent, 3 received, min/avg/max 1.50ms/3.00ms/4.50ms")]
    [InlineData("fleet list", "fleets", "member,operator")]
    [InlineData("fleet members home", "fleets", "server")]
    [InlineData("fleet create home --label me", "create home me", "home: version 3")]
    [InlineData("fleet add 0xabc printer --role exit,dns --role relay", "add  0xabc printer [exit dns relay]", "home:")]
    [InlineData("fleet add 0xabc printer --fleet home", "add home 0xabc printer []", "home:")]
    [InlineData("fleet remove printer", "remove  printer", "home:")]
    [InlineData("fleet leave home", "leave home", "Done")]
    [InlineData("fleet export", "export ", "{\"signed\": \"text\"}")]
    [InlineData("fleet export home", "export home", "{\"signed\": \"text\"}")]
    [InlineData("publish 22 --to fleet", "publish 22 False Any [fleet]", "fleet")]
    [InlineData("publish 53/udp --to fleet,0x1 --to x", "publish 53 False Udp [fleet 0x1 x]", "22")]
    [InlineData("publish --all --to fleet", "publish  True Any [fleet]", "22")]
    [InlineData("publish list", "publish", "tcp")]
    [InlineData("publish remove 22/tcp", "unpublish 22 False Tcp", "Nothing is published")]
    [InlineData("unpublish --all", "unpublish  True Any", "Nothing is published")]
    [InlineData("exit list", "exits", "de")]
    [InlineData("exit use de --allow-lan", "use de True", "exit connected via 0x2222222222222222222222222222222222222222 (de)")]
    [InlineData("exit off", "off", "exit disconnected")]
    [InlineData("exit offer --region DE --ipv6 off", "offer de  False", "offering nothing")]
    [InlineData("exit unoffer", "unoffer", "offering nothing")]
    [InlineData("bns lookup my-first-name --chain av", "name my-first-name av ", "my-first-name belongs to 0x1111111111111111111111111111111111111111")]
    [InlineData("join 0xabc", "join 0xabc ", "sapphire:0x6666666666666666666666666666666666666666, in force, verified")]
    [InlineData("join av:0xabc --chain glmr", "join av:0xabc glmr", "decides   0x7777777777777777777777777777777777777777")]
    [InlineData("join status", "perimeter", "sshd: not applied")]
    [InlineData("leave", "leave", "left")]
    [InlineData("version", "status", "9.9.9")]
    public async Task Verb_reaches_the_backend(string line, string call, string output)
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        CliResult result = await api.CliAsync(line.Split(' '));
        Assert.Equal("", result.Error);
        Assert.Equal(CliExitCodes.Ok, result.ExitCode);
        Assert.Equal([call], api.Backend.Calls.Where(c => c != "fleets" || call == "fleets"));
        Assert.Contains(output, result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fleet create home --chain av", "FleetCreate av   []", "let devices in:      diode-tunnel fleet add 0xDEVICE --fleet av:0x4444444444444444444444444444444444444444")]
    [InlineData("fleet add 0xabc --fleet av:0xf", "FleetAdd  av:0xf  [0xabc]", "done: it is in a block")]
    [InlineData("fleet remove 0xabc --fleet 0x5555555555555555555555555555555555555555", "FleetRemove  0x5555555555555555555555555555555555555555  [0xabc]", "done")]
    [InlineData("fleet transfer 0xabc --fleet x --chain glmr", "FleetTransfer glmr x  [0xabc]", "gas        at most 60000 at 1.5 gwei: at most 0.00009 coins")]
    [InlineData("bns register my-first-name --contract 0xb", "BnsRegister  0xb my-first-name [0x1111111111111111111111111111111111111111]", "balance    2.000000000000000001 coins")]
    [InlineData("bns register my-first-name 0x1 0x2", "BnsRegister   my-first-name [0x1 0x2]", "via        relay a, relay b")]
    [InlineData("bns transfer my-first-name 0x1", "BnsTransfer   my-first-name [0x1]", "done")]
    [InlineData("bns reverse my-first-name", "BnsReverse   my-first-name [0x1111111111111111111111111111111111111111]", "done")]
    [InlineData("bns unregister my-first-name", "BnsUnregister   my-first-name []", "done")]
    [InlineData("exit register --region de --contract 0xe", "ExitRegister  0xe  []", "is listed")]
    [InlineData("exit unregister --contract 0xe", "ExitUnregister  0xe  []", "done")]
    public async Task Nothing_is_sent_to_a_chain_before_its_price_was_shown_and_agreed_to(string line, string call, string output)
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        string[] Asked() => [.. api.Backend.Calls.Where(static c => c.StartsWith("prepare ", StringComparison.Ordinal) || c.StartsWith("send ", StringComparison.Ordinal))];
        Assert.Equal(0, (await api.CliAsync([.. line.Split(' '), "--dry-run"])).ExitCode);
        Assert.Equal(["prepare " + call], Asked());

        // Nobody to ask is no yes, and neither is anything but a yes.
        Assert.Equal(CliExitCodes.Usage, (await api.CliAsync(line.Split(' '))).ExitCode);
        Assert.Equal(CliExitCodes.Negative, (await api.CliAnswerAsync("maybe", line.Split(' '))).ExitCode);
        Assert.DoesNotContain(Asked(), static c => c.StartsWith("send", StringComparison.Ordinal));
        foreach (CliResult sent in new[] { await api.CliAnswerAsync("y", line.Split(' ')), await api.CliAsync([.. line.Split(' '), "--yes"]) })
        {
            Assert.Equal("send " + call + " most 90000000000000", Asked()[^1]);
            Assert.Equal(0, sent.ExitCode);
            Assert.Contains(output, sent.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Key_files_are_read_by_the_caller_and_only_if_nobody_else_can()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        string file = Path.Combine(api.Folder, "operator.key");
        await File.WriteAllTextAsync(file, new string('7', 64) + "\n");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Equal(0, (await api.CliAsync("bns", "unregister", "my-first-name", "--key", file, "--yes")).ExitCode);
        Assert.Equal("send BnsUnregister   my-first-name [] key most 90000000000000", api.Backend.Calls.Last());
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        Assert.Contains("chmod 600", (await api.CliAsync("bns", "unregister", "my-first-name", "--key", file, "--yes")).Error, StringComparison.Ordinal);

        // A dry run of what is no contract must not become a real one.
        Assert.Equal(CliExitCodes.Usage, (await api.CliAsync("fleet", "remove", "server", "--dry-run")).ExitCode);
        Assert.DoesNotContain(api.Backend.Calls, static c => c.StartsWith("remove", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Manifest_files_are_read_by_the_caller()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        string good = Path.Combine(api.Folder, "good.json");
        await File.WriteAllTextAsync(good, "good");
        await File.WriteAllTextAsync(Path.Combine(api.Folder, "bad.json"), "bad");
        Assert.Equal(0, (await api.CliAsync("fleet", "join", good)).ExitCode);
        Assert.Equal(0, (await api.CliAsync("fleet", "verify", good)).ExitCode);
        CliResult bad = await api.CliAsync("fleet", "verify", Path.Combine(api.Folder, "bad.json"));
        Assert.Equal(CliExitCodes.Negative, bad.ExitCode);
        Assert.Contains("NOT VALID: the signature is of another key", bad.Output, StringComparison.Ordinal);
        Assert.Equal(["join good", "verify good", "verify bad"], api.Backend.Calls);
        CliResult missing = await api.CliAsync("fleet", "join", Path.Combine(api.Folder, "none.json"));
        Assert.Equal(CliExitCodes.NotFound, missing.ExitCode);
        string copy = Path.Combine(api.Folder, "copy.json");
        Assert.Equal(0, (await api.CliAsync("fleet", "export", "-o", copy)).ExitCode);
        Assert.Equal("{\"signed\": \"text\"}", await File.ReadAllTextAsync(copy));
    }

    [Fact]
    public async Task Status_in_a_pipe_has_one_whole_line_per_peer()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        CliResult result = await api.CliAsync("status");
        string peer = Assert.Single(
            result.Output.Split('\n'), line => line.StartsWith("server.home.diode", StringComparison.Ordinal));
        foreach (string cell in new[]
        {
            RecordingBackend.ServerDevice, "100.64.0.2", "fd00::2", "online", "relay-stream", "relay.example", "2.0KiB",
            "UDP does not leave this network",
        })
        {
            Assert.Contains(cell, peer, StringComparison.Ordinal);
        }

        Assert.DoesNotContain('\u001b', result.Output);
        Assert.Contains("NO_UDP", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_is_one_document_with_a_schema_version()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        CliResult result = await api.CliAsync("status", "--json");
        using JsonDocument document = JsonDocument.Parse(result.Output);
        Assert.Equal(1, document.RootElement.GetProperty("schemaVersion").GetInt32());
        Assert.Equal("relay-stream", document.RootElement.GetProperty("peers")[0].GetProperty("path").GetProperty("kind").GetString());
    }

    [Theory]
    [InlineData(DaemonState.Up, "ready", 0)]
    [InlineData(DaemonState.Connecting, "ready", CliExitCodes.Negative)]
    [InlineData(DaemonState.Blocked, "ready", CliExitCodes.Negative)]
    [InlineData(DaemonState.Down, "live", 0)]
    public async Task Check_answers_by_exit_code(DaemonState state, string check, int exitCode)
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        api.Backend.Status = api.Backend.Status with { State = state };
        Assert.Equal(exitCode, (await api.CliAsync("status", "--check", check)).ExitCode);
    }

    [Theory]
    [InlineData(ControlErrorCodes.NotFound, CliExitCodes.NotFound)]
    [InlineData(ControlErrorCodes.Conflict, CliExitCodes.Refused)]
    [InlineData(ControlErrorCodes.BadManifest, CliExitCodes.Refused)]
    [InlineData(ControlErrorCodes.TunnelDown, CliExitCodes.Refused)]
    [InlineData(ControlErrorCodes.Unavailable, CliExitCodes.Unavailable)]
    [InlineData(ControlErrorCodes.System, CliExitCodes.Failed)]
    public async Task Failure_prints_cause_and_cure(string code, int exitCode)
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        api.Backend.Failure = new ControlException(code, "The cause.", "The cure.", 409);
        CliResult result = await api.CliAsync("up");
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Equal("diode-tunnel: The cause.\n  The cure.\n", result.Error);
        Assert.Equal("", result.Output);
        CliResult json = await api.CliAsync("ping", "x", "--json");
        Assert.Equal(code, JsonSerializer.Deserialize(json.Error, ControlJson.Default.ControlError)!.Code);
    }

    [Fact]
    public async Task No_reply_and_a_blocked_exit_are_not_success()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        Assert.Equal(CliExitCodes.Negative, (await api.CliAsync("ping", "silent")).ExitCode);
        CliResult blocked = await api.CliAsync("exit", "use", "dead");
        Assert.Equal(CliExitCodes.Unavailable, blocked.ExitCode);
        Assert.Contains("blocked, wanted dead: the exit does not answer", blocked.Output, StringComparison.Ordinal);
        Assert.Equal(CliExitCodes.NotFound, (await api.CliAsync("ip", "nobody")).ExitCode);
    }
}
