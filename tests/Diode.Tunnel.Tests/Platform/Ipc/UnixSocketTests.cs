using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Text;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Ipc;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Ipc;

[SupportedOSPlatform("linux")]
public sealed class UnixSocketTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("unix-socket-");

    private string SocketPath => Path.Combine(_folder.FullName, "daemon.sock");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Bind_sets_the_mode_before_anybody_can_connect()
    {
        using Socket listener = UnixSocketBinding.Bind(SocketPath, OwnerOnly | UnixFileMode.OtherWrite);
        Assert.Equal(OwnerOnly | UnixFileMode.OtherWrite, File.GetUnixFileMode(SocketPath));
        Assert.Equal(SocketError.ConnectionRefused, Assert.Throws<SocketException>(() => Connect()).SocketErrorCode);
        listener.Listen();
        using Socket client = Connect();
    }

    [Fact]
    public void Bind_replaces_a_socket_nobody_answers_on()
    {
        using Socket dead = UnixSocketBinding.Bind(SocketPath, OwnerOnly);
        using Socket listener = UnixSocketBinding.Bind(SocketPath, OwnerOnly);
        listener.Listen();
        using Socket client = Connect();
    }

    [Fact]
    public void Bind_leaves_a_living_socket_alone()
    {
        using Socket living = UnixSocketBinding.Bind(SocketPath, OwnerOnly);
        living.Listen();
        PlatformException exception = Assert.Throws<PlatformException>(() => UnixSocketBinding.Bind(SocketPath, OwnerOnly));
        Assert.Contains("already listens", exception.Message, StringComparison.Ordinal);
        using Socket client = Connect();
    }

    [Fact]
    public void Bind_does_not_delete_what_is_no_socket()
    {
        File.WriteAllText(SocketPath, "precious");
        PlatformException exception = Assert.Throws<PlatformException>(() => UnixSocketBinding.Bind(SocketPath, OwnerOnly));
        Assert.Contains("not a socket", exception.Message, StringComparison.Ordinal);
        Assert.Equal("precious", File.ReadAllText(SocketPath));
    }

    [Fact]
    public void Bind_explains_a_missing_folder_and_a_long_path()
    {
        Assert.Throws<PlatformException>(() => UnixSocketBinding.Bind(Path.Combine(SocketPath, "x"), OwnerOnly));
        Assert.Contains(
            "too long",
            Assert.Throws<PlatformException>(() => UnixSocketBinding.Bind("/" + new string('x', 200), OwnerOnly)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Dispose_removes_the_file()
    {
        UnixSocketBinding.Bind(SocketPath, OwnerOnly).Dispose();
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public void Credentials_are_those_of_the_connecting_process()
    {
        using Socket listener = UnixSocketBinding.Bind(SocketPath, OwnerOnly);
        listener.Listen();
        using Socket client = Connect();
        using Socket accepted = listener.Accept();
        Assert.True(PeerCredentials.TryGet(accepted, out PeerCredentials credentials));
        Assert.Equal(Environment.ProcessId, credentials.Pid);
        Assert.Equal(Environment.IsPrivilegedProcess, credentials.IsRoot);
    }

    [Fact]
    public void Credentials_need_a_connected_Unix_socket()
    {
        using Socket tcp = new(SocketType.Stream, ProtocolType.Tcp);
        Assert.False(PeerCredentials.TryGet(tcp, out _));
        using Socket lonely = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        Assert.False(PeerCredentials.TryGet(lonely, out _));
        lonely.Dispose();
        Assert.False(PeerCredentials.TryGet(lonely, out _));
    }

    [Fact]
    public async Task Kestrel_listens_on_a_bound_socket_and_knows_its_callers()
    {
        string path = SocketPath;
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options => options.ListenUnixSocket(path));
        builder.WebHost.UseSockets(options => options.CreateBoundListenSocket = endPoint =>
            endPoint is UnixDomainSocketEndPoint
                ? UnixSocketBinding.Bind(path, OwnerOnly)
                : SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint));
        await using WebApplication application = builder.Build();
        application.Run(context =>
        {
            Socket socket = context.Features.Get<IConnectionSocketFeature>()!.Socket;
            return context.Response.WriteAsync(
                PeerCredentials.TryGet(socket, out PeerCredentials credentials) ? $"pid={credentials.Pid};" : "none;");
        });
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(20));
        await application.StartAsync(limit.Token);
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(path));
        using (Socket client = Connect())
        {
            client.ReceiveTimeout = 10_000;
            client.Send("GET / HTTP/1.0\r\n\r\n"u8);
            StringBuilder answer = new();
            byte[] buffer = new byte[1024];
            for (int read; (read = client.Receive(buffer)) > 0;)
            {
                answer.Append(Encoding.ASCII.GetString(buffer, 0, read));
            }

            Assert.Contains($"pid={Environment.ProcessId};", answer.ToString(), StringComparison.Ordinal);
        }

        await application.StopAsync(limit.Token);
        Assert.False(File.Exists(path));
    }

    private Socket Connect()
    {
        Socket client = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            client.Connect(new UnixDomainSocketEndPoint(SocketPath));
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }
}
