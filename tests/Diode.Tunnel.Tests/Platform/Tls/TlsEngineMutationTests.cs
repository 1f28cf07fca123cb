using System.Buffers;
using System.Buffers.Binary;
using Diode.Tunnel.Platform.Tls;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tls;

/// <summary>Hostile bytes never throw, never crash, never yield data that was not sent. More than 100,000 per engine.</summary>
public abstract class TlsEngineMutationTests(TlsBackend backend)
{
    /// <summary>A handshake of the managed library costs some 45 milliseconds.</summary>
    private int Handshakes => backend == TlsBackend.OpenSsl ? 100 : 16;

    [Fact]
    public void Mutated_server_hellos_and_certificates_never_throw()
    {
        using TlsIdentity identity = TestIdentity.Create();
        using EnginePair pair = new(backend, backend);
        byte[] flight = new byte[16 * 1024];
        pair.Server.Receive(flight.AsSpan(0, pair.Client.ReadOutput(flight)), pair.ServerReceived);
        int length = pair.Server.ReadOutput(flight);

        // Up to the certificate: the signature behind it would be refused at a much higher price.
        length = flight.AsSpan(0, length).IndexOf((ReadOnlySpan<byte>)[3, 0, 22, 65]);
        Assert.True(length > 300);
        Random random = new(24);
        ArrayBufferWriter<byte> plaintext = new(4096);
        byte[] mutated = new byte[length];
        int failed = 0;
        for (int i = 0; i < 5_000; i++)
        {
            flight.AsSpan(0, length).CopyTo(mutated);
            for (int flips = random.Next(1, 4); flips > 0; flips--)
            {
                mutated[random.Next(random.Next(2) == 0 ? 50 : length)] = (byte)random.Next(256);
            }

            using TlsEngine client = TlsEngineFactory.Create(backend, TlsRole.Client, identity, static _ => true);
            int cut = random.Next(length);
            client.Receive(mutated.AsSpan(0, cut), plaintext);
            TlsResult result = client.Receive(mutated.AsSpan(cut), plaintext);
            Assert.Equal(result == TlsResult.Failed, client.Error is not null);
            Assert.False(client.IsHandshakeComplete);
            failed += result == TlsResult.Failed ? 1 : 0;
        }

        Assert.True(failed > 1000);
        Assert.Equal(0, plaintext.WrittenCount);
    }

    [Fact]
    public void Mutated_client_hellos_never_throw()
    {
        using TlsIdentity identity = TestIdentity.Create();
        using TlsEngine client = TlsEngineFactory.Create(backend, TlsRole.Client, identity, static _ => true);
        byte[] hello = new byte[client.PendingOutput];
        client.ReadOutput(hello);

        // Suites nobody has: the server reads everything and refuses, and need not sign thousands of times.
        int suites = TlsRecord.HeaderLength + 4 + 2 + 32;
        suites += 1 + hello[suites];
        for (int i = 0; i < hello[suites + 1] - 2; i++)
        {
            hello[suites + 2 + i] = 0xfa;
        }

        Random random = new(20);
        ArrayBufferWriter<byte> plaintext = new(4096);
        byte[] mutated = new byte[hello.Length];
        int failed = 0;
        for (int i = 0; i < 52_000; i++)
        {
            hello.CopyTo(mutated, 0);
            for (int flips = random.Next(1, 4); flips > 0; flips--)
            {
                // The first bytes decide about everything, so they are hit more often.
                int index = random.Next(0, random.Next(2) == 0 ? 12 : mutated.Length);
                mutated[index] = (byte)random.Next(256);
            }

            using TlsEngine server = TlsEngineFactory.Create(backend, TlsRole.Server, identity, static _ => true);
            TlsResult result = server.Receive(mutated.AsSpan(0, random.Next(4, mutated.Length + 1)), plaintext);
            Assert.Equal(result == TlsResult.Failed, server.Error is not null);
            Assert.False(server.IsHandshakeComplete);
            failed += result == TlsResult.Failed ? 1 : 0;
        }

        Assert.True(failed > 1000);
        Assert.Equal(0, plaintext.WrittenCount);
    }

