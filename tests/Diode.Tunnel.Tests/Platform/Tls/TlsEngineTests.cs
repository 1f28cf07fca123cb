using System.Buffers;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Tls;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tls;

/// <summary>What every engine does with every other: run for each pair of libraries.</summary>
public abstract class TlsEngineTests(TlsBackend clientBackend, TlsBackend serverBackend)
{
    [Theory]
    [InlineData(null)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Engines_shake_hands_and_carry_data_whatever_the_cut(int? seed)
    {
        using TlsIdentity clientIdentity = TestIdentity.Create(out byte[] clientCertificate);
        using TlsIdentity serverIdentity = TestIdentity.Create(out byte[] serverCertificate);
        byte[]? seenByServer = null;
        using EnginePair pair = new(
            TlsEngineFactory.Create(clientBackend, TlsRole.Client, clientIdentity, static _ => true),
            TlsEngineFactory.Create(
                serverBackend, TlsRole.Server,
                serverIdentity,
                der =>
                {
                    seenByServer = der.ToArray();
                    return true;
                }),
            seed);
        Assert.True(pair.Client.PendingOutput > 0, "the ClientHello waits at once");
        Assert.Equal(0, pair.Server.PendingOutput);
        pair.Exchange();
        Assert.True(pair.Client.IsHandshakeComplete && pair.Server.IsHandshakeComplete);
        Assert.Equal(clientCertificate, seenByServer);
        Assert.Equal(clientCertificate, pair.Server.PeerCertificate.ToArray());
        Assert.Equal(serverCertificate, pair.Client.PeerCertificate.ToArray());

        Random random = new(seed ?? 0);
        ArrayBufferWriter<byte> sentByClient = new();
        ArrayBufferWriter<byte> sentByServer = new();
        foreach (int length in (int[])[1, 0, 1400, 16384, 16385, 100_000, 3])
        {
            byte[] data = new byte[length];
            random.NextBytes(data);
            sentByClient.Write(data);
            Assert.Equal(TlsResult.Ok, pair.Client.Send(data));
            random.NextBytes(data);
            sentByServer.Write(data);
            Assert.Equal(TlsResult.Ok, pair.Server.Send(data));
            pair.Exchange();
        }

        Assert.True(sentByClient.WrittenSpan.SequenceEqual(pair.ServerReceived.WrittenSpan));
        Assert.True(sentByServer.WrittenSpan.SequenceEqual(pair.ClientReceived.WrittenSpan));
        Assert.Null(pair.Client.Error);
        Assert.Null(pair.Server.Error);
    }

    [Fact]
    public void Buffers_can_be_given_back_at_any_time()
    {
        using EnginePair pair = new(clientBackend, serverBackend);
        pair.Client.KeepsBuffers = true;
        pair.Server.KeepsBuffers = true;
        pair.Client.Trim();
        pair.Exchange();
        byte[] data = new byte[100_000];
        new Random(7).NextBytes(data);
        ArrayBufferWriter<byte> received = new();
        for (int round = 0; round < 3; round++)
        {
            pair.Client.Send(data);
            byte[] wire = new byte[pair.Client.PendingOutput];

            // In the middle of output, and of a record that came in part.
            int half = pair.Client.ReadOutput(wire.AsSpan(0, wire.Length / 2));
            pair.Client.Trim();
            Assert.Equal(wire.Length - half, pair.Client.ReadOutput(wire.AsSpan(half)));
            pair.Client.Trim();
            received.ResetWrittenCount();
            Assert.Equal(TlsResult.Ok, pair.Server.Receive(wire.AsSpan(0, wire.Length - 100), received));
            pair.Server.Trim();
            Assert.Equal(TlsResult.Ok, pair.Server.Receive(wire.AsSpan(wire.Length - 100), received));
            pair.Server.Trim();
            Assert.True(data.AsSpan().SequenceEqual(received.WrittenSpan));
        }
    }

    [Fact]
    public void Receive_takes_many_records_at_once()
    {
        using EnginePair pair = new(clientBackend, serverBackend);
        pair.Exchange();
        byte[] data = new byte[300_000];
        new Random(7).NextBytes(data);
        for (int offset = 0; offset < data.Length; offset += 1000)
        {
            pair.Client.Send(data.AsSpan(offset, 1000));
        }

        byte[] wire = new byte[pair.Client.PendingOutput];
        Assert.Equal(wire.Length, pair.Client.ReadOutput(wire));
        ArrayBufferWriter<byte> received = new();
        Assert.Equal(TlsResult.Ok, pair.Server.Receive(wire, received));
        Assert.True(data.AsSpan().SequenceEqual(received.WrittenSpan));
    }

    [Theory]
    [InlineData(TlsRole.Client)]
    [InlineData(TlsRole.Server)]
    public void A_refused_certificate_fails_both_sides(TlsRole refusing)
    {
        using TlsIdentity identity = TestIdentity.Create();
        using EnginePair pair = new(
            TlsEngineFactory.Create(clientBackend, TlsRole.Client, identity, _ => refusing != TlsRole.Client),
            TlsEngineFactory.Create(serverBackend, TlsRole.Server, identity, _ => refusing != TlsRole.Server));
        pair.Exchange();
        TlsEngine refuser = refusing == TlsRole.Client ? pair.Client : pair.Server;
        Assert.Equal(TlsResult.Failed, pair.ClientResult);
        Assert.Equal(TlsResult.Failed, pair.ServerResult);
        Assert.False(refuser.IsHandshakeComplete);
        Assert.True(refuser.PeerCertificate.IsEmpty);
        Assert.Contains("refused", refuser.Error, StringComparison.Ordinal);
        Assert.NotNull((refusing == TlsRole.Client ? pair.Server : pair.Client).Error);
    }

    [Fact]
    public void An_exception_of_the_validator_is_a_refusal()
    {
        using TlsIdentity identity = TestIdentity.Create();
        using EnginePair pair = new(
            TlsEngineFactory.Create(clientBackend, TlsRole.Client, identity, static _ => true),
            TlsEngineFactory.Create(serverBackend, TlsRole.Server, identity, static _ => throw new FormatException()));
        pair.Exchange();
        Assert.Equal(TlsResult.Failed, pair.ServerResult);
        Assert.Contains(nameof(FormatException), pair.Server.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Shutdown_closes_one_direction_at_a_time()
    {
        using EnginePair pair = new(clientBackend, serverBackend);
        pair.Exchange();
        pair.Client.Send([1, 2, 3]);
        pair.Client.Shutdown();
        pair.Client.Shutdown();
        pair.Exchange();
        Assert.Equal(TlsResult.Closed, pair.ServerResult);
        Assert.Equal([1, 2, 3], pair.ServerReceived.WrittenSpan.ToArray());
        Assert.Equal(TlsResult.Closed, pair.Client.Send([4]));
        Assert.Equal(TlsResult.Closed, pair.Server.Receive([1, 2, 3], pair.ServerReceived));

        Assert.Equal(TlsResult.Ok, pair.Server.Send([9]));
        pair.Server.Shutdown();
        pair.Exchange();
        Assert.Equal(TlsResult.Closed, pair.ClientResult);
        Assert.Equal([9], pair.ClientReceived.WrittenSpan.ToArray());
        Assert.Null(pair.Client.Error);
        Assert.Null(pair.Server.Error);
    }

    [Fact]
    public void Send_before_the_handshake_is_a_bug_of_the_caller()
    {
        using EnginePair pair = new(clientBackend, serverBackend);
        Assert.Throws<InvalidOperationException>(() => pair.Client.Send([1]));
        pair.Server.Shutdown();
        Assert.Equal(0, pair.Server.PendingOutput);
    }

    [Fact]
    public void Garbage_fails_with_a_text_and_stays_failed()
    {
        using EnginePair pair = new(clientBackend, serverBackend);
        Assert.Equal(TlsResult.Failed, pair.Server.Receive("GET / HTTP/1.1\r\n\r\n"u8, pair.ServerReceived));
        Assert.Contains("does not speak TLS", pair.Server.Error, StringComparison.Ordinal);
        Assert.Equal(TlsResult.Failed, pair.Server.Receive([0], pair.ServerReceived));
        Assert.Equal(TlsResult.Failed, pair.Server.Send([0]));
    }

    [Fact]
    public void A_fatal_alert_is_reported()
    {
        using EnginePair pair = new(clientBackend, serverBackend);
        Assert.Equal(TlsResult.Failed, pair.Client.Receive([21, 3, 3, 0, 2, 2, 40], pair.ClientReceived));
        Assert.Contains("alert", pair.Client.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_that_does_not_belong_to_the_certificate_is_refused()
    {
        using TlsIdentity other = TestIdentity.Create(out byte[] certificate);
        byte[] key = new byte[32];
        key[31] = 5;
        using TlsIdentity mixed = new(certificate, key);
        PlatformException exception = Assert.Throws<PlatformException>(
            () => TlsEngineFactory.Create(clientBackend, TlsRole.Client, mixed, static _ => true));
        Assert.Contains("key", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_zero_key_and_a_broken_certificate_are_refused()
    {
        using TlsIdentity other = TestIdentity.Create(out byte[] certificate);
        using TlsIdentity zero = new(certificate, new byte[32]);
        Assert.Throws<PlatformException>(() => TlsEngineFactory.Create(clientBackend, TlsRole.Client, zero, static _ => true));
        using TlsIdentity broken = new([0x30, 0x03, 1, 2, 3], new byte[32]);
        Assert.Throws<PlatformException>(() => TlsEngineFactory.Create(serverBackend, TlsRole.Server, broken, static _ => true));
    }

    [Fact]
    public void Engines_outlive_their_identity()
    {
        TlsIdentity identity = TestIdentity.Create();
        using EnginePair pair = new(
            TlsEngineFactory.Create(clientBackend, TlsRole.Client, identity, static _ => true),
            TlsEngineFactory.Create(serverBackend, TlsRole.Server, identity, static _ => true));
        identity.Dispose();
        pair.Exchange();
        Assert.True(pair.Server.IsHandshakeComplete);
        Assert.Throws<ObjectDisposedException>(
            () => TlsEngineFactory.Create(clientBackend, TlsRole.Client, identity, static _ => true));
    }

    [Fact]
    public void A_disposed_engine_says_so()
    {
        EnginePair pair = new(clientBackend, serverBackend);
        pair.Dispose();
        pair.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pair.Client.Receive([1], pair.ClientReceived));
        Assert.Throws<ObjectDisposedException>(() => pair.Client.ReadOutput(new byte[9]));
    }
}
