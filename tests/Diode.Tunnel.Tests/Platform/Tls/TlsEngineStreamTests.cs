using System.Buffers;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Platform.Tls;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tls;

/// <summary>Engines over transports that cut, join, stop and lie.</summary>
public sealed class TlsEngineStreamTests
{
    private const int PortSendBytes = 65_000;

    public static TheoryData<TlsBackend, TlsBackend> Pairs => new()
    {
        { TlsBackend.OpenSsl, TlsBackend.OpenSsl },
        { TlsBackend.BouncyCastle, TlsBackend.BouncyCastle },
        { TlsBackend.BouncyCastle, TlsBackend.OpenSsl },
        { TlsBackend.OpenSsl, TlsBackend.BouncyCastle },
    };

    public static TheoryData<TlsBackend> Backends => new() { TlsBackend.OpenSsl, TlsBackend.BouncyCastle };

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Every_byte_may_come_alone(TlsBackend client, TlsBackend server)
    {
        using EnginePair pair = new(client, server);
        Carry(pair, 1);
        Assert.True(pair.Client.IsHandshakeComplete && pair.Server.IsHandshakeComplete);
        pair.Client.Send(new byte[300]);
        pair.Server.Send(new byte[17_000]);
        Carry(pair, 1);
        Assert.Equal(300, pair.ServerReceived.WrittenCount);
        Assert.Equal(17_000, pair.ClientReceived.WrittenCount);
    }

