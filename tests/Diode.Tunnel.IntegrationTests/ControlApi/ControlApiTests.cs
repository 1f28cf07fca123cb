using System.Net.Sockets;
using System.Security.Cryptography;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Daemon.Hosting;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.ControlApi;

/// <summary>The server at its socket: guard, errors, streams, life.</summary>
public sealed class ControlApiTests
{
    private const string Close = "Connection: close\r\n\r\n";

    [Theory]
    [InlineData("GET /v1/status HTTP/1.1\r\nHost: diode-tunnel\r\n", 200, "\"schemaVersion\":1")]
    [InlineData("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n", 200, "\"state\":\"up\"")]
    [InlineData("GET /v1/status HTTP/1.1\r\nHost: evil.example\r\n", 403, "FOREIGN_REQUEST")]
    [InlineData("GET /v1/status HTTP/1.1\r\nHost: diode-tunnel\r\nOrigin: http://evil.example\r\n", 403, "FOREIGN_REQUEST")]
    [InlineData("GET /v1/status HTTP/1.1\r\nHost: diode-tunnel\r\nReferer: http://evil.example\r\n", 403, "FOREIGN_REQUEST")]
    [InlineData("GET /v1/nothing HTTP/1.1\r\nHost: diode-tunnel\r\n", 404, "NOT_FOUND")]
    [InlineData("GET /v1/up HTTP/1.1\r\nHost: diode-tunnel\r\n", 405, "BAD_REQUEST")]
    [InlineData("POST /v1/exits/use HTTP/1.1\r\nHost: diode-tunnel\r\nContent-Length: 5000000\r\n", 413, "too large")]
    [InlineData("GET /v1/metrics HTTP/1.1\r\nHost: diode-tunnel\r\n", 200, "diode_tunnel_drops_total{reason=\"no_peer\"} 7")]
    public async Task Answers_with_status_and_typed_body(string head, int status, string body)
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        string answer = await api.RawAsync(head + Close);
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.Contains(body, answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/exits/use", "{\"target\":\"de\",\"allowLann\":true}", "$.allowLann")]
    [InlineData("/v1/exits/use", "{}", "not the JSON")]
    [InlineData("/v1/exits/use", "null", "not the JSON")]
    [InlineData("/v1/exits/use", "", "not the JSON")]
    [InlineData("/v1/exits/use", "{\"target\":null}", "target must be")]
    [InlineData("/v1/exits/use", "{\"target\":\"a\\u001bb\"}", "target must be")]
    [InlineData("/v1/exits/offer", "{\"region\":\"germany\"}", "two letters")]
    [InlineData("/v1/publish/add", "{\"port\":0,\"to\":[\"fleet\"]}", "1 to 65535")]
    [InlineData("/v1/publish/add", "{\"port\":22,\"all\":true,\"to\":[\"fleet\"]}", "Either a port")]
    [InlineData("/v1/publish/add", "{\"port\":22,\"to\":[]}", "Nobody")]
    [InlineData("/v1/publish/add", "{\"port\":22,\"to\":null}", "Nobody")]
    [InlineData("/v1/publish/add", "{\"port\":22,\"to\":[null]}", "to must be")]
    [InlineData("/v1/fleets/add", "{\"device\":\"0x1\",\"label\":\"a\",\"roles\":[null]}", "role must be")]
    [InlineData("/v1/ping", "{\"target\":\"a\",\"count\":1001}", "1 to 1000")]
    public async Task Refuses_a_request_that_is_not_in_form(string path, string body, string message)
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        string answer = await api.RawAsync(
            $"POST {path} HTTP/1.1\r\nHost: diode-tunnel\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}");
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Contains("BAD_REQUEST", answer, StringComparison.Ordinal);
        Assert.Contains(message, answer, StringComparison.Ordinal);
        Assert.Empty(api.Backend.Calls);
    }

    [Fact]
    public async Task Keeps_the_text_of_unexpected_failures_to_itself()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        api.Backend.Failure = new InvalidOperationException("secret in /var/lib");
        string answer = await api.RawAsync("GET /v1/status HTTP/1.1\r\nHost: diode-tunnel\r\n" + Close);
        Assert.StartsWith("HTTP/1.1 500 ", answer, StringComparison.Ordinal);
        Assert.Contains("INTERNAL", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Survives_garbage_on_the_socket()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        for (int i = 0; i < 200; i++)
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(api.Options.SocketPath));
            await socket.SendAsync(RandomNumberGenerator.GetBytes(i * 7));
            socket.Shutdown(SocketShutdown.Send);
        }

        using var client = new ControlClient(api.Endpoint);
        Assert.Equal("9.9.9", (await client.GetStatusAsync()).Version);
    }

    [Fact]
    public async Task Socket_lets_everybody_connect_and_goes_with_the_daemon()
    {
        string path;
        await using (ControlApiFixture api = await ControlApiFixture.StartAsync())
        {
            path = api.Options.SocketPath;
            Assert.Equal("666", Convert.ToString((int)File.GetUnixFileMode(path), 8));
            Assert.Equal("755", Convert.ToString((int)File.GetUnixFileMode(Path.GetDirectoryName(path)!), 8));
        }

        Assert.False(File.Exists(path));
    }

    [Fact]
    public async Task Second_daemon_is_refused_and_the_first_goes_on()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        StartupException refusal = Assert.Throws<StartupException>(api.Build);
        Assert.Equal(DaemonExitCodes.Unavailable, refusal.ExitCode);
        using var client = new ControlClient(api.Endpoint);
        Assert.Equal(DaemonState.Up, (await client.GetStatusAsync()).State);
    }

    [Fact]
    public async Task Stale_socket_is_replaced_but_another_file_is_not()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        await api.App.StopAsync();
        using (var stale = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            stale.Bind(new UnixDomainSocketEndPoint(api.Options.SocketPath));
            File.Move(api.Options.SocketPath, api.Options.SocketPath + ".kept");
        }

        File.Move(api.Options.SocketPath + ".kept", api.Options.SocketPath);
        await using (WebApplication next = api.Build())
        {
            await next.StartAsync();
            using var client = new ControlClient(api.Endpoint);
            Assert.Equal("9.9.9", (await client.GetStatusAsync()).Version);
            await next.StopAsync();
        }

        await File.WriteAllTextAsync(api.Options.SocketPath, "a file");
        Assert.Throws<StartupException>(api.Build);
        Assert.Equal("a file", await File.ReadAllTextAsync(api.Options.SocketPath));
    }

    [Fact]
    public async Task A_host_that_never_starts_gives_the_socket_back()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        await api.App.StopAsync();
        await api.Build().DisposeAsync();
        await using WebApplication next = api.Build();
        await next.StartAsync();
        await next.StopAsync();
    }

    [Fact]
    public async Task Events_stream_changes_and_end_when_the_daemon_stops()
    {
        await using ControlApiFixture api = await ControlApiFixture.StartAsync();
        using var client = new ControlClient(api.Endpoint);
        await using IAsyncEnumerator<ControlEvent> events = client.WatchAsync().GetAsyncEnumerator();
        Assert.True(await events.MoveNextAsync());
        Assert.Equal(DaemonState.Up, events.Current.Status!.State);
        api.Backend.Publish(api.Backend.Status with { State = DaemonState.Blocked });
        Assert.True(await events.MoveNextAsync());
        Assert.Equal(DaemonState.Blocked, events.Current.Status!.State);
        Task stop = api.App.StopAsync();
        Assert.False(await events.MoveNextAsync());
        await stop.WaitAsync(TimeSpan.FromSeconds(5));
    }
}
