using System.Diagnostics;
using System.Globalization;
using Diode.Tunnel.Edge.Identity;

namespace Diode.Tunnel.LoadTool;

/// <summary>The real relay program on a free loopback port, bound to one core, with its state in a folder of its own.</summary>
internal sealed class RelayUnderTest : IDisposable
{
    private const long TicksPerSecond = 100;

    private readonly Process _process = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("diode-load-").FullName;

    public RelayUnderTest(LoadOptions options)
    {
        _process.StartInfo = new ProcessStartInfo(
            "taskset",
            ["-c", options.RelayCore, options.Relay, "relay", "--listen", "127.0.0.1:0", "--state-dir", _folder, "--peer-listen", "none", "--log-level", "warning"])
        {
            RedirectStandardOutput = true,
        };
        _process.Start();
        Uri = RelayUri.Parse(_process.StandardOutput.ReadLine() ?? throw new IOException("the relay did not start"));
    }

    public RelayUri Uri { get; }

    /// <summary>Processor time of the relay so far, user and system, in seconds; the kernel counts in hundredths.</summary>
    public double ProcessorSeconds
    {
        get
        {
            string text = File.ReadAllText($"/proc/{_process.Id}/stat");
            string[] fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return (Parse(fields[11]) + Parse(fields[12])) / (double)TicksPerSecond;
        }
    }

    /// <summary>Resident memory now, in bytes.</summary>
    public long ResidentBytes
    {
        get
        {
            string line = File.ReadLines($"/proc/{_process.Id}/status").First(text => text.StartsWith("VmRSS:", StringComparison.Ordinal));
            return Parse(line[6..].Replace("kB", "", StringComparison.Ordinal).Trim()) * 1024;
        }
    }

    public int Id => _process.Id;

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static long Parse(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
