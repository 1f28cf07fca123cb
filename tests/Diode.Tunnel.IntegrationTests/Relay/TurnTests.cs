using System.Text.Json;
using System.Text.RegularExpressions;
using Diode.Tunnel.Edge.Identity;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>coturn's clients against the relay's TURN server, in network namespaces.</summary>
public sealed partial class TurnTests
{
    private const int Port = 19403;
    private const int PeerPort = 3480;
    private const int Messages = 40;

    [Fact]
    public async Task Coturns_clients_are_served()
    {
        using var lab = new ExitLab();
        RelayUri uri = lab.StartRelay("--turn-listen", "19403");
        lab.Start(lab.Inet, "turnutils_peer", "-L", ExitLab.Web, "-p", "3480");
        lab.Start(lab.Lan, "turnutils_peer", "-L", ExitLab.LanWeb, "-p", "3480");
        await using RelayClient device = await lab.ConnectAsync(0, uri);
        JsonElement credential = JsonDocument.Parse(await device.AskAsync(static session => session.OpenTurn())).RootElement;
        string user = credential.GetProperty("username").GetString()!;
        string password = credential.GetProperty("credential").GetString()!;
        Assert.Equal($"turn:{ExitLab.RelayAddress}:{Port}?transport=udp", credential.GetProperty("urls")[0].GetString());

        string stun = lab.Clients[0].Exec($"timeout 10 turnutils_stunclient -p {Port} {ExitLab.RelayAddress}");
        Assert.Matches(@"UDP reflexive addr: 192\.0\.2\.1:\d+", stun);

        // Channels to a peer, indications to a peer, and both between two clients of the server; refusals.
        long before = await BytesAsync(device);
        string[] modes = ["", "-s", "-y", "-s -y"];
        Task<string>[] good = [.. modes.Select(mode => UseAsync(lab, $"{mode} -e {ExitLab.Web} -r {PeerPort}", user, password))];
        Task<string> wrongPassword = UseAsync(lab, $"-e {ExitLab.Web} -r {PeerPort}", user, "wrong");
        Task<string> wrongUser = UseAsync(lab, $"-e {ExitLab.Web} -r {PeerPort}", "d0123456789abcdef", password);
        Task<string> privatePeer = UseAsync(lab, $"-e {ExitLab.LanWeb} -r {PeerPort}", user, password);
        foreach (Task<string> use in good)
        {
            string output = await use;
            Match counts = Counts().Match(output);
            Assert.True(counts.Success && counts.Groups[1].Value == counts.Groups[2].Value, output);
        }

        Assert.InRange(await BytesAsync(device) - before, good.Length * Messages * 2 * 200, long.MaxValue);
        foreach (Task<string> refused in new[] { wrongPassword, wrongUser })
        {
            string output = await refused;
            Assert.Contains("allocate response received", output, StringComparison.Ordinal);
            Assert.DoesNotContain("success", output, StringComparison.Ordinal);
        }

        Assert.Contains("403", await privatePeer, StringComparison.Ordinal);
    }

    private static async Task<long> BytesAsync(RelayClient device)
    {
        byte[] bytes = await device.AskAsync(static session => session.GetBytes());
        Assert.True(Diode.Tunnel.Ethereum.Rlp.SignedInteger.TryDecodeInt64(bytes, out long unpaid));
        return unpaid;
    }

    private static Task<string> UseAsync(ExitLab lab, string options, string user, string password) => Task.Run(() => lab.Clients[0].TryExec(
        $"timeout 20 turnutils_uclient -v -c -n {Messages} -m 1 -l 200 -z 5 -p {Port} -u {user} -w {password} {options} {ExitLab.RelayAddress}").Output);

    [GeneratedRegex(@"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)(?![\s\S]*tot_send_msgs)")]
    private static partial Regex Counts();
}
