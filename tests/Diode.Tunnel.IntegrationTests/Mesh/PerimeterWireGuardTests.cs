using System.Text.Json;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.IntegrationTests.Evm;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>
/// Perimeters that give devices a WireGuard interface, on a real EVM node: with a real wireguard-go at an ordinary endpoint, and between two devices
/// that meet at a port of the relay.
/// </summary>
public sealed class PerimeterWireGuardTests
{
    private const string Interface = "wg-diode-local";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    // wireguard-go's control socket is named after the interface and shared by all namespaces.
    private readonly string _office = FormattableString.Invariant($"pw{Environment.ProcessId}");

    [Fact]
    public void A_device_gets_an_interface_to_a_real_wireguard_and_loses_it_again()
    {
        using MeshWorld world = new();
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice office = world.AddDevice("office");
        (string perimeter, HostedProcess node) = Begin(world, laptop);
        string before = laptop.Snapshot();
        string officeKey = StartWireGuardGo(world);
        string property = $"[Interface] PrivateKey = auto Address = 10.77.0.2/24 PostUp = touch {world.Net.Folder}/run [Peer] PublicKey = {officeKey} "
            + $"Endpoint = {office.UplinkAddress}:51820 PersistentKeepalive = 5 AllowedIPs = 10.77.0.0/24, 0.0.0.0/0, {MeshWorld.RelayAddress}/32, 100.64.0.0/16";

        // The office knows the key before it is asked: a handshake that nobody answers is repeated after five seconds only.
        Set(world, perimeter, laptop, "[Interface] PrivateKey = auto");
        AddPeer(world, Join(laptop, perimeter).WireGuard!.PublicKey, $"10.77.0.2/32,{laptop.Ipv4}/32");
        Set(world, perimeter, laptop, property);
        PerimeterStatus joined = Join(laptop, perimeter);
        PerimeterInterface wireGuard = joined.WireGuard!;
        Assert.Equal((Interface, "own", "10.77.0.0/24"), (wireGuard.Interface, wireGuard.KeyOrigin, string.Join(' ', wireGuard.Routes)));
        Assert.All(
            new[] { "0.0.0.0/0 is not routed", $"{MeshWorld.RelayAddress}/32 is not routed: the way to the relay", "100.64.0.0/16 is not routed", "its commands" },
            text => Assert.Contains(joined.Warnings, w => w.Contains(text, StringComparison.Ordinal)));

        // Both ways; nothing is published, as it is with an interface of wg-quick.
        WaitPing(world, laptop, "10.77.0.1");
        laptop.Serve("web", "80");
        office.Serve("web", "80");
        Assert.NotNull(office.Get("http://10.77.0.2/"));
        Assert.NotNull(laptop.Get("http://10.77.0.1/"));

        // The machine is an end: its address in the mesh is not reached that way, whatever the mesh's filter would say.
        world.Net.Check("office", "ip", "route", "add", laptop.Ipv4, "dev", _office);
        Assert.False(office.Pings(laptop.Ipv4, 1));
        Assert.False(File.Exists(Path.Combine(world.Net.Folder, "run")));
        string secret = File.ReadAllText(Path.Combine(laptop.StateFolder, "perimeter-wireguard.key")).Trim();
        Assert.DoesNotContain(secret, laptop.Check("join", "status", "--json") + laptop.Check("status") + laptop.Daemon!.Output, StringComparison.Ordinal);
        Assert.Contains($"wireguard {Interface}, 10.77.0.2", laptop.Check("status"), StringComparison.Ordinal);

        // Another peer, another network: the session goes on, a stream over it as well.
        HostedProcess stream = world.Net.Start("laptop", "curl", "-s", "-N", "http://10.77.0.1/stream");
        DateTimeOffset handshake = Status(laptop).WireGuard!.Peers[0].LastHandshake!.Value;
        Set(world, perimeter, laptop, property.Replace("10.77.0.0/24,", "10.77.0.0/24, 10.76.0.0/24,", StringComparison.Ordinal) + " [Peer] PublicKey = " + NewKey(world) + " AllowedIPs = 10.75.0.0/24");
        wireGuard = Join(laptop, perimeter).WireGuard!;
        Assert.Equal(["10.75.0.0/24", "10.76.0.0/24", "10.77.0.0/24"], wireGuard.Routes.Order());
        Assert.InRange((wireGuard.Peers[0].LastHandshake!.Value - handshake).TotalSeconds, -1, 1);
        int lines = Lines(stream);
        world.Net.WaitUntil("the stream goes on", Patience, () => Lines(stream) > lines + 3);

        // Gone with the property, and everything as it was.
        Set(world, perimeter, laptop, "");
        Assert.Null(Join(laptop, perimeter).WireGuard);
        laptop.AssertAsBefore(before);

        // Killed with the chain out of reach: the next start has it from what was verified; leaving ends it.
        Set(world, perimeter, laptop, property);
        Assert.NotNull(Join(laptop, perimeter).WireGuard);
        node.Signal("KILL");
        laptop.Kill();
        Assert.DoesNotContain(Interface, laptop.Snapshot(), StringComparison.Ordinal);
        laptop.Start();
        Assert.Equal(wireGuard.PublicKey, Status(laptop).WireGuard!.PublicKey);
        WaitPing(world, laptop, "10.77.0.1");
        laptop.Check("down");
        Assert.DoesNotContain(Interface, laptop.Snapshot(), StringComparison.Ordinal);
        laptop.Check("up");
        WaitPing(world, laptop, "10.77.0.1");
        laptop.Check("leave");
        laptop.AssertAsBefore(before);
    }

