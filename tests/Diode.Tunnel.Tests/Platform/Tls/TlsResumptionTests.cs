using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tls;

/// <summary>Resumption saves the public-key work and never changes who somebody is.</summary>
public abstract class TlsResumptionTests : IDisposable
{
    private readonly TlsBackend _clientBackend;
    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch);
    private readonly TlsSessionCache _atClient;
    private readonly TlsSessionCache _atServer;
    private readonly TlsIdentity _client = TestIdentity.Create(out _);
    private readonly TlsIdentity _server = TestIdentity.Create(out _);

    protected TlsResumptionTests(TlsBackend clientBackend)
    {
        _clientBackend = clientBackend;
        _atClient = new TlsSessionCache(time: _time);
        _atServer = new TlsSessionCache(time: _time);
    }

    [Fact]
    public void The_second_connection_resumes_and_shows_the_first_ones_certificates()
    {
        using (EnginePair first = Connect())
        {
            Assert.False(first.Client.IsResumed || first.Server.IsResumed);
        }

        byte[]? seenByClient = null;
        byte[]? seenByServer = null;
        using EnginePair second = Connect(
            atClient: der => Accept(der, out seenByClient), atServer: der => Accept(der, out seenByServer));
        Assert.True(second.Client.IsResumed && second.Server.IsResumed);
        Assert.Equal(_server.CertificateDer.ToArray(), seenByClient);
        Assert.Equal(_client.CertificateDer.ToArray(), seenByServer);
        Assert.Equal(seenByClient, second.Client.PeerCertificate.ToArray());
        Assert.Equal(seenByServer, second.Server.PeerCertificate.ToArray());
        Assert.Equal(1, _atClient.Resumptions);
        Assert.Equal(1, _atServer.Resumptions);

        second.Client.Send([1, 2, 3]);
        second.Server.Send([4]);
        second.Exchange();
        Assert.Equal([1, 2, 3], second.ServerReceived.WrittenSpan.ToArray());
        Assert.Equal([4], second.ClientReceived.WrittenSpan.ToArray());
    }

    /// <summary>A resumption has no certificate, no key exchange and no signature in it: nothing but hashes and AES.</summary>
    [Fact]
    public void A_resumption_has_no_public_key_messages()
    {
        HashSet<byte> full = Messages();
        Assert.Superset(new HashSet<byte> { 1, 2, 11, 12, 15, 16 }, full);
        HashSet<byte> resumed = Messages();
        Assert.True(resumed.SetEquals([1, 2]));

        HashSet<byte> Messages()
        {
            using EnginePair pair = Create();
            HashSet<byte> seen = [];
            pair.Exchange(seen);
            Assert.True(pair.Client.IsHandshakeComplete && pair.Server.IsHandshakeComplete);
            return seen;
        }
    }

    /// <summary>The relay of an E2E port may join us with anybody; the session of another peer does not help it.</summary>
    [Fact]
    public void A_session_under_a_foreign_key_does_not_change_who_somebody_is()
    {
        using TlsIdentity expected = TestIdentity.Create(out byte[] expectedCertificate);
        Connect().Dispose();
        Assert.True(_atClient.TryGet(TlsRole.Client, _client.SessionPrefix + "server", out byte[]? state));
        _atClient.Store(TlsRole.Client, _client.SessionPrefix + "expected", state);
        using EnginePair pair = new(
            TlsEngineFactory.Create(
                _clientBackend,
                TlsRole.Client,
                _client,
                der => der.SequenceEqual(expectedCertificate),
                _atClient,
                "expected"),
            TlsEngineFactory.Create(TlsBackend.OpenSsl, TlsRole.Server, _server, static _ => true, _atServer));
        pair.Exchange();
        Assert.Equal(TlsResult.Failed, pair.ClientResult);
        Assert.False(pair.Client.IsHandshakeComplete);
        Assert.True(pair.Client.PeerCertificate.IsEmpty);
        Assert.Equal(0, _atClient.Resumptions);
    }

    [Fact]
    public void A_damaged_session_makes_a_full_handshake_or_none()
    {
        Connect().Dispose();
        Assert.True(_atClient.TryGet(TlsRole.Client, _client.SessionPrefix + "server", out byte[]? state));
        InputMutator mutator = new(50, state);
        for (int i = 0; i < 50; i++)
        {
            _atClient.Store(TlsRole.Client, _client.SessionPrefix + "server", mutator.Next());
            using EnginePair pair = Connect(atClient: der => der.SequenceEqual(_server.CertificateDer.Span));
            Assert.True(
                !pair.Client.IsHandshakeComplete
                || pair.Client.PeerCertificate.Span.SequenceEqual(_server.CertificateDer.Span));
        }
    }

    [Fact]
    public void A_refused_resumption_fails_and_the_next_handshake_is_full()
    {
        Connect().Dispose();
        using (EnginePair refused = Connect(atServer: static _ => false))
        {
            Assert.False(refused.Server.IsHandshakeComplete);
            Assert.Contains("refused", refused.Server.Error, StringComparison.Ordinal);
            Assert.True(refused.Server.PeerCertificate.IsEmpty);
        }

        using EnginePair next = Connect();
        Assert.True(next.Server.IsHandshakeComplete && next.Client.IsHandshakeComplete);
        Assert.False(next.Server.IsResumed);
    }

    [Fact]
    public void A_client_does_not_accept_another_server_by_an_old_session()
    {
        Connect().Dispose();
        using EnginePair refused = Connect(atClient: static _ => false);
        Assert.Equal(TlsResult.Failed, refused.ClientResult);
        Assert.False(refused.Client.IsHandshakeComplete);
        using EnginePair next = Connect();
        Assert.True(next.Client.IsHandshakeComplete);
        Assert.False(next.Client.IsResumed);
    }

    [Fact]
    public void A_session_belongs_to_the_identity_it_was_made_with()
    {
        Connect().Dispose();
        using TlsIdentity other = TestIdentity.Create();
        using EnginePair asOtherClient = Connect(client: other);
        Assert.False(asOtherClient.Client.IsResumed);
        Assert.Equal(other.CertificateDer.ToArray(), asOtherClient.Server.PeerCertificate.ToArray());
        using EnginePair toOtherServer = Connect(server: other);
        Assert.False(toOtherServer.Client.IsResumed);
        Assert.Equal(other.CertificateDer.ToArray(), toOtherServer.Client.PeerCertificate.ToArray());
    }

    [Fact]
    public void A_stolen_session_id_is_worth_nothing_without_its_keys()
    {
        Connect().Dispose();

        // The thief heard the first hello of a resumption, session id included, and repeats it.
        using TlsEngine victim = TlsEngineFactory.Create(
            _clientBackend, TlsRole.Client, _client, static _ => true, _atClient, "server");
        byte[] hello = new byte[victim.PendingOutput];
        victim.ReadOutput(hello);
        using TlsEngine server = TlsEngineFactory.Create(TlsBackend.OpenSsl, TlsRole.Server, _server, static _ => true, _atServer);
        System.Buffers.ArrayBufferWriter<byte> received = new();
        Assert.Equal(TlsResult.Ok, server.Receive(hello, received));
        byte[] forged = [20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 40, .. new byte[40]];
        Assert.Equal(TlsResult.Failed, server.Receive(forged, received));
        Assert.False(server.IsHandshakeComplete);
        Assert.True(server.PeerCertificate.IsEmpty);

        // And it did not cost the victim its session.
        using EnginePair next = Connect();
        Assert.True(next.Client.IsResumed);
    }

    [Fact]
    public void Sessions_expire_and_may_be_forgotten_by_either_side()
    {
        Connect().Dispose();
        _time.Advance(TlsSessionCache.Lifetime);
        Connect(expectResumed: false).Dispose();
        Connect(expectResumed: true).Dispose();
        _atServer.Clear();
        Connect(expectResumed: false).Dispose();
        Connect(expectResumed: true).Dispose();
        _atClient.Clear();
        Connect(expectResumed: false).Dispose();
    }

    [Fact]
    public void Without_a_key_or_a_cache_nothing_is_resumed()
    {
        Connect().Dispose();
        using EnginePair pair = new(
            TlsEngineFactory.Create(_clientBackend, TlsRole.Client, _client, static _ => true, _atClient),
            TlsEngineFactory.Create(TlsBackend.OpenSsl, TlsRole.Server, _server, static _ => true, _atServer));
        pair.Exchange();
        Assert.True(pair.Client.IsHandshakeComplete);
        Assert.False(pair.Client.IsResumed);
        using EnginePair other = new(
            TlsEngineFactory.Create(_clientBackend, TlsRole.Client, _client, static _ => true, _atClient, "server"),
            TlsEngineFactory.Create(TlsBackend.OpenSsl, TlsRole.Server, _server, static _ => true));
        other.Exchange();
        Assert.True(other.Client.IsHandshakeComplete);
        Assert.False(other.Client.IsResumed);
    }

    public void Dispose()
    {
        _atClient.Dispose();
        _atServer.Dispose();
        _client.Dispose();
        _server.Dispose();
        GC.SuppressFinalize(this);
    }

    private static bool Accept(ReadOnlySpan<byte> der, out byte[] seen)
    {
        seen = der.ToArray();
        return true;
    }

    private EnginePair Connect(bool expectResumed)
    {
        EnginePair pair = Connect();
        Assert.True(pair.Client.IsHandshakeComplete && pair.Server.IsHandshakeComplete);
        Assert.Equal(expectResumed, pair.Client.IsResumed);
        return pair;
    }

    private EnginePair Connect(
        TlsPeerValidator? atClient = null,
        TlsPeerValidator? atServer = null,
        TlsIdentity? client = null,
        TlsIdentity? server = null)
    {
        EnginePair pair = Create(atClient, atServer, client, server);
        pair.Exchange();
        return pair;
    }

    private EnginePair Create(
        TlsPeerValidator? atClient = null,
        TlsPeerValidator? atServer = null,
        TlsIdentity? client = null,
        TlsIdentity? server = null) =>
        new(
            TlsEngineFactory.Create(
                _clientBackend, TlsRole.Client, client ?? _client, atClient ?? (static _ => true), _atClient, "server"),
            TlsEngineFactory.Create(TlsBackend.OpenSsl, TlsRole.Server, server ?? _server, atServer ?? (static _ => true), _atServer));
}
