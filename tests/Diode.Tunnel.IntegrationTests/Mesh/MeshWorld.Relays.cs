using Diode.Tunnel.IntegrationTests.Namespaces;

namespace Diode.Tunnel.IntegrationTests.Mesh;

/// <content>More relays, which find each other.</content>
public sealed partial class MeshWorld
{
    private readonly Dictionary<string, (string Uri, string Listen, HostedProcess Process)> _moreRelays = [];

    /// <summary>
    /// Adds relays on hosts of their own; all of them, and the first one, know each other. The first one is restarted for that.
    /// </summary>
    internal string[] AddRelays(params string[] names) => AddRelays(names, []);

    /// <summary>The same; the last one has these options besides.</summary>
    internal string[] AddRelays(string[] names, string[] optionsOfLast) => AddRelays(names, name => name == names[^1] ? optionsOfLast : []);

    /// <summary>The same; each has options of its own, the first relay (<c>relay</c>) too.</summary>
    internal string[] AddRelays(string[] names, Func<string, string[]> options)
    {
        for (int i = 0; i < names.Length; i++)
        {
            string address = Invariant($"192.0.2.{(4 * i) + 2}");
            AddHost(names[i]);
            Net.Connect(names[i], "up0", address + "/30", Internet, names[i], Invariant($"192.0.2.{(4 * i) + 1}/30"));
            Net.Check(names[i], "ip", "route", "add", "default", "via", Invariant($"192.0.2.{(4 * i) + 1}"));
            Run(names[i], address, []);
            Stop(names[i]);
        }

        string[] all = [RelayUri, .. names.Select(n => _moreRelays[n].Uri)];
        KillRelay();
        StartRelay([.. Seeds(all, RelayUri), .. options(Relay)]);
        foreach (string name in names)
        {
            Run(name, _moreRelays[name].Listen, [.. Seeds(all, _moreRelays[name].Uri), .. options(name)]);
        }

        return [.. names.Select(n => _moreRelays[n].Uri)];
    }

    /// <summary>Ends one of them for good.</summary>
    internal void Stop(string name)
    {
        HostedProcess process = _moreRelays[name].Process;
        process.Signal("KILL");
        Net.WaitUntil($"{name} is gone", TimeSpan.FromSeconds(5), () => process.HasExited);
    }

    private static IEnumerable<string> Seeds(string[] all, string own) =>
        all.Where(uri => uri != own).SelectMany(static uri => new[] { "--seed", uri.Replace(":41046", ":51055", StringComparison.Ordinal) });

    private void Run(string name, string address, string[] options)
    {
        HostedProcess process = Net.Start(
            name,
            [Programs.Daemon, "relay", "--state-dir", Path.Combine(Net.Folder, name), "--listen", address + ":41046", "--host", address, .. options]);
        Net.WaitUntil($"{name} prints its address", TimeSpan.FromSeconds(30), () => UriLine().IsMatch(process.Output));
        _moreRelays[name] = (UriLine().Match(process.Output).Value.Trim(), address, process);
    }
}
