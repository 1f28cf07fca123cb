using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Diode.Tunnel.IntegrationTests.Namespaces;

/// <summary>
/// Hosts as network namespaces, cables between them, real programs inside them. Everything made here is removed by
/// <see cref="Dispose"/>: processes by their recorded handle, then the namespaces, their <c>/etc/netns</c> files and the
/// temporary folder. What a killed test run left behind is removed by the next one. Needs root and iproute2.
/// </summary>
internal sealed class Topology : IDisposable
{
    private const string Prefix = "dtt";
    private const string NetnsFiles = "/etc/netns";

    private static readonly Lock Gate = new();
    private static int _count;
    private static bool _swept;

    private readonly string _prefix;
    private readonly List<string> _hosts = [];
    private readonly List<HostedProcess> _processes = [];

    public Topology()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            throw new InvalidOperationException("Integration tests need root: they build network namespaces.");
        }

        lock (Gate)
        {
            if (!_swept)
            {
                _swept = true;
                SweepDeadRuns();
            }

            _prefix = string.Create(CultureInfo.InvariantCulture, $"{Prefix}-{Environment.ProcessId}-{++_count}");
        }

        Folder = Directory.CreateTempSubdirectory(_prefix + "-").FullName;
    }

    /// <summary>Private folder of this topology: configuration, state, logs.</summary>
    public string Folder { get; }

    /// <summary>Adds a host with a loopback interface and an empty resolver file of its own.</summary>
    public void AddHost(string name)
    {
        string ns = Namespace(name);
        Ip("netns", "add", ns);
        _hosts.Add(name);
        Ip("-n", ns, "link", "set", "lo", "up");
        Directory.CreateDirectory(Path.Combine(NetnsFiles, ns));
        File.WriteAllText(Path.Combine(NetnsFiles, ns, "resolv.conf"), "# no resolver\n");
    }

    /// <summary>Lays a cable between two hosts and gives each end its address (with prefix length).</summary>
    public void Connect(string host, string device, string address, string peer, string peerDevice, string peerAddress)
    {
        Ip("-n", Namespace(host), "link", "add", device, "type", "veth", "peer", "name", peerDevice, "netns", Namespace(peer));
        AddAddress(host, device, address);
        AddAddress(peer, peerDevice, peerAddress);
        Ip("-n", Namespace(host), "link", "set", device, "up");
        Ip("-n", Namespace(peer), "link", "set", peerDevice, "up");
    }

    /// <summary>Adds an address that is usable at once (no duplicate address detection).</summary>
    public void AddAddress(string host, string device, string address)
    {
        string[] noDad = address.Contains(':', StringComparison.Ordinal) ? ["nodad"] : [];
        Ip(["-n", Namespace(host), "address", "add", address, "dev", device, .. noDad]);
    }

    /// <summary>Full name of a host's namespace.</summary>
    public string Namespace(string host) => $"{_prefix}-{host}";

    /// <summary>Runs a command on a host to its end.</summary>
    public CommandResult Run(string host, params string[] command) =>
        Execute("ip", ["netns", "exec", Namespace(host), .. command]);

    /// <summary>Runs a command on a host and returns what it printed.</summary>
    /// <exception cref="InvalidOperationException">It failed; the text has its output and all logs.</exception>
    public string Check(string host, params string[] command)
    {
        CommandResult result = Run(host, command);
        return result.ExitCode == 0
            ? result.Output
            : throw new InvalidOperationException(
                $"{host}: {string.Join(' ', command)} ended with {result.ExitCode}:\n{result.Output}\n{Logs()}");
    }

    /// <summary>Starts a program on a host in the background; it is ended by <see cref="Dispose"/> at the latest.</summary>
    public HostedProcess Start(string host, params string[] command)
    {
        HostedProcess process = new(host, Namespace(host), command);
        _processes.Add(process);
        return process;
    }

    /// <summary>Waits until a condition holds.</summary>
    /// <exception cref="TimeoutException">It did not; the text has all logs.</exception>
    public void WaitUntil(string what, TimeSpan limit, Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start) > limit)
            {
                throw new TimeoutException($"Waited {limit.TotalSeconds:0} s in vain: {what}\n{Logs()}");
            }

            Thread.Sleep(20);
        }
    }

    /// <summary>Output of every started program, for failure messages.</summary>
    public string Logs()
    {
        StringBuilder text = new();
        foreach (HostedProcess process in _processes)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"--- {process}").AppendLine(process.Output);
        }

        return text.ToString();
    }

    public void Dispose()
    {
        for (int i = _processes.Count - 1; i >= 0; i--)
        {
            _processes[i].Dispose();
        }

        foreach (string host in _hosts)
        {
            Remove(Namespace(host));
        }

        Directory.Delete(Folder, recursive: true);
    }

    private static void Ip(params string[] arguments)
    {
        CommandResult result = Execute("ip", arguments);
        if (result.ExitCode != 0)
        {
            throw new InvalidOperationException($"ip {string.Join(' ', arguments)}: {result.Output}");
        }
    }

    private static CommandResult Execute(string file, IEnumerable<string> arguments)
    {
        using Process process = new();
        process.StartInfo = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        process.Start();
        process.StandardInput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new CommandResult(process.ExitCode, output + error.Result);
    }

    // Whatever still runs in the namespace was started by a program of ours that is gone.
    private static void Remove(string ns)
    {
        foreach (string line in Execute("ip", ["netns", "pids", ns]).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (int.TryParse(line, CultureInfo.InvariantCulture, out int pid))
            {
                Execute("kill", ["-9", pid.ToString(CultureInfo.InvariantCulture)]);
            }
        }

        Execute("ip", ["netns", "delete", ns]);
        string files = Path.Combine(NetnsFiles, ns);
        if (Directory.Exists(files))
        {
            Directory.Delete(files, recursive: true);
        }
    }

    private static void SweepDeadRuns()
    {
        foreach (string line in Execute("ip", ["netns", "list"]).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string ns = line.Split(' ')[0];
            string[] parts = ns.Split('-');
            if (parts.Length == 4 && parts[0] == Prefix && !Directory.Exists("/proc/" + parts[1]))
            {
                Remove(ns);
            }
        }
    }
}
