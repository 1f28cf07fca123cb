using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Diode.Tunnel.IntegrationTests.Namespaces;

/// <summary>A program running in a namespace. Its output is kept; <see cref="Dispose"/> ends it (TERM, then KILL).</summary>
internal sealed class HostedProcess : IDisposable
{
    private static readonly TimeSpan GraceToStop = TimeSpan.FromSeconds(5);

    private readonly Process _process = new();
    private readonly StringBuilder _output = new();
    private readonly string _description;
    private bool _disposed;

    public HostedProcess(string host, string ns, string[] command)
    {
        _description = $"{host}: {string.Join(' ', command)}";
        _process.StartInfo = new ProcessStartInfo("ip", ["netns", "exec", ns, .. command])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        _process.StartInfo.Environment["DOTNET_ROOT"] = Programs.DotnetRoot;
        _process.StartInfo.Environment["WG_PROCESS_FOREGROUND"] = "1";
        _process.OutputDataReceived += (_, e) => Append(e.Data);
        _process.ErrorDataReceived += (_, e) => Append(e.Data);
        _process.Start();
        _process.StandardInput.Close();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>"ip netns exec" replaces itself, so this is the program's own id.</summary>
    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Only after <see cref="WaitForExit"/>.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>Everything printed so far, both streams.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    /// <summary>Waits for the program's own end and returns what it printed.</summary>
    public string WaitForExit(TimeSpan limit)
    {
        if (!_process.WaitForExit(limit))
        {
            throw new TimeoutException($"{this} still runs after {limit.TotalSeconds:0} s:\n{Output}");
        }

        _process.WaitForExit();   // also waits for the end of the redirected streams
        return Output;
    }

    /// <summary>Sends a signal by name, for example TERM or KILL.</summary>
    public void Signal(string name)
    {
        if (!_process.HasExited)
        {
            using Process kill = Process.Start("kill", ["-" + name, Id.ToString(CultureInfo.InvariantCulture)]);
            kill.WaitForExit();
        }
    }

    public override string ToString() => _description;

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        Signal("TERM");
        if (!_process.WaitForExit(GraceToStop))
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit(GraceToStop);
        }

        _process.Dispose();
    }

    private void Append(string? line)
    {
        if (line is not null)
        {
            lock (_output)
            {
                _output.AppendLine(line);
            }
        }
    }
}
