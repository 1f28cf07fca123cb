using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using Diode.Tunnel.WireGuard.Cookies;
using Diode.Tunnel.WireGuard.Crypto;
using Diode.Tunnel.WireGuard.Messages;
using Diode.Tunnel.WireGuard.Noise;
using Diode.Tunnel.WireGuard.Routing;
using Diode.Tunnel.WireGuard.Transport;

namespace Diode.Tunnel.WireGuard;

/// <summary>
/// A WireGuard interface as wg(8) knows it: one private key and many peers. Bytes and time go in, bytes come out, in place
/// and through <see cref="IWireGuardOutput"/>. Thread-safe; several threads may seal and receive at once.
/// </summary>
/// <remarks>Every <c>now</c> is a monotonic time in ticks of 100 ns with any origin.</remarks>
public sealed partial class WireGuardInterface : IDisposable
{
    private readonly Lock _peersGate = new();
    private readonly ConcurrentDictionary<TunnelPublicKey, Peer> _peers = new();
    private readonly InterfaceContext _context;
    private readonly HandshakeAdmission _admission;

    /// <summary>Makes an interface without peers.</summary>
    /// <param name="privateKey">32 bytes, copied; the caller erases its own.</param>
    /// <param name="options">Settings.</param>
    /// <param name="output">Receives what the interface sends by itself.</param>
    public WireGuardInterface(ReadOnlySpan<byte> privateKey, WireGuardOptions options, IWireGuardOutput output)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(privateKey.Length, WireGuardConstants.KeyLength);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(output);
        LocalIdentity identity = new(privateKey, options.X25519, options.Aead, options.Random);
        PublicKey = new TunnelPublicKey(identity.PublicKey);
        _context = new InterfaceContext(identity, options, output);
        _admission = new HandshakeAdmission(identity.PublicKey, options, output);
    }

    /// <summary>The key that peers know this interface by.</summary>
    public TunnelPublicKey PublicKey { get; }

    /// <summary>Prefix to peer.</summary>
    public AllowedIps AllowedIps { get; } = new();

    /// <summary>What was dropped, by reason.</summary>
    public DropCounters Drops => _context.Drops;

    /// <summary>The peers, in no order.</summary>
    public IEnumerable<Peer> Peers => _peers.Values;

    /// <summary>Padding does not make a packet longer than this; follows the adapter's MTU.</summary>
    public int Mtu
    {
        get => _context.Mtu;
        set => _context.Mtu = value;
    }

    /// <summary>Set by the shell while handshakes pile up: cookies are asked for, whatever the rate here.</summary>
    public bool IsUnderLoad
    {
        get => _admission.ForcedLoad;
        set => _admission.ForcedLoad = value;
    }

    /// <summary>Earliest time at which <see cref="Tick"/> may have something to do; <see cref="long.MaxValue"/> for never.</summary>
    /// <remarks>May become earlier with any call, but then is at least five seconds ahead, except right after a peer with a
    /// persistent keepalive was added.</remarks>
    public long NextTimeout => _context.Timers.NextTimeout;

    /// <summary>Adds a peer.</summary>
    /// <exception cref="ArgumentException">The key is of low order, our own, or known already.</exception>
    public Peer AddPeer(ReadOnlySpan<byte> publicKey, PeerOptions options)
    {
        return TryAddPeer(publicKey, options, out Peer? peer)
            ? peer
            : throw new ArgumentException("The peer's public key is unusable or known already.", nameof(publicKey));
    }

    /// <summary>Adds a peer. False if the key is of low order, our own, or known already.</summary>
    public bool TryAddPeer(ReadOnlySpan<byte> publicKey, PeerOptions options, [NotNullWhen(true)] out Peer? peer)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.PresharedKey.Length is not (0 or WireGuardConstants.KeyLength))
        {
            throw new ArgumentException("A preshared key has 32 bytes.", nameof(options));
        }

        TunnelPublicKey key = new(publicKey);
        SecretBytes staticStatic = new();
        peer = null;
        if (key == PublicKey || !_context.Identity.TryAgree(publicKey, staticStatic.Span))
        {
            staticStatic.Dispose();
            return false;
        }

        lock (_peersGate)
        {
            if (_peers.ContainsKey(key))
            {
                staticStatic.Dispose();
                return false;
            }

            peer = new PeerSession(_context, key, staticStatic, options).Peer;
            _peers[key] = peer;
            AllowedIps.Add(peer, options.AllowedIps);
            peer.SetPersistentKeepalive(options.PersistentKeepalive);
            return true;
        }
    }

    /// <summary>Finds a peer by its key; false for bytes that are no key of ours.</summary>
    public bool TryGetPeer(ReadOnlySpan<byte> publicKey, [NotNullWhen(true)] out Peer? peer)
    {
        peer = null;
        return publicKey.Length == TunnelPublicKey.Length
            && _peers.TryGetValue(new TunnelPublicKey(publicKey), out peer);
    }

    /// <summary>Removes a peer: on return nothing of it can be sealed or delivered, and its keys are erased.</summary>
    public bool RemovePeer(Peer peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        lock (_peersGate)
        {
            if (!_peers.TryRemove(new KeyValuePair<TunnelPublicKey, Peer>(peer.PublicKey, peer)))
            {
                return false;
            }

            AllowedIps.Remove(peer, peer.AllowedIps);
            peer.Session.Dispose();
            return true;
        }
    }

    /// <summary>Replaces a peer's prefixes.</summary>
    public void SetAllowedIps(Peer peer, IReadOnlyList<IPNetwork> prefixes)
    {
        ArgumentNullException.ThrowIfNull(peer);
        ArgumentNullException.ThrowIfNull(prefixes);
        lock (_peersGate)
        {
            if (!peer.IsRemoved)
            {
                AllowedIps.Remove(peer, peer.AllowedIps);
                AllowedIps.Add(peer, prefixes);
                peer.AllowedIps = prefixes;
            }
        }
    }

    /// <summary>Peer to which an IP packet goes, by its destination address; null if none.</summary>
    public Peer? Route(ReadOnlySpan<byte> packet)
    {
        return AllowedIps.Find(InnerPacket.Destination(packet));
    }

    /// <summary>
    /// Encrypts a packet in place into a datagram for the peer. The buffer needs <see cref="WireGuardConstants.SealHeadroom"/>
    /// bytes before the packet and <see cref="WireGuardConstants.SealTailroom"/> behind it, all overwritten.
    /// </summary>
    /// <param name="peer">Whom the packet is for.</param>
    /// <param name="buffer">Holds packet and room; belongs to the caller before and after.</param>
    /// <param name="packetOffset">Start of the packet.</param>
    /// <param name="packetLength">Its length, at least 1.</param>
    /// <param name="now">Monotonic ticks.</param>
    /// <param name="datagramOffset">Start of the datagram in the buffer, if sealed.</param>
    /// <param name="datagramLength">Its length, if sealed.</param>
    public SealResult Seal(
        Peer peer,
        Span<byte> buffer,
        int packetOffset,
        int packetLength,
        long now,
        out int datagramOffset,
        out int datagramLength)
    {
        ArgumentNullException.ThrowIfNull(peer);
        if (peer.Context != _context)
        {
            throw new ArgumentException("The peer belongs to another interface.", nameof(peer));
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(packetOffset, WireGuardConstants.SealHeadroom);
        ArgumentOutOfRangeException.ThrowIfLessThan(packetLength, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(
            packetLength, buffer.Length - packetOffset - WireGuardConstants.SealTailroom);
        datagramOffset = packetOffset - WireGuardConstants.SealHeadroom;
        return peer.Session.Seal(buffer, packetOffset, packetLength, now, out datagramLength);
    }

    /// <summary>Takes a datagram from the network, decrypting in place.</summary>
    /// <param name="datagram">Exactly the datagram; overwritten.</param>
    /// <param name="endpoint">Path it came by; becomes the peer's endpoint if authentic and roaming is enabled. Null changes nothing.</param>
    /// <param name="sourceAddress">
    /// What cookies are bound to and handshakes limited by under load: address bytes (4 or 16) and, if there is one, the port
    /// (2 bytes); on a path without addresses, any bytes that name the sender.
    /// </param>
    /// <param name="now">Monotonic ticks.</param>
    /// <param name="peer">The sender of a packet or keepalive.</param>
    /// <param name="packetOffset">Start of the packet in the datagram, if there is one.</param>
    /// <param name="packetLength">Its length, if there is one.</param>
    public ReceiveResult Receive(
        Span<byte> datagram,
        object? endpoint,
        ReadOnlySpan<byte> sourceAddress,
        long now,
        out Peer? peer,
        out int packetOffset,
        out int packetLength)
    {
        peer = null;
        packetOffset = TransportData.HeaderLength;
        packetLength = 0;
        if (datagram.Length < sizeof(uint))
        {
            return Dropped(DropReason.MalformedMessage);
        }

        MessageType type = (MessageType)BinaryPrimitives.ReadUInt32LittleEndian(datagram);
        return (type, datagram.Length) switch
        {
            (MessageType.TransportData, >= TransportData.MinLength) =>
                ReceiveTransport(datagram, endpoint, now, out peer, out packetLength),
            (MessageType.HandshakeInitiation, HandshakeInitiation.Length) =>
                Handled(ReceiveInitiation(datagram, endpoint, sourceAddress, now)),
            (MessageType.HandshakeResponse, HandshakeResponse.Length) =>
                Handled(ReceiveResponse(datagram, endpoint, sourceAddress, now)),
            (MessageType.CookieReply, CookieReply.Length) => Handled(ReceiveCookieReply(datagram, now)),
            _ => Dropped(DropReason.MalformedMessage),
        };
    }

    /// <summary>Does what is due at this time for all peers: retries, rekeys, keepalives, expiry. Cost grows with the peers due.</summary>
    public void Tick(long now)
    {
        while (_context.Timers.TakeDue(now) is { } due)
        {
            due.Owner.OnTimer(now);
        }
    }

    /// <summary>Removes all peers and erases the private key. No other call may be under way or follow.</summary>
    public void Dispose()
    {
        foreach (Peer peer in _peers.Values)
        {
            RemovePeer(peer);
        }

        _admission.Dispose();
        _context.Identity.Dispose();
    }

    internal int ReceiverIndexCount => _context.Indices.Count;

    private ReceiveResult ReceiveTransport(
        Span<byte> datagram, object? endpoint, long now, out Peer? peer, out int packetLength)
    {
        peer = null;
        packetLength = 0;
        ReceiverSlot? slot = _context.Indices.Find(TransportData.ReceiverIndex(datagram));
        if (slot?.Keypair is not { } keypair)
        {
            return Dropped(DropReason.UnknownReceiver);
        }

        ulong counter = TransportData.Counter(datagram);
        if (keypair.IsExpired(now) || counter >= WireGuardConstants.RejectAfterMessages)
        {
            return Dropped(DropReason.ExpiredKeypair);
        }

        Span<byte> text = datagram[TransportData.HeaderLength..];
        if (!keypair.TryOpen(counter, text))
        {
            return Dropped(DropReason.DecryptionFailed);
        }

        if (!keypair.TryAccept(counter))
        {
            return Dropped(DropReason.ReplayedCounter);
        }

        PeerSession session = slot.Session;
        ReadOnlySpan<byte> padded = text[..^WireGuardConstants.TagLength];
        session.OnTransport(keypair, endpoint, datagram.Length, padded.IsEmpty, now);
        if (session.IsRemoved)
        {
            return Dropped(DropReason.PeerRemoved);
        }

        if (padded.IsEmpty)
        {
            peer = session.Peer;
            return new ReceiveResult(ReceiveStatus.Keepalive);
        }

        if (!InnerPacket.TryGetLength(padded, out int length))
        {
            return Dropped(DropReason.MalformedPacket);
        }

        if (_context.Options.CheckSourceAddress && AllowedIps.Find(InnerPacket.Source(padded)) != session.Peer)
        {
            return Dropped(DropReason.SourceNotAllowed);
        }

        peer = session.Peer;
        packetLength = length;
        return new ReceiveResult(ReceiveStatus.Packet);
    }

    private DropReason ReceiveInitiation(
        Span<byte> datagram, object? endpoint, ReadOnlySpan<byte> sourceAddress, long now)
    {
        HandshakeInitiation message = new(datagram);
        DropReason reason = _admission.Admit(datagram, message.SenderIndex, endpoint, sourceAddress, now);
        if (reason != DropReason.None)
        {
            return reason;
        }

        if (!HandshakeResponder.TryConsume(_context.Identity, message, out HandshakeResponder? responder))
        {
            return DropReason.HandshakeFailed;
        }

        using (responder)
        {
            return TryGetPeer(responder.RemoteStatic, out Peer? peer)
                ? peer.Session.OnInitiation(responder, message, endpoint, now)
                : DropReason.HandshakeFailed;
        }
    }

    private DropReason ReceiveResponse(
        Span<byte> datagram, object? endpoint, ReadOnlySpan<byte> sourceAddress, long now)
    {
        HandshakeResponse message = new(datagram);
        DropReason reason = _admission.Admit(datagram, message.SenderIndex, endpoint, sourceAddress, now);
        if (reason != DropReason.None)
        {
            return reason;
        }

        ReceiverSlot? slot = _context.Indices.Find(message.ReceiverIndex);
        return slot is null ? DropReason.UnknownReceiver : slot.Session.OnResponse(message, endpoint, now);
    }

    private DropReason ReceiveCookieReply(Span<byte> datagram, long now)
    {
        CookieReply message = new(datagram);
        ReceiverSlot? slot = _context.Indices.Find(message.ReceiverIndex);
        return slot is null ? DropReason.UnknownReceiver : slot.Session.OnCookieReply(message, now);
    }

    private ReceiveResult Handled(DropReason reason)
    {
        return reason == DropReason.None ? new ReceiveResult(ReceiveStatus.Handled) : Dropped(reason);
    }

    private ReceiveResult Dropped(DropReason reason)
    {
        return new ReceiveResult(ReceiveStatus.Dropped, _context.Drops.Count(reason));
    }
}
