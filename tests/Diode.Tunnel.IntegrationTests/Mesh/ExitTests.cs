using System.Globalization;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <summary>A regional tunnel in use: who the internet sees, and what does not get out or through.</summary>
public sealed class ExitTests(ExitTests.World world, ITestOutputHelper output) : IClassFixture<ExitTests.World>
{
    private const string Web4 = $"http://{MeshWorld.Web}/";
    private const string Web6 = $"http://[{MeshWorld.WebIpv6}]/";

    private MeshDevice Laptop => world.Laptop;

    private MeshDevice Exit => world.Exit;

    [Fact]
    public void Internet_sees_the_exit_while_it_is_used_and_only_then()
    {
        Laptop.Check("exit", "off");
        Assert.Equal(Laptop.UplinkAddress, Laptop.Get(Web4));
        string before = Laptop.Snapshot();
        world.Use();
        world.Net.Watch(Laptop);
        Assert.Equal(Exit.UplinkAddress, Laptop.Get(Web4));
        Assert.Equal(Exit.UplinkAddress, Laptop.Get($"http://{MeshWorld.WebName}/"));
        Assert.True(Laptop.Pings(MeshWorld.Web));
        Assert.True(Laptop.Pings(world.Phone.Ipv4));
        Assert.True(Laptop.Pings("phone.home.diode"));
        ExitStatus status = Laptop.Status().Exit;
        Assert.Equal((ExitState.Connected, "de", Exit.Address), (status.State, status.Region, status.InUse));
        Assert.Equal(0, world.Net.Counted("clear"));
        Laptop.Check("exit", "off");
        Assert.Equal(Laptop.UplinkAddress, Laptop.Get(Web4));
        Laptop.AssertAsBefore(before);
    }

    [Fact]
    public void Private_and_the_exits_own_addresses_are_refused_at_the_exit()
    {
        using HostedProcess web = Exit.Serve("web", "80");
        world.Use();
        world.Net.Watch(Laptop);
        Assert.Equal(Exit.UplinkAddress, Laptop.Get(Web4));
        foreach (string address in MeshWorld.PrivateAddresses.Append(World.ExitLan).Append(Exit.UplinkAddress))
        {
            Assert.NotNull(Exit.Get($"http://{address}/"));
            int seen = world.Net.InternetWeb.Output.Length + web.Output.Length;
            Assert.Null(Laptop.Get($"http://{address}/", 1));
            Assert.Equal(seen, world.Net.InternetWeb.Output.Length + web.Output.Length);
        }

        Assert.Equal(Exit.UplinkAddress, Laptop.Get(Web4));
        Assert.Equal(0, world.Net.Counted("clear"));
    }

    [Fact]
    public void Clients_of_one_exit_reach_each_other_only_where_published()
    {
        using HostedProcess web = world.Phone.Serve("web", "80", "81");
        world.Phone.Check("publish", "81", "--to", "fleet");
        world.Use();
        world.Use(world.Phone);
        foreach (string host in new[] { world.Phone.Ipv4, $"[{world.Phone.Ipv6}]" })
        {
            Assert.Null(Laptop.Get($"http://{host}/", 2));
            Assert.NotNull(Laptop.Get($"http://{host}:81/"));
        }

        Assert.Equal(Laptop.Ipv4, Laptop.Get($"http://{world.Phone.Ipv4}:81/"));
        // Its address on the internet neither: its kill switch lets nobody in.
        Assert.Null(Laptop.Get($"http://{world.Phone.UplinkAddress}/", 2));
        Assert.Equal(Exit.UplinkAddress, world.Phone.Get(Web4));
        world.Phone.Check("exit", "off");
    }

