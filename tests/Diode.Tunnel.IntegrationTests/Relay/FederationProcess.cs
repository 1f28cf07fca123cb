using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Diode.Tunnel.Relay.Configuration;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>One relay of several, as a process that can be killed and started again.</summary>
internal sealed class FederationProcess : IDisposable
{
    private readonly string _folder;
    private readonly int _edgePort;
    private Process? _process;

    public FederationProcess(string folder)
    {
        _folder = folder;
        Directory.CreateDirectory(folder);
        File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        using Ethereum.Crypto.PrivateKey key = RelayKeyFile.LoadOrCreate(folder, out _);
        _edgePort = FindPort();
        PeerPort = FindPort();
        Address = key.Address;
        Uri = new RelayUri(Address, "127.0.0.1", (ushort)_edgePort);
    }

    public Address Address { get; }

    public int PeerPort { get; }

    public RelayUri Uri { get; }

    public string Seed => new RelayUri(Address, "127.0.0.1", (ushort)PeerPort).ToString();

    public void Start(params string[] arguments)
    {
        _process = new Process
        {
            StartInfo = new ProcessStartInfo(
                Programs.Daemon,
                [
                    "relay", "--listen", $"127.0.0.1:{_edgePort}", "--peer-listen", $"127.0.0.1:{PeerPort}",
                    "--state-dir", _folder, .. arguments,
                ])
            {
                RedirectStandardOutput = true,
            },
        };
        _process.StartInfo.Environment["DOTNET_ROOT"] = Programs.DotnetRoot;
        _process.Start();
        string line = _process.StandardOutput.ReadLine() ?? throw new IOException("the relay did not start");
        Xunit.Assert.Equal(Uri, RelayUri.Parse(line));
    }

    public void Kill()
    {
        _process?.Kill();
        _process?.WaitForExit();
    }

    public int Stop()
    {
        using var kill = Process.Start("kill", ["-TERM", _process!.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        return _process.WaitForExit(TimeSpan.FromSeconds(20)) ? _process.ExitCode : -1;
    }

    public void Dispose()
    {
        if (_process is not null && !_process.HasExited)
        {
            Kill();
        }

        _process?.Dispose();
    }

    private static int FindPort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }
}
