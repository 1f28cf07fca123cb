using System.Buffers;
using System.Buffers.Binary;
using Diode.Tunnel.Platform.Tls;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tls;

/// <summary>A client and a server engine joined by a wire that cuts the bytes at random places.</summary>
internal sealed class EnginePair : IDisposable
{
    private readonly TlsIdentity? _owned;
    private readonly Random? _cuts;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private HashSet<byte>? _seen;

    public EnginePair(TlsEngine client, TlsEngine server, int? seed = null)
    {
        Client = client;
        Server = server;
        _cuts = seed is int value ? new Random(value) : null;
    }

    public EnginePair(int? seed = null)
        : this(TlsBackend.OpenSsl, TlsBackend.OpenSsl, seed)
    {
    }

    public EnginePair(TlsBackend client, TlsBackend server, int? seed = null)
    {
        _owned = TestIdentity.Create();
        Client = TlsEngineFactory.Create(client, TlsRole.Client, _owned, static _ => true);
        Server = TlsEngineFactory.Create(server, TlsRole.Server, _owned, static _ => true);
        _cuts = seed is int value ? new Random(value) : null;
    }

    public TlsEngine Client { get; }

    public TlsEngine Server { get; }

    public ArrayBufferWriter<byte> ClientReceived { get; } = new(64 * 1024);

    public ArrayBufferWriter<byte> ServerReceived { get; } = new(64 * 1024);

    public TlsResult ClientResult { get; private set; }

    public TlsResult ServerResult { get; private set; }

    /// <summary>Carries bytes both ways until neither side has any left.</summary>
    /// <param name="seen">Receives the types of the handshake messages that went in the clear.</param>
    public void Exchange(HashSet<byte>? seen = null)
    {
        _seen = seen;
        while (Client.PendingOutput + Server.PendingOutput > 0)
        {
            ServerResult = Carry(Client, Server, ServerReceived, ServerResult);
            ClientResult = Carry(Server, Client, ClientReceived, ClientResult);
        }
    }

    public void Dispose()
    {
        Client.Dispose();
        Server.Dispose();
        _owned?.Dispose();
    }

    private TlsResult Carry(TlsEngine from, TlsEngine to, ArrayBufferWriter<byte> received, TlsResult result)
    {
        while (from.PendingOutput > 0)
        {
            int length = from.ReadOutput(_buffer.AsSpan(0, _cuts?.Next(1, 3000) ?? _buffer.Length));
            Assert.True(length > 0);
            Watch(_buffer.AsSpan(0, length));
            for (int offset = 0; offset < length;)
            {
                int cut = Math.Min(length - offset, _cuts is null ? length : _cuts.Next(1, 700));
                result = to.Receive(_buffer.AsSpan(offset, cut), received);
                offset += cut;
            }
        }

        return result;
    }

    /// <summary>Notes messages up to the change of ciphers; works on flights that were not cut.</summary>
    private void Watch(ReadOnlySpan<byte> flight)
    {
        while (_seen is not null && !flight.IsEmpty && flight[0] != TlsRecord.ChangeCipherSpec)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(flight[3..]);
            ReadOnlySpan<byte> messages = flight.Slice(TlsRecord.HeaderLength, length);
            while (!messages.IsEmpty)
            {
                _seen.Add(messages[0]);
                messages = messages[(4 + BinaryPrimitives.ReadUInt16BigEndian(messages[2..]))..];
            }

            flight = flight[(TlsRecord.HeaderLength + length)..];
        }
    }
}