    /// <summary>An E2E connection is the stream of records cut into portsend payloads (reference §1.7).</summary>
    [Theory]
    [MemberData(nameof(Pairs))]
    public void A_connection_fits_through_portsend_chunks(TlsBackend client, TlsBackend server)
    {
        using EnginePair pair = new(client, server);
        List<int> chunks = Carry(pair, PortSendBytes);

        // ClientHello; server's flight; client's flight; Finished: each arrives as one payload.
        Assert.Equal(4, chunks.Count);
        Assert.All(chunks, static length => Assert.InRange(length, 1, 2000));
        byte[] data = new byte[300_000];
        new Random(40).NextBytes(data);
        pair.Client.Send(data);
        chunks = Carry(pair, PortSendBytes);
        Assert.Equal(5, chunks.Count);
        Assert.Equal(PortSendBytes, chunks[0]);
        Assert.True(data.AsSpan().SequenceEqual(pair.ServerReceived.WrittenSpan));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Records_sent_with_the_last_flight_are_delivered(TlsBackend backend)
    {
        using EnginePair pair = new(backend, backend);
        byte[] wire = new byte[64 * 1024];
        pair.Server.Receive(wire.AsSpan(0, pair.Client.ReadOutput(wire)), pair.ServerReceived);
        pair.Client.Receive(wire.AsSpan(0, pair.Server.ReadOutput(wire)), pair.ClientReceived);
        pair.Server.Receive(wire.AsSpan(0, pair.Client.ReadOutput(wire)), pair.ServerReceived);
        Assert.True(pair.Server.IsHandshakeComplete);
        pair.Server.Send([1, 2, 3]);
        pair.Server.Shutdown();
        Assert.Equal(
            TlsResult.Closed,
            pair.Client.Receive(wire.AsSpan(0, pair.Server.ReadOutput(wire)), pair.ClientReceived));
        Assert.True(pair.Client.IsHandshakeComplete);
        Assert.Equal([1, 2, 3], pair.ClientReceived.WrittenSpan.ToArray());
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Half_open_handshakes_hold_little(TlsBackend backend)
    {
        using TlsIdentity identity = TestIdentity.Create();
        List<TlsEngine> engines = [];
        ArrayBufferWriter<byte> plaintext = new();
        byte[] beginning = [22, 3, 1, 0x40, 0, 1, 0, 0x2f, 0];
        for (int i = 0; i < 500; i++)
        {
            TlsEngine server = TlsEngineFactory.Create(backend, TlsRole.Server, identity, static _ => true);
            Assert.Equal(TlsResult.Ok, server.Receive(beginning, plaintext));
            Assert.Equal(0, server.PendingOutput);
            engines.Add(server);
        }

        // An engine dropped at any point of a handshake is no trouble either.
        foreach (TlsEngine engine in engines)
        {
            engine.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Refusals_carry_the_alerts_of_a_real_relay(TlsBackend backend)
    {
        byte[] empty = [0, 0, 2, 0xc0, 0x2c, 1, 0];
        Refuse(backend, [3, 1, .. new byte[32], .. empty], 70);
        Refuse(backend, [3, 3, .. new byte[32], .. empty, 0, 7, 0, 43, 0, 3, 2, 3, 4], 70);
        Refuse(backend, [3, 3, .. new byte[32], .. empty, 0, 8, 0, 10, 0, 4, 0, 2, 0, 23], 71);
        Refuse(backend, [3, 3, .. new byte[32], .. empty, 0, 8, 0, 10], 50);
        Refuse(backend, [3, 3, .. new byte[32], 0, 0, 2, 0, 0x2f, 1, 0], 40);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void A_close_in_the_middle_of_a_handshake_is_a_close(TlsBackend backend)
    {
        using EnginePair pair = new(backend, backend);
        Assert.Equal(TlsResult.Closed, pair.Client.Receive([21, 3, 3, 0, 2, 1, 0], pair.ClientReceived));
        Assert.Null(pair.Client.Error);
        Assert.False(pair.Client.IsHandshakeComplete);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Records_too_long_or_of_no_kind_end_the_connection(TlsBackend backend)
    {
        foreach (byte[] record in (byte[][])[[23, 3, 3, 0xff, 0xff, 1], [99, 3, 3, 0, 1, 1], [23, 9, 9, 0, 40, .. new byte[40]]])
        {
            using EnginePair pair = new(backend, backend);
            pair.Exchange();
            Assert.Equal(TlsResult.Failed, pair.Server.Receive(record, pair.ServerReceived));
            Assert.NotNull(pair.Server.Error);
            pair.Exchange();
            Assert.Equal(TlsResult.Failed, pair.ClientResult);
        }
    }

    [Fact]
    public void A_backend_is_chosen_by_name()
    {
        Assert.Equal(TlsBackend.OpenSsl, TlsEngineFactory.Parse(null));
        Assert.Equal(TlsBackend.OpenSsl, TlsEngineFactory.Parse("openssl"));
        Assert.Equal(TlsBackend.BouncyCastle, TlsEngineFactory.Parse("BouncyCastle"));
        PlatformException exception = Assert.Throws<PlatformException>(() => TlsEngineFactory.Parse("schannel"));
        Assert.Contains("schannel", exception.Message, StringComparison.Ordinal);
    }

    private static void Refuse(TlsBackend backend, byte[] hello, byte alert)
    {
        using TlsIdentity identity = TestIdentity.Create();
        using TlsEngine server = TlsEngineFactory.Create(backend, TlsRole.Server, identity, static _ => true);
        byte[] wire = [22, 3, 1, 0, (byte)(hello.Length + 4), 1, 0, 0, (byte)hello.Length, .. hello];
        Assert.Equal(TlsResult.Failed, server.Receive(wire, new ArrayBufferWriter<byte>()));
        byte[] output = new byte[100];
        Assert.Equal(7, server.ReadOutput(output));
        Assert.Equal([21, 3, 3, 0, 2, 2, alert], output[..7]);
    }

    /// <summary>Carries bytes in pieces of one length until nothing is left; returns the pieces.</summary>
    private static List<int> Carry(EnginePair pair, int length)
    {
        List<int> pieces = [];
        byte[] piece = new byte[length];
        while (pair.Client.PendingOutput + pair.Server.PendingOutput > 0)
        {
            for (int read; (read = pair.Client.ReadOutput(piece)) > 0;)
            {
                Assert.Equal(TlsResult.Ok, pair.Server.Receive(piece.AsSpan(0, read), pair.ServerReceived));
                pieces.Add(read);
            }

            for (int read; (read = pair.Server.ReadOutput(piece)) > 0;)
            {
                Assert.Equal(TlsResult.Ok, pair.Client.Receive(piece.AsSpan(0, read), pair.ClientReceived));
                pieces.Add(read);
            }
        }

        return pieces;
    }
}
