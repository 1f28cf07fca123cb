using System.Diagnostics;
using System.Globalization;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.IntegrationTests.Namespaces;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>The real program in the relay role on a free loopback port.</summary>
internal sealed class RelayProcess : IDisposable
{
    private readonly Process _process = new();

    public RelayProcess(string stateFolder, int port = 0, params string[] more)
    {
        _process.StartInfo = new ProcessStartInfo(
            Programs.Daemon, ["relay", "--listen", $"127.0.0.1:{port}", "--state-dir", stateFolder, .. more])
        {
            RedirectStandardOutput = true,
        };
        _process.StartInfo.Environment["DOTNET_ROOT"] = Programs.DotnetRoot;
        _process.Start();
        Uri = RelayUri.Parse(_process.StandardOutput.ReadLine() ?? throw new IOException("the relay did not start"));
    }

    public RelayUri Uri { get; }

    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Asks it to stop and returns the exit code.</summary>
    public int Stop()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        return _process.WaitForExit(TimeSpan.FromSeconds(20)) ? _process.ExitCode : -1;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Kill();
        }

        _process.Dispose();
    }
}
