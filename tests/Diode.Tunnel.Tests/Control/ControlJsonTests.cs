using System.Text.Json;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Xunit;

namespace Diode.Tunnel.Tests.Control;

public sealed class ControlJsonTests
{
    [Fact]
    public void Status_keeps_its_names_over_the_wire()
    {
        var status = new DaemonStatus
        {
            Version = "1",
            State = DaemonState.Blocked,
            Device = "0x1",
            Peers = [new PeerStatus { Device = "0x2", Path = new PeerPath { Kind = PathKind.DirectUdp, RttMs = 1.25 } }],
            Counters = new Dictionary<string, long> { ["drops_total"] = long.MaxValue },
        };
        string json = JsonSerializer.Serialize(status, ControlJson.Default.DaemonStatus);
        Assert.Contains("\"schemaVersion\":1,", json, StringComparison.Ordinal);
        Assert.Contains("\"state\":\"blocked\"", json, StringComparison.Ordinal);
        Assert.Contains("\"kind\":\"direct-udp\"", json, StringComparison.Ordinal);
        Assert.DoesNotContain("null", json, StringComparison.Ordinal);
        DaemonStatus back = JsonSerializer.Deserialize(json, ControlJson.Default.DaemonStatus)!;
        Assert.Equal(1.25, back.Peers[0].Path.RttMs);
        Assert.Equal(long.MaxValue, back.Counters["drops_total"]);
        Assert.Equal(json, JsonSerializer.Serialize(back, ControlJson.Default.DaemonStatus));
    }

    [Fact]
    public void Unknown_fields_are_skipped_in_answers_and_refused_in_requests()
    {
        const string later = """{"device":"0x1","later":{"a":1}}""";
        Assert.Equal("0x1", JsonSerializer.Deserialize(later, ControlJson.Default.Identity)!.Device);
        Assert.Throws<JsonException>(() =>
            JsonSerializer.Deserialize("""{"target":"de","allow_lan":true}""", ControlJson.Default.UseExitRequest));
    }

    [Fact]
    public void Fields_another_version_leaves_out_are_empty_not_null()
    {
        DaemonStatus status = JsonSerializer.Deserialize(
            """{"version":"1","state":"up","device":"0x1","peers":[{"device":"0x2"}],"fleets":null}""",
            ControlJson.Default.DaemonStatus)!;
        Assert.Empty(status.Relays);
        Assert.Empty(status.Fleets);
        Assert.Empty(status.Counters);
        Assert.Equal("off", status.Dns.Mode);
        Assert.Equal(ExitState.Disconnected, status.Exit.State);
        Assert.Equal(PathKind.None, status.Peers[0].Path.Kind);
        Assert.Empty(JsonSerializer.Deserialize("""{"device":"0x1","label":"a"}""", ControlJson.Default.AddMemberRequest)!.Roles);
        Assert.Equal("status", JsonSerializer.Deserialize("{}", ControlJson.Default.ControlEvent)!.Kind);
    }

    [Fact]
    public void Missing_required_fields_are_refused() =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize("{}", ControlJson.Default.PingRequest));

    [Fact]
    public void Indented_documents_have_the_same_names()
    {
        string json = JsonSerializer.Serialize(new Identity { Device = "0x1" }, ControlJson.Indented.Identity);
        Assert.Contains("\"schemaVersion\": 1", json, StringComparison.Ordinal);
        Assert.Contains("\"access\": \"read-only\"", json, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_at_the_socket_is_a_typed_failure()
    {
        DirectoryInfo empty = Directory.CreateTempSubdirectory();
        using var client = new ControlClient(new ControlEndpoint(Path.Combine(empty.FullName, "socket")));
        ControlException failure = await Assert.ThrowsAsync<ControlException>(() => client.GetStatusAsync());
        empty.Delete();
        Assert.Equal(ControlErrorCodes.DaemonNotRunning, failure.Code);
        Assert.Contains("systemctl start", failure.Hint, StringComparison.Ordinal);
    }
}
