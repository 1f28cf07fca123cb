using System.Net;
using Diode.Tunnel.Platform.Dns;
using Diode.Tunnel.Platform.Network;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Dns;

/// <summary>The resolver on files of its own; resolvectl is a script that notes its arguments.</summary>
public sealed class LinuxResolverTests : IDisposable
{
    private static readonly IPAddress[] Ours = [IPAddress.Parse("100.100.100.100")];
    private const string Original = "search lan\nnameserver 10.0.0.1\n";

    private readonly string _folder = Directory.CreateTempSubdirectory("dtt").FullName;
    private readonly ResolverPaths _paths;

    public LinuxResolverTests()
    {
        _paths = new ResolverPaths
        {
            ResolvConf = Path.Combine(_folder, "resolv.conf"),
            ResolvedFolder = Path.Combine(_folder, "resolve"),
            Resolvectl = Path.Combine(_folder, "resolvectl"),
        };
        File.WriteAllText(_paths.ResolvConf, Original);
    }

    [Fact]
    public void The_file_is_rewritten_and_restored()
    {
        using SystemChanges changes = Open();
        ResolverConfigurator configurator = new(changes, "dns", _paths);

        IReadOnlyList<IPAddress> upstreams = configurator.Set("diode0", Ours, ["diode"], isCatchAll: false);

        Assert.Equal(ResolverMode.ResolvConf, configurator.Mode);
        Assert.Equal([IPAddress.Parse("10.0.0.1")], upstreams);
        Assert.Equal(Ours, ResolvConf.ReadNameServers(Text));
        configurator.Clear();
        Assert.Equal(Original, Text);
    }

    [Fact]
    public void A_killed_process_is_cleaned_up()
    {
        using (SystemChanges dead = Open())
        {
            new ResolverConfigurator(dead, "dns", _paths).Set("diode0", Ours, [], isCatchAll: true);
        }

        using SystemChanges changes = Open();
        changes.Recover();
        Assert.Equal(Original, Text);
    }

    [Fact]
    public void A_file_written_by_others_since_is_left_alone()
    {
        using SystemChanges changes = Open();
        ResolverConfigurator configurator = new(changes, "dns", _paths);
        configurator.Set("diode0", Ours, [], isCatchAll: true);
        File.WriteAllText(_paths.ResolvConf, "nameserver 10.7.7.7\n");

        configurator.Clear();

        Assert.Equal("nameserver 10.7.7.7\n", Text);
    }

    [Fact]
    public void Reassert_learns_the_new_networks_servers_and_restores_those()
    {
        using SystemChanges changes = Open();
        ResolverConfigurator configurator = new(changes, "dns", _paths);
        configurator.Set("diode0", Ours, [], isCatchAll: true);
        File.WriteAllText(_paths.ResolvConf, "nameserver 10.7.7.7\nnameserver 100.100.100.100\n");

        // Our own address is never an upstream, also while the file is not ours.
        Assert.Equal([IPAddress.Parse("10.7.7.7")], configurator.ReadUpstreams());
        Assert.Equal([IPAddress.Parse("10.7.7.7")], configurator.Reassert());

        Assert.Equal(Ours, ResolvConf.ReadNameServers(Text));
        configurator.Clear();
        Assert.Equal("nameserver 10.7.7.7\nnameserver 100.100.100.100\n", Text);
    }

    [Fact]
    public void Our_file_without_a_journal_is_replaced_by_the_remembered_servers()
    {
        File.WriteAllText(_paths.ResolvConf, ResolvConf.Write(Ours, Original));
        using SystemChanges changes = Open();
        ResolverConfigurator configurator = new(changes, "dns", _paths);

        Assert.Equal([IPAddress.Parse("10.0.0.1")], configurator.Set("diode0", Ours, [], isCatchAll: true));
        configurator.Clear();

        Assert.Equal("nameserver 10.0.0.1\n", Text);
    }

    [Fact]
    public void A_missing_file_is_missing_again_afterwards()
    {
        File.Delete(_paths.ResolvConf);
        using SystemChanges changes = Open();
        ResolverConfigurator configurator = new(changes, "dns", _paths);

        Assert.Empty(configurator.Set("diode0", Ours, [], isCatchAll: true));
        Assert.Equal(Ours, ResolvConf.ReadNameServers(Text));
        configurator.Clear();

        Assert.False(File.Exists(_paths.ResolvConf));
    }

