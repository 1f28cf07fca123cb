using Diode.Tunnel.Edge;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.LoadTool;

/// <summary>
/// A device with everything that costs the generator processor time made beforehand: certificate, TLS engine with its
/// ClientHello, and hello and ticket as one piece of plaintext. The ticket pays more than any measurement can use.
/// </summary>
internal sealed class LoadDevice : IDisposable
{
    private const ulong PrepaidBytes = 1UL << 45;
    private const ulong HelloId = 1;
    private const ulong TicketId = 2;

    private readonly TlsIdentity _identity;
    private TlsEngine? _engine;

    public LoadDevice(RelayUri relay)
    {
        using var key = PrivateKey.Generate();
        Address = key.Address;
        byte[] secret = new byte[PrivateKey.Length];
        key.CopyTo(secret);
        _identity = new TlsIdentity(DeviceCertificate.Create(key), secret);
        _engine = TlsEngineFactory.Create(TlsRole.Client, _identity, static der => DeviceCertificate.TryParse(der, out _));

        using var output = new OutputBuffer();
        var writer = new EdgeMessageWriter(output);
        writer.WriteHello(HelloId, EdgeLimits.ProtocolVersion);
        ulong epoch = (ulong)DateTimeOffset.UtcNow.ToUnixTimeSeconds() / EdgeLimits.EpochSeconds;
        var ticket = new TicketV2
        {
            ChainId = EdgeLimits.DefaultChainId,
            EpochNumber = epoch,
            Fleet = new EdgeClientOptions().Fleet,
            Server = relay.Address,
            TotalConnections = 1,
            TotalBytes = PrepaidBytes,
        };
        writer.WriteTicket(TicketId, ticket.Sign(key));
        Greeting = output.WrittenMemory.ToArray();
    }

    public Address Address { get; }

    /// <summary>The frames hello and ticket.</summary>
    public ReadOnlyMemory<byte> Greeting { get; }

    /// <summary>The prepared engine; once.</summary>
    public TlsEngine TakeEngine()
    {
        TlsEngine engine = _engine ?? throw new InvalidOperationException("a device connects once");
        _engine = null;
        return engine;
    }

    public void Dispose()
    {
        _engine?.Dispose();
        _identity.Dispose();
    }
}
