using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.WireGuardExit;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>Plain wireguard-go clients through the exit of a relay, in network namespaces.</summary>
public sealed class WireGuardExitTests
{
    [Fact]
    public async Task Plain_clients_use_the_exit_and_a_killed_relay_leaves_nothing()
    {
        using var lab = new ExitLab();
        RelayUri uri = lab.StartRelay("--wireguard-listen", "51820", "--region", "de");
        await using RelayClient first = await lab.ConnectAsync(0, uri);
        await using RelayClient second = await lab.ConnectAsync(1, uri);
        WireGuardGoClient laptop = await lab.TunnelAsync(0, first);
        WireGuardGoClient phone = await lab.TunnelAsync(1, second);
        Assert.Equal(ExitLab.RelayAddress, laptop.Session.GetProperty("endpoint_host").GetString());

        // The internet sees the relay.
        Assert.Equal(ExitLab.RelayAddress, laptop.Get(ExitLab.Web));
        Assert.Equal(ExitLab.RelayAddress, phone.Get(ExitLab.Web));
        Assert.True(laptop.Pings("10.0.0.1"));

        // Neither each other, nor the relay, nor its network.
        Assert.False(laptop.Pings(phone.Address));
        Assert.False(laptop.Pings(ExitLab.LanWeb));
        Assert.Equal("", laptop.Get(ExitLab.LanWeb, seconds: 2));
        Assert.Equal("", laptop.Get(ExitLab.RelayLan, 41046, seconds: 1));
        Assert.Equal("", laptop.Get("10.0.0.1", 41046, seconds: 1));
        Assert.NotEqual(0, lab.Lan.TryExec($"ping -n -q -c 1 -W 1 {laptop.Address}").ExitCode);

        // Both directions are on the account.
        long before = await BytesAsync(first);
        lab.Clients[0].Exec($"ping -n -q -c 50 -i 0.01 -s 1300 {ExitLab.Web}");
        await Task.Delay(1500);
        Assert.InRange(await BytesAsync(first) - before, 50 * 2 * 1328, 50 * 2 * 1500);

        // A killed relay: key and clients are kept.
        lab.StopRelay("KILL");
        Assert.Contains(ExitNetwork.TableName, lab.Relay.Exec("nft list tables"), StringComparison.Ordinal);
        lab.StartRelay("--wireguard-listen", "51820");
        laptop.SetPeer();
        Assert.Equal(ExitLab.RelayAddress, laptop.Get(ExitLab.Web, seconds: 8));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(lab.StateFolder, ExitKeyFile.FileName)));

        // Killed again and started without the exit: nothing is left.
        lab.StopRelay("KILL");
        lab.StartRelay();
        AssertClean(lab);
    }

    [Fact]
    public void A_stopped_relay_leaves_nothing()
    {
        using var lab = new ExitLab();
        lab.Relay.AddAddress("lan0", "10.0.0.7/24");
        lab.StartRelay("--wireguard-listen", "51820");
        string tables = lab.Relay.Exec("nft list ruleset");
        Assert.Contains(ExitNetwork.TableName, tables, StringComparison.Ordinal);

        // 10.0.0.0/16 is in use here.
        Assert.Contains("10.183.0.1/16", lab.Relay.Exec("ip -4 address show diode_wg"), StringComparison.Ordinal);
        Assert.Equal("1", lab.Relay.Exec("sysctl -n net.ipv4.ip_forward").Trim());
        lab.StopRelay("TERM");
        AssertClean(lab);
    }

    private static async Task<long> BytesAsync(RelayClient client)
    {
        byte[] text = await client.AskAsync(static session => session.GetBytes());
        Assert.True(SignedInteger.TryDecodeInt64(text, out long bytes));
        return bytes;
    }

    private static void AssertClean(ExitLab lab)
    {
        Assert.Equal("", lab.Relay.Exec("nft list tables").Trim());
        Assert.Equal("0", lab.Relay.Exec("sysctl -n net.ipv4.ip_forward").Trim());
        Assert.NotEqual(0, lab.Relay.TryExec("ip link show diode_wg").ExitCode);
    }
}