    [Fact]
    public void Names_are_asked_at_the_exit_only()
    {
        Laptop.Check("exit", "off");
        Assert.StartsWith(MeshWorld.Web, Laptop.Resolve(MeshWorld.WebName), StringComparison.Ordinal);
        world.Use();
        world.Net.Watch(Laptop);
        int asked = world.Net.NamesForDevices.Output.Length;
        Assert.StartsWith(MeshWorld.Web, Laptop.Resolve(MeshWorld.WebName), StringComparison.Ordinal);
        Assert.Contains("status: NOERROR", Laptop.Run("dig", "+time=2", "+tries=1", MeshWorld.WebName).Output, StringComparison.Ordinal);
        world.Net.Net.WaitUntil("the exit's resolver was asked", TimeSpan.FromSeconds(3), () => world.Net.NamesForExits.Output.Contains(
            $"dns {MeshWorld.ExitNameServer} {Exit.UplinkAddress} {MeshWorld.WebName}", StringComparison.Ordinal));
        Assert.Equal(asked, world.Net.NamesForDevices.Output.Length);

        // A program with a name server of its own asks from the exit's address or not at all.
        Laptop.Run("dig", "+time=1", "+tries=1", $"@{MeshWorld.DeviceNameServer}", MeshWorld.WebName);
        Assert.DoesNotContain(
            $"dns {MeshWorld.DeviceNameServer} {Laptop.UplinkAddress}", world.Net.NamesForDevices.Output[asked..], StringComparison.Ordinal);
        Assert.Equal(0, world.Net.Counted("names"));
        Assert.Equal(0, world.Net.Counted("clear"));
        Laptop.Check("exit", "off");
        Assert.StartsWith(MeshWorld.Web, Laptop.Resolve(MeshWorld.WebName), StringComparison.Ordinal);
    }

    [Fact]
    public void Ipv6_is_refused_at_once_by_an_exit_without_it()
    {
        Laptop.Check("exit", "off");
        Assert.Equal(Laptop.UplinkIpv6, Laptop.Get(Web6));
        world.Use();
        world.Net.Watch(Laptop);
        CommandResult refused = Laptop.Run("curl", "-s", "-g", "-m", "5", "-w", "%{time_total}", Web6);
        output.WriteLine($"refused after {refused.Output} s");
        Assert.Equal(7, refused.ExitCode);
        Assert.True(double.Parse(refused.Output, CultureInfo.InvariantCulture) < 0.5, refused.Output);
        Assert.False(Laptop.Pings(MeshWorld.WebIpv6, 1));
        Assert.Equal(0, world.Net.Counted("ipv6"));
        Assert.True(Laptop.Pings(world.Phone.Ipv6));
        Laptop.Check("exit", "off");
        Assert.Equal(Laptop.UplinkIpv6, Laptop.Get(Web6));
    }

    [Fact]
    public void Unknown_region_changes_nothing()
    {
        Laptop.Check("exit", "off");
        string before = Laptop.Snapshot();
        CommandResult use = Laptop.Cli("exit", "use", "zz");
        Assert.Equal(4, use.ExitCode);
        Assert.Contains("No fleet member offers the exit 'zz'", use.Output, StringComparison.Ordinal);
        Assert.Contains("Offered now: de", use.Output, StringComparison.Ordinal);
        Laptop.AssertAsBefore(before);
        Assert.Equal(Laptop.UplinkAddress, Laptop.Get(Web4));
    }

    /// <summary>Two clients (the laptop has IPv6) and an exit in "de" that has a LAN and no IPv6.</summary>
    public sealed class World : IDisposable
    {
        public const string ExitLan = "192.168.77.1";

        public World()
        {
            try
            {
                Laptop = Net.AddDevice("laptop", ipv6: true);
                Phone = Net.AddDevice("phone");
                Exit = Net.AddDevice("exit", nameServer: MeshWorld.ExitNameServer);
                Net.Net.Check("exit", "ip", "link", "add", "lan0", "type", "bridge");
                Net.Net.Check("exit", "ip", "link", "set", "lan0", "up");
                Net.Net.AddAddress("exit", "lan0", ExitLan + "/24");
                Net.Found(Laptop, Phone, Exit);
                Exit.Check("exit", "offer", "--region", "de");
                foreach (MeshDevice client in new[] { Laptop, Phone })
                {
                    client.WaitStatus("the offer is known", s => s.Exit.Offers.Any(o => o is { Region: "de", Online: true }));
                }
            }
            catch
            {
                Net.Dispose();
                throw;
            }
        }

        internal MeshWorld Net { get; } = new();

        internal MeshDevice Laptop { get; }

        internal MeshDevice Phone { get; }

        internal MeshDevice Exit { get; }

        public void Dispose() => Net.Dispose();

        internal void Use(MeshDevice? client = null)
        {
            (client ?? Laptop).Check("exit", "use", "de");
            Assert.Equal(ExitState.Connected, (client ?? Laptop).Status().Exit.State);
        }
    }
}