    [Fact]
    public void A_link_to_a_file_is_followed_and_stays_a_link()
    {
        string target = Path.Combine(_folder, "real.conf");
        File.Move(_paths.ResolvConf, target);
        File.CreateSymbolicLink(_paths.ResolvConf, "real.conf");
        using SystemChanges changes = Open();
        ResolverConfigurator configurator = new(changes, "dns", _paths);
        configurator.Set("diode0", Ours, [], isCatchAll: true);

        Assert.Equal("real.conf", new FileInfo(_paths.ResolvConf).LinkTarget);
        Assert.Equal(Ours, ResolvConf.ReadNameServers(File.ReadAllText(target)));
        configurator.Clear();
        Assert.Equal(Original, File.ReadAllText(target));
    }

    [Fact]
    public void A_link_that_leads_nowhere_is_replaced_and_restored()
    {
        File.Delete(_paths.ResolvConf);
        File.CreateSymbolicLink(_paths.ResolvConf, "../run/nowhere/resolv.conf");
        using SystemChanges changes = Open();
        ResolverConfigurator configurator = new(changes, "dns", _paths);
        configurator.Set("diode0", Ours, [], isCatchAll: true);
        Assert.Equal(Ours, ResolvConf.ReadNameServers(Text));
        configurator.Reassert();

        configurator.Clear();

        Assert.Equal("../run/nowhere/resolv.conf", new FileInfo(_paths.ResolvConf).LinkTarget);
    }

    [Theory]
    [InlineData(false, "domain lo ~diode ~corp.example", "default-route lo no")]
    [InlineData(true, "domain lo ~.", "default-route lo yes")]
    public void Systemd_resolved_is_told_where_it_owns_the_file(bool isCatchAll, string domains, string defaultRoute)
    {
        UseResolved();
        using SystemChanges changes = Open();
        ResolverConfigurator configurator = new(changes, "dns", _paths);

        IReadOnlyList<IPAddress> upstreams = configurator.Set("lo", Ours, ["diode", "corp.example"], isCatchAll);

        Assert.Equal(ResolverMode.SystemdResolved, configurator.Mode);
        Assert.Equal([IPAddress.Parse("10.5.5.5")], upstreams);
        Assert.Equal("nameserver 127.0.0.53\n", Text);
        string[] calls = File.ReadAllLines(Path.Combine(_folder, "calls"));
        Assert.Equal("dns lo 100.100.100.100", calls[0]);
        Assert.Equal(domains, calls[1]);
        Assert.Equal(defaultRoute, calls[2]);
        configurator.Clear();
        Assert.Equal("revert lo", File.ReadAllLines(Path.Combine(_folder, "calls"))[^1]);
    }

    [Fact]
    public void A_vanished_interface_needs_no_revert()
    {
        UseResolved();
        using SystemChanges changes = Open();
        ResolverConfigurator configurator = new(changes, "dns", _paths);
        configurator.Set("nosuch0", Ours, [], isCatchAll: false);
        int calls = File.ReadAllLines(Path.Combine(_folder, "calls")).Length;

        configurator.Clear();

        Assert.Equal(calls, File.ReadAllLines(Path.Combine(_folder, "calls")).Length);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Text => File.ReadAllText(_paths.ResolvConf);

    private SystemChanges Open() => new(Path.Combine(_folder, "journal"), new LinuxChangeExecutor(_paths));

    private void UseResolved()
    {
        Directory.CreateDirectory(_paths.ResolvedFolder);
        File.WriteAllText(Path.Combine(_paths.ResolvedFolder, "io.systemd.Resolve"), "");
        File.WriteAllText(Path.Combine(_paths.ResolvedFolder, "resolv.conf"), "nameserver 10.5.5.5\nnameserver 100.100.100.100\n");
        File.WriteAllText(_paths.ResolvConf, "nameserver 127.0.0.53\n");
        File.WriteAllText(_paths.Resolvectl!, $"#!/bin/sh\necho \"$@\" >> {_folder}/calls\n");
        File.SetUnixFileMode(_paths.Resolvectl!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
