using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>Zero trust is continuous: a removed device is cut off everywhere, also in the middle of a connection.</summary>
public sealed partial class RevocationTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Promise = TimeSpan.FromSeconds(10);

    [Fact]
    public void Removed_member_is_cut_at_every_member_and_stays_out()
    {
        using MeshWorld world = new();
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice server = world.AddDevice("server");
        MeshDevice phone = world.AddDevice("phone");
        world.Found(laptop, server, phone);
        server.Check("publish", "80", "--to", "fleet");
        server.Serve("web", "80");
        string manifest = world.ExportManifest(laptop);

        HostedProcess toLaptop = world.Net.Start("phone", "ping", "-n", "-D", "-i", "0.2", laptop.Ipv4);
        HostedProcess toServer = world.Net.Start("phone", "ping", "-n", "-D", "-i", "0.2", server.Ipv4);
        HostedProcess stream = world.Net.Start("phone", "curl", "-s", "-N", $"http://{server.Ipv4}/stream");
        foreach (HostedProcess process in new[] { toLaptop, toServer, stream })
        {
            world.Net.WaitUntil($"{process} runs", TimeSpan.FromSeconds(10), () => Times().Count(process.Output) > 5);
        }

        double removed = Now();
        laptop.Check("fleet", "remove", "phone");
        double acknowledged = Now();
        foreach (MeshDevice member in new[] { laptop, server })
        {
            member.WaitStatus("the phone is no peer any more", s => s.Peers.All(p => p.Device != phone.Address), Promise);
        }

        // Nothing comes late: two seconds of silence, measured at the removed device.
        world.Net.WaitUntil(
            "silence", Promise + TimeSpan.FromSeconds(3), () => Now() - Last(toLaptop, toServer, stream) > 2);
        double last = Last(toLaptop, toServer, stream);
        output.WriteLine($"last packet {last - removed:0.00} s after the removal was asked for, which took {acknowledged - removed:0.00} s");
        Assert.True(last - removed < Promise.TotalSeconds);

        // Not with a restart, not with the manifest that listed it.
        phone.Stop();
        phone.Launch();
        phone.WaitReady();
        Assert.Equal(0, phone.Cli("fleet", "join", manifest).ExitCode);
        Assert.NotEqual(0, server.Cli("fleet", "join", manifest).ExitCode);
        Stopwatch watch = Stopwatch.StartNew();
        while (watch.Elapsed < TimeSpan.FromSeconds(6))
        {
            Assert.False(phone.Pings(server.Ipv4, 1));
            Assert.False(phone.Pings(laptop.Ipv6, 1));
        }

        Assert.Null(phone.Get($"http://{server.Ipv4}/", 1));
        Assert.DoesNotContain(server.Status().Peers, p => p.Device == phone.Address);
        Assert.True(laptop.Pings(server.Ipv4));
    }

    private static double Now() => (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).TotalSeconds;

    private static double Last(params HostedProcess[] processes) => processes.Max(static p =>
        double.Parse(Times().Matches(p.Output)[^1].Groups[1].Value, CultureInfo.InvariantCulture));

    // A reply of "ping -D", or a line of the stream.
    [GeneratedRegex(@"^\[?(\d{10}\.\d+)(?:\] \d+ bytes from.*)?$", RegexOptions.Multiline)]
    private static partial Regex Times();
}
