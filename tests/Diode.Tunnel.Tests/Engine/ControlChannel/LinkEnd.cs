using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.Tests.Engine.ControlChannel;

/// <summary>One end of a control channel over a port in memory, with a log of what the channel said.</summary>
internal sealed class LinkEnd : IControlPort, IControlLinkEvents, IDisposable
{
    private readonly Queue<byte[]> _sent = new();
    private readonly TlsIdentity _identity;

    public LinkEnd(PrivateKey key, Address expected, bool opener)
    {
        Device = expected;
        Opener = opener;
        byte[] secret = new byte[PrivateKey.Length];
        key.CopyTo(secret);
        _identity = new TlsIdentity(DeviceCertificate.Create(key), secret);
        Link = new ControlLink(this, _identity, this);
    }

    public ControlLink Link { get; }

    public Address Device { get; }

    public bool Opener { get; }

    public bool WasOpened { get; private set; }

    public bool IsPortClosed { get; private set; }

    public string? ClosedBecause { get; private set; }

    public List<ControlMessage> Messages { get; } = [];

    /// <summary>If set, bytes move to this end as they are sent; otherwise <see cref="Run"/> moves them.</summary>
    public LinkEnd? Peer { get; set; }

    /// <summary>Called for each message, before it is logged.</summary>
    public Action<ControlMessage> OnMessage { get; set; } = static _ => { };

    /// <summary>Two ends that expect each other's keys; the handshake is done.</summary>
    public static (LinkEnd Client, LinkEnd Server) Pair(PrivateKey client, PrivateKey server)
    {
        LinkEnd a = new(client, server.Address, opener: true);
        LinkEnd b = new(server, client.Address, opener: false);
        a.Link.Start();
        b.Link.Start();
        Run(a, b);
        return (a, b);
    }

    /// <summary>Moves bytes both ways, in pieces of at most <paramref name="piece"/> bytes, until none is left.</summary>
    public static void Run(LinkEnd a, LinkEnd b, int piece = int.MaxValue)
    {
        while (a.MoveTo(b, piece) | b.MoveTo(a, piece))
        {
        }
    }

    public void Send(ReadOnlySpan<byte> data)
    {
        _sent.Enqueue(data.ToArray());
        if (Peer is { } peer)
        {
            MoveTo(peer, int.MaxValue);
        }
    }

    public void Close()
    {
        IsPortClosed = true;
    }

    public void OnLinkOpen(ControlLink link)
    {
        WasOpened = true;
    }

    public void OnLinkMessage(ControlLink link, ControlMessage message)
    {
        OnMessage(message);
        Messages.Add(message);
    }

    public void OnLinkClosed(ControlLink link, string reason)
    {
        ClosedBecause = ClosedBecause is null ? reason : throw new InvalidOperationException("closed twice");
        Close();
    }

    public void Dispose()
    {
        Link.Dispose();
        _identity.Dispose();
    }

    private bool MoveTo(LinkEnd other, int piece)
    {
        bool any = false;
        while (_sent.TryDequeue(out byte[]? data))
        {
            any = true;
            foreach (byte[] part in data.Chunk(piece))
            {
                other.Link.Receive(part);
            }
        }

        return any;
    }
}
