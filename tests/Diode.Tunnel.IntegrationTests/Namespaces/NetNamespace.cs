using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Diode.Tunnel.IntegrationTests.Namespaces;

/// <summary>
/// A fresh network namespace with its loopback up. Code runs inside on a thread of its own that dies afterwards, so no
/// pooled thread ever stays in it. Needs root: without, the test fails.
/// </summary>
public sealed partial class NetNamespace : IDisposable
{
    private const int CLONE_NEWNET = 0x40000000;
    private const int O_RDONLY_CLOEXEC = 0x80000;
    private bool _disposed;

    public NetNamespace()
    {
        Name = "dtt" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4));
        Shell($"ip netns add {Name}");
        try
        {
            Exec("ip link set lo up");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Name { get; }

    /// <summary>Runs a command of the host's shell; throws with its output if it fails.</summary>
    public static string Shell(string command)
    {
        (int exitCode, string output) = TryShell(command);
        return exitCode == 0 ? output : throw new InvalidOperationException($"'{command}' ended with {exitCode}: {output}");
    }

    public static (int ExitCode, string Output) TryShell(string command)
    {
        ProcessStartInfo start = new("/bin/sh", ["-c", command + " 2>&1"])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        start.Environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    /// <summary>Runs code inside; what it throws is thrown here.</summary>
    public void Run(Action action)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        RunIn(Name, action);
    }

    /// <summary>The same for a namespace made elsewhere.</summary>
    public static void RunIn(string name, Action action)
    {
        ExceptionDispatchInfo? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                Enter(name);
                action();
            }
            catch (Exception exception)
            {
                failure = ExceptionDispatchInfo.Capture(exception);
            }
        })
        { IsBackground = true, Name = "netns " + name };
        thread.Start();
        thread.Join();
        failure?.Throw();
    }

    public T Run<T>(Func<T> function)
    {
        T result = default!;
        Run(() => { result = function(); });
        return result;
    }

    /// <summary>Runs a shell command inside; throws with its output if it fails.</summary>
    public string Exec(string command) => Run(() => Shell(command));

    /// <summary>Runs a shell command inside.</summary>
    public (int ExitCode, string Output) TryExec(string command) => Run(() => TryShell(command));

    /// <summary>Starts a program inside that the caller stops.</summary>
    public Process Start(string program, params string[] arguments) => Run(() => Process.Start(
        new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        })!);

    /// <summary>Connects two namespaces by a veth pair with addresses ("198.18.0.1/24").</summary>
    public void Connect(string ownInterface, string ownAddress, NetNamespace other, string otherInterface, string otherAddress)
    {
        Exec($"ip link add {ownInterface} type veth peer name {otherInterface} netns {other.Name}");
        AddAddress(ownInterface, ownAddress);
        other.AddAddress(otherInterface, otherAddress);
    }

    public void AddAddress(string interfaceName, string address)
    {
        string nodad = address.Contains(':') ? " nodad" : "";
        Exec($"ip address add {address} dev {interfaceName}{nodad} && ip link set {interfaceName} up");
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            // Processes left inside would keep the namespace alive without its name.
            TryShell($"for p in $(ip netns pids {Name}); do [ $p = {Environment.ProcessId} ] || kill -9 $p; done; ip netns del {Name}");
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setns(int fd, int type);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc")]
    private static partial int close(int fd);

    private static void Enter(string name)
    {
        int fd = open("/run/netns/" + name, O_RDONLY_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
        {
            throw new InvalidOperationException($"Cannot enter the namespace {name}: {Marshal.GetLastPInvokeErrorMessage()}. Run as root.");
        }

        _ = close(fd);
    }
}