    [Fact]
    public void Garbage_never_throws()
    {
        using TlsIdentity identity = TestIdentity.Create();
        Random random = new(21);
        ArrayBufferWriter<byte> plaintext = new(4096);
        byte[] garbage = new byte[64];
        for (int i = 0; i < 1_500; i++)
        {
            TlsRole role = (i & 1) == 0 ? TlsRole.Server : TlsRole.Client;
            using TlsEngine engine = TlsEngineFactory.Create(backend, role, identity, static _ => true);

            // 30 chunks per engine; a plausible record header keeps some of them alive beyond the first bytes.
            for (int chunk = 0; chunk < 30; chunk++)
            {
                random.NextBytes(garbage);
                if (chunk % 3 == 0)
                {
                    garbage[0] = (byte)random.Next(20, 25);
                    garbage[1] = 3;
                    garbage[2] = 3;
                    garbage[3] = 0;
                    garbage[4] = (byte)random.Next(0, 60);
                }

                engine.Receive(garbage.AsSpan(0, random.Next(1, garbage.Length)), plaintext);
            }

            Assert.False(engine.IsHandshakeComplete);
        }

        Assert.Equal(0, plaintext.WrittenCount);
    }

    [Fact]
    public void Mutated_handshake_flights_never_complete_wrongly()
    {
        using TlsIdentity identity = TestIdentity.Create();
        Random random = new(22);
        ArrayBufferWriter<byte> plaintext = new(4096);
        byte[] buffer = new byte[16 * 1024];
        int handshakes = Handshakes;
        for (int i = 0; i < handshakes; i++)
        {
            using TlsEngine client = TlsEngineFactory.Create(backend, TlsRole.Client, identity, static _ => true);
            using TlsEngine server = TlsEngineFactory.Create(backend, TlsRole.Server, identity, static _ => true);
            int flightToMutate = random.Next(0, 3);
            bool inRecordVersion = false;
            for (int flight = 0; flight < 4; flight++)
            {
                (TlsEngine from, TlsEngine to) = (flight & 1) == 0 ? (client, server) : (server, client);
                int length = from.ReadOutput(buffer);
                if (length > 0 && flight == flightToMutate)
                {
                    int index = random.Next(length);
                    inRecordVersion = IsRecordVersion(buffer.AsSpan(0, length), index);
                    buffer[index] ^= (byte)random.Next(1, 256);
                }

                to.Receive(buffer.AsSpan(0, length), plaintext);
            }

            // RFC 5246 appendix E.1: the version in the first records is not checked and not part of the transcript.
            Assert.False(
                client.IsHandshakeComplete && server.IsHandshakeComplete && !inRecordVersion,
                $"iteration {i}");
        }

        Assert.Equal(0, plaintext.WrittenCount);
    }

    [Fact]
    public void Mutated_records_never_yield_data()
    {
        Random random = new(23);
        byte[] wire = new byte[256];
        int handshakes = Handshakes;
        for (int i = 0; i < handshakes / 4; i++)
        {
            using EnginePair pair = new(backend, backend);
            pair.Exchange();
            pair.Client.Send(new byte[100]);
            int length = pair.Client.ReadOutput(wire);
            wire[random.Next(5, length)] ^= (byte)random.Next(1, 256);
            Assert.Equal(TlsResult.Failed, pair.Server.Receive(wire.AsSpan(0, length), pair.ServerReceived));
            Assert.Equal(0, pair.ServerReceived.WrittenCount);
        }
    }

    private static bool IsRecordVersion(ReadOnlySpan<byte> flight, int index)
    {
        while (index >= 5 + BinaryPrimitives.ReadUInt16BigEndian(flight[3..]))
        {
            int record = 5 + BinaryPrimitives.ReadUInt16BigEndian(flight[3..]);
            flight = flight[record..];
            index -= record;
        }

        return index is 1 or 2;
    }
}
