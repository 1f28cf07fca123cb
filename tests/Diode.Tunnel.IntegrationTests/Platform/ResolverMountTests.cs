using System.Net;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.Platform.Dns;
using Diode.Tunnel.Platform.Network;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Platform;

/// <summary>resolv.conf as containers and "ip netns exec" have it: a bind mount, which cannot be renamed over.</summary>
public sealed class ResolverMountTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_bind_mounted_file_is_written_in_place_and_restored()
    {
        File.WriteAllText(_folder["source"], "nameserver 198.18.0.53\nsearch lan\n");
        File.WriteAllText(_folder["resolv.conf"], "");
        NetNamespace.Shell($"mount --bind {_folder["source"]} {_folder["resolv.conf"]}");
        try
        {
            ResolverPaths paths = new() { ResolvConf = _folder["resolv.conf"], ResolvedFolder = _folder["none"] };
            using SystemChanges changes = new(_folder["journal"], new LinuxChangeExecutor(paths));
            ResolverConfigurator configurator = new(changes, "dns", paths);

            IReadOnlyList<IPAddress> upstreams =
                configurator.Set("diode0", [IPAddress.Parse("100.100.100.100")], ["diode"], isCatchAll: false);

            Assert.Equal([IPAddress.Parse("198.18.0.53")], upstreams);
            Assert.Contains("nameserver 100.100.100.100\n", File.ReadAllText(_folder["source"]), StringComparison.Ordinal);
            configurator.Clear();
            Assert.Equal("nameserver 198.18.0.53\nsearch lan\n", File.ReadAllText(_folder["source"]));
            Assert.False(File.Exists(_folder["resolv.conf.diode-tunnel"]));
        }
        finally
        {
            NetNamespace.Shell($"umount {_folder["resolv.conf"]}");
        }
    }

    public void Dispose() => _folder.Dispose();
}
