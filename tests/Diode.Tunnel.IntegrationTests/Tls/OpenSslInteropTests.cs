using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Diode.Tunnel.Platform.Tls;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Tls;

/// <summary>Our engines against the <c>openssl</c> tool, in both roles, over loopback.</summary>
public abstract class OpenSslInteropTests(TlsBackend backend)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData("ECDHE-ECDSA-AES256-GCM-SHA384")]
    [InlineData("ECDHE-ECDSA-AES128-GCM-SHA256")]
    [InlineData("ECDHE-ECDSA-CHACHA20-POLY1305")]
    public async Task Client_engine_talks_to_s_server(string cipher)
    {
        using CancellationTokenSource limit = new(Limit);
        using CertificateFiles ours = new();
        using CertificateFiles theirs = new();
        using TlsIdentity identity = ours.CreateIdentity();
        using OpenSslPeer server = StartServer(theirs, "-cipher", cipher);
        using EngineOverSocket client = await ConnectAsync(identity, static _ => true, server, limit.Token);
        Assert.Equal(TlsResult.Ok, await client.RunUntilAsync(() => client.Engine.IsHandshakeComplete, limit.Token));
        Assert.Equal(theirs.Der, client.Engine.PeerCertificate.ToArray());

        await client.SendAsync("hello from the engine\n", limit.Token);
        await server.WaitForAsync("hello from the engine", limit.Token);
        server.Type("hello from the tool");
        await client.RunUntilAsync(
            () => client.Received.Contains("hello from the tool", StringComparison.Ordinal), limit.Token);
        Assert.Contains(cipher, server.Output, StringComparison.Ordinal);

        server.Type("Q");
        Assert.Equal(TlsResult.Closed, await client.RunUntilAsync(static () => false, limit.Token));
        Assert.Null(client.Engine.Error);
    }

    [Theory]
    [InlineData("ECDHE-ECDSA-AES256-GCM-SHA384")]
    [InlineData("ECDHE-ECDSA-AES128-GCM-SHA256")]
    [InlineData("ECDHE-ECDSA-CHACHA20-POLY1305")]
    public async Task Server_engine_talks_to_s_client(string cipher)
    {
        using CancellationTokenSource limit = new(Limit);
        using ServerWorld world = new(backend, static _ => true);
        using CertificateFiles theirs = new();
        using OpenSslPeer client = world.StartClient([.. Present(theirs), "-cipher", cipher, "-curves", "secp256k1"]);
        using EngineOverSocket server = await world.AcceptAsync(limit.Token);
        Assert.Equal(TlsResult.Ok, await server.RunUntilAsync(() => server.Engine.IsHandshakeComplete, limit.Token));
        Assert.Equal(theirs.Der, server.Engine.PeerCertificate.ToArray());

        await server.SendAsync("hello from the engine\n", limit.Token);
        await client.WaitForAsync("hello from the engine", limit.Token);
        client.Type("hello from the tool");
        await server.RunUntilAsync(
            () => server.Received.Contains("hello from the tool", StringComparison.Ordinal), limit.Token);
        Assert.Contains("ECDH, secp256k1, 256 bits", client.Output, StringComparison.Ordinal);

        server.Engine.Shutdown();
        await server.FlushAsync(limit.Token);
        Assert.Equal(TlsResult.Closed, await server.RunUntilAsync(static () => false, limit.Token));
    }

    [Theory]
    [InlineData]
    [InlineData("-no_ticket")]
    public async Task Client_engine_resumes_at_s_server(params string[] options)
    {
        using CancellationTokenSource limit = new(Limit);
        using CertificateFiles ours = new();
        using CertificateFiles theirs = new();
        using TlsIdentity identity = ours.CreateIdentity();
        using TlsSessionCache sessions = new();
        using OpenSslPeer server = StartServer(theirs, options);
        for (int i = 0; i < 3; i++)
        {
            using EngineOverSocket client = await ConnectAsync(
                identity, static _ => true, server, limit.Token, sessions);
            Assert.Equal(TlsResult.Ok, await client.RunUntilAsync(() => client.Engine.IsHandshakeComplete, limit.Token));
            Assert.Equal(i > 0, client.Engine.IsResumed);
            Assert.Equal(theirs.Der, client.Engine.PeerCertificate.ToArray());
            string text = string.Create(CultureInfo.InvariantCulture, $"connection {i}\n");
            await client.SendAsync(text, limit.Token);
            await server.WaitForAsync(text.Trim(), limit.Token);
            client.Engine.Shutdown();
            await client.FlushAsync(limit.Token);
        }

        Assert.Equal(2, sessions.Resumptions);
    }

    [Fact]
    public async Task S_client_resumes_at_a_server_engine_that_can()
    {
        using CancellationTokenSource limit = new(Limit);
        using TlsSessionCache sessions = new();
        using ServerWorld world = new(backend, static _ => true, sessions);
        using CertificateFiles theirs = new();
        string file = theirs.CertificatePath + ".session";

        // The managed server gives no session ids, so there is nothing the tool could offer the second time.
        bool canResume = backend == TlsBackend.OpenSsl;
        foreach (string[] round in (string[][])[["-sess_out", file], canResume ? ["-sess_in", file] : []])
        {
            using OpenSslPeer client = world.StartClient([.. Present(theirs), "-curves", "secp256k1", .. round]);
            using EngineOverSocket server = await world.AcceptAsync(limit.Token);
            Assert.Equal(TlsResult.Ok, await server.RunUntilAsync(() => server.Engine.IsHandshakeComplete, limit.Token));
            Assert.Equal(theirs.Der, server.Engine.PeerCertificate.ToArray());
            bool resumed = round.Contains("-sess_in");
            Assert.Equal(resumed, server.Engine.IsResumed);
            await server.SendAsync("hello from the engine\n", limit.Token);
            await client.WaitForAsync("hello from the engine", limit.Token);
            Assert.Contains(resumed ? "Reused, TLSv1.2" : "New, TLSv1.2", client.Output, StringComparison.Ordinal);
            client.Type("Q");
            await server.RunUntilAsync(static () => false, limit.Token);
        }
    }

    [Fact]
    public async Task A_certificate_with_a_compressed_point_is_accepted()
    {
        using CancellationTokenSource limit = new(Limit);
        using ServerWorld world = new(backend, static _ => true);
        using CertificateFiles theirs = CertificateFiles.FromTool("-conv_form", "compressed");
        using OpenSslPeer client = world.StartClient([.. Present(theirs), "-curves", "secp256k1"]);
        using EngineOverSocket server = await world.AcceptAsync(limit.Token);
        Assert.Equal(TlsResult.Ok, await server.RunUntilAsync(() => server.Engine.IsHandshakeComplete, limit.Token));
        Assert.Equal(theirs.Der, server.Engine.PeerCertificate.ToArray());
    }

    [Fact]
    public async Task A_certificate_with_explicit_parameters_is_refused()
    {
        using CertificateFiles theirs = CertificateFiles.FromTool("-param_enc", "explicit");
        await RefuseAsync(
            [.. Present(theirs), "-curves", "secp256k1"], "not on the curve secp256k1", alert: 43);
    }

    [Fact]
    public async Task Renegotiation_is_refused_and_does_no_harm()
    {
        using CancellationTokenSource limit = new(Limit);
        using ServerWorld world = new(backend, static _ => true);
        using CertificateFiles theirs = new();
        using OpenSslPeer client = world.StartClient([.. Present(theirs), "-curves", "secp256k1"]);
        using EngineOverSocket server = await world.AcceptAsync(limit.Token);
        await server.RunUntilAsync(() => server.Engine.IsHandshakeComplete, limit.Token);
        await client.WaitForAsync("Verify return code", limit.Token);
        client.Type("R");

        // openssl gives up when it is refused; our side must end without a second handshake.
        TlsResult result = await server.RunUntilAsync(static () => false, limit.Token);
        Assert.NotEqual(TlsResult.Ok, result);
        await client.WaitForAsync(
            backend == TlsBackend.OpenSsl ? "no renegotiation" : "alert unexpected message", limit.Token);
    }

    [Fact]
    public async Task A_client_without_certificate_is_refused()
    {
        await RefuseAsync(["-curves", "secp256k1"], "no certificate", alert: 40);
    }

    [Fact]
    public async Task A_client_that_speaks_another_curve_only_is_refused()
    {
        using CertificateFiles theirs = new();
        await RefuseAsync([.. Present(theirs), "-curves", "P-256"], "does not offer the curve", alert: 71);
    }

    [Fact]
    public async Task A_client_certificate_on_P256_is_refused()
    {
        using CertificateFiles theirs = new(CertificateFiles.P256);
        await RefuseAsync([.. Present(theirs), "-curves", "secp256k1:P-256"], "not on the curve secp256k1", alert: 43);
    }

    [Fact]
    public async Task A_client_chain_of_two_certificates_is_refused()
    {
        using CertificateFiles theirs = new();
        using CertificateFiles other = new();
        await RefuseAsync(
            [.. Present(theirs), "-cert_chain", other.CertificatePath, "-curves", "secp256k1"],
            "more than one certificate",
            alert: 42);
    }

    [Fact]
    public async Task A_client_that_insists_on_TLS_13_is_refused()
    {
        using CertificateFiles theirs = new();
        await RefuseAsync([.. Present(theirs), "-curves", "secp256k1:P-256"], "unsupported protocol", 70, "-tls1_3");
    }

    [Fact]
    public async Task A_server_certificate_on_P256_is_refused()
    {
        using CancellationTokenSource limit = new(Limit);
        using CertificateFiles ours = new();
        using CertificateFiles theirs = new(CertificateFiles.P256);
        using TlsIdentity identity = ours.CreateIdentity();
        using OpenSslPeer server = StartServer(theirs);
        using EngineOverSocket client = await ConnectAsync(identity, static _ => true, server, limit.Token);

        // The server has a certificate for a curve the client did not offer: no suite, or our own refusal.
        Assert.Equal(TlsResult.Failed, await client.RunUntilAsync(static () => false, limit.Token));
        Assert.False(client.Engine.IsHandshakeComplete);
    }

    [Fact]
    public async Task A_server_certificate_that_the_validator_refuses_ends_the_handshake()
    {
        using CancellationTokenSource limit = new(Limit);
        using CertificateFiles ours = new();
        using CertificateFiles theirs = new();
        using TlsIdentity identity = ours.CreateIdentity();
        using OpenSslPeer server = StartServer(theirs);
        using EngineOverSocket client = await ConnectAsync(identity, static _ => false, server, limit.Token);
        Assert.Equal(TlsResult.Failed, await client.RunUntilAsync(static () => false, limit.Token));
        await server.WaitForAsync("bad certificate", limit.Token);
    }

    private async Task RefuseAsync(string[] arguments, string reason, int alert, string version = "-tls1_2")
    {
        using CancellationTokenSource limit = new(Limit);
        using ServerWorld world = new(backend, static _ => true);
        using OpenSslPeer client = world.StartClient(arguments, version: version);
        using EngineOverSocket server = await world.AcceptAsync(limit.Token);
        Assert.Equal(TlsResult.Failed, await server.RunUntilAsync(static () => false, limit.Token));
        Assert.False(server.Engine.IsHandshakeComplete);
        Assert.Contains(reason, server.Engine.Error, StringComparison.Ordinal);
        await client.WaitForAsync(
            string.Create(CultureInfo.InvariantCulture, $"alert number {alert}"), limit.Token);
    }

    private static string[] Present(CertificateFiles files) => ["-cert", files.CertificatePath, "-key", files.KeyPath];

    private static OpenSslPeer StartServer(CertificateFiles files, params string[] more) => OpenSslPeer.Start([
        "s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-named_curve", "secp256k1", "-Verify", "1",
        .. Present(files), .. more]);

    private async Task<EngineOverSocket> ConnectAsync(
        TlsIdentity identity,
        TlsPeerValidator validator,
        OpenSslPeer server,
        CancellationToken cancellationToken,
        TlsSessionCache? sessions = null)
    {
        IPEndPoint endPoint = IPEndPoint.Parse(await server.WaitForLineAsync("ACCEPT ", cancellationToken));
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(endPoint, cancellationToken);
        return new EngineOverSocket(TlsEngineFactory.Create(backend, TlsRole.Client, identity, validator, sessions, "server"), socket);
    }

    private sealed class ServerWorld : IDisposable
    {
        private readonly CertificateFiles _files = new();
        private readonly TlsIdentity _identity;
        private readonly TlsPeerValidator _validator;
        private readonly TlsBackend _backend;
        private readonly TlsSessionCache? _sessions;
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public ServerWorld(TlsBackend backend, TlsPeerValidator validator, TlsSessionCache? sessions = null)
        {
            _backend = backend;
            _sessions = sessions;
            _identity = _files.CreateIdentity();
            _validator = validator;
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen();
        }

        public OpenSslPeer StartClient(string[] arguments, string version = "-tls1_2")
        {
            int port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
            return OpenSslPeer.Start([
                "s_client", "-connect", "127.0.0.1:" + port.ToString(CultureInfo.InvariantCulture), version,
                .. arguments]);
        }

        public async Task<EngineOverSocket> AcceptAsync(CancellationToken cancellationToken) => new(
            TlsEngineFactory.Create(_backend, TlsRole.Server, _identity, _validator, _sessions),
            await _listener.AcceptAsync(cancellationToken));

        public void Dispose()
        {
            _listener.Dispose();
            _identity.Dispose();
            _files.Dispose();
        }
    }
}