    [Fact]
    public void Devices_meet_at_a_port_of_the_relay()
    {
        using MeshWorld world = new();
        MeshDevice laptop = world.AddDevice("laptop");
        MeshDevice server = world.AddDevice("server");
        (string perimeter, _) = Begin(world, laptop, server);
        foreach (MeshDevice device in (MeshDevice[])[laptop, server])
        {
            Set(world, perimeter, device, "[Interface] PrivateKey = auto");
        }

        string laptopKey = Join(laptop, perimeter).WireGuard!.PublicKey;
        string serverKey = Join(server, perimeter).WireGuard!.PublicKey;
        Set(world, perimeter, laptop, $"[Interface] PrivateKey = auto Address = 10.78.0.1/24, fd78::1/64 ListenPort = 51820 [Peer] PublicKey = {serverKey} Endpoint = diode://{server.Address} AllowedIPs = 10.78.0.2/32, fd78::2/128");
        Set(world, perimeter, server, $"[Interface]\nPrivateKey = auto\nAddress = 10.78.0.2/24\nAddress = fd78::2/64\nListenPort = 51821\n[Peer]\n# DiodeDevice = {laptop.Address}\nPublicKey = {laptopKey}\nAllowedIPs = 10.78.0.1/32, fd78::1/128");
        Join(laptop, perimeter);
        Join(server, perimeter);
        WaitPing(world, laptop, "10.78.0.2");
        Assert.True(server.Pings("fd78::1"));
        server.Serve("web", "80");
        Assert.NotNull(laptop.Get("http://10.78.0.2/"));
        foreach (MeshDevice device in (MeshDevice[])[laptop, server])
        {
            PerimeterPeer peer = Assert.Single(Status(device).WireGuard!.Peers);
            Assert.StartsWith(MeshWorld.RelayAddress + ":", peer.Endpoint, StringComparison.Ordinal);
            Assert.Equal(world.RelayUri, peer.Relay);
            Assert.True(peer is { LastHandshake: not null, RxBytes: > 0, TxBytes: > 0 });
        }

        // They are in no fleet with each other, and have not become each other's peers in the mesh.
        Assert.Empty(laptop.Status().Peers);

        // One of them starts again: they meet anew.
        server.Kill();
        server.Start();
        WaitPing(world, laptop, "10.78.0.2");
    }

    private static (string Perimeter, HostedProcess Node) Begin(MeshWorld world, params MeshDevice[] devices)
    {
        HostedProcess node = ChainLab.StartNode(world);
        string chains = $"av=http://{MeshWorld.Web}:{ChainLab.NodePort},av=http://{MeshWorld.DeviceNameServer}:{ChainLab.NodePort}";
        foreach (MeshDevice device in devices)
        {
            device.Environment = ["env", "DIODE_TUNNEL_CHAIN=" + chains];
            device.Launch();
        }

        string perimeter = ChainLab.Deploy(world, "Perimeter", AbiText.Encode("address,string", Address.Parse(ChainLab.Operator), "office"));
        foreach (MeshDevice device in devices)
        {
            device.WaitReady();
            ChainLab.Send(world, perimeter, DeployedContract.Encode("createDevice(address,string,string,string,string)", Address.Parse(device.Address), device.Name, "", "", ""));
        }

        return (perimeter, node);
    }

    private static void Set(MeshWorld world, string perimeter, MeshDevice device, string property) =>
        ChainLab.Send(world, perimeter, DeployedContract.Encode("setDeviceProperty(address,string,string)", Address.Parse(device.Address), "wireguard", property));

    // Joining what is joined reads it at once.
    private static PerimeterStatus Join(MeshDevice device, string perimeter) =>
        JsonSerializer.Deserialize(device.Check("join", "av:" + perimeter, "--json"), ControlJson.Default.PerimeterStatus)!;

    private static PerimeterStatus Status(MeshDevice device) => device.Json("join status", ControlJson.Default.PerimeterStatus);

    private static void WaitPing(MeshWorld world, MeshDevice from, string address) =>
        world.Net.WaitUntil($"{from.Name} reaches {address}: {from.Cli("join", "status").Output}", Patience, () => from.Pings(address, 1));

    private static int Lines(HostedProcess process) => process.Output.Count(static c => c == '\n');

    private static string NewKey(MeshWorld world) => world.Net.Check("office", "sh", "-c", "wg genkey | wg pubkey").Trim();

    private string StartWireGuardGo(MeshWorld world)
    {
        HostedProcess process = world.Net.Start("office", "wireguard-go", "-f", _office);
        world.Net.WaitUntil("wireguard-go's control socket", Patience, () => world.Net.Run("office", "wg", "show", _office).ExitCode == 0 || process.HasExited);
        string file = Path.Combine(world.Net.Folder, "office.key");
        world.Net.Check("office", "sh", "-c", $"wg genkey > {file}");
        world.Net.Check("office", "wg", "set", _office, "private-key", file, "listen-port", "51820");
        world.Net.AddAddress("office", _office, "10.77.0.1/24");
        world.Net.Check("office", "ip", "link", "set", _office, "up");
        return world.Net.Check("office", "wg", "show", _office, "public-key").Trim();
    }

    private void AddPeer(MeshWorld world, string key, string networks) =>
        world.Net.Check("office", "wg", "set", _office, "peer", key, "allowed-ips", networks);
}
