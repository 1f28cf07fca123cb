using Diode.Tunnel.WireGuard.Crypto;
using Diode.Tunnel.WireGuard.Messages;
using Diode.Tunnel.WireGuard.Noise;
using Diode.Tunnel.WireGuard.Transport;

namespace Diode.Tunnel.WireGuard;

/// <summary>
/// The state machine of one peer (WireGuard §6). Sealing and receiving with a live keypair take no lock of this class;
/// everything that changes state happens under the peer's lock.
/// </summary>
internal sealed partial class PeerSession : IDisposable
{
    private const long NoHandshake = long.MinValue;

    private readonly Lock _gate = new();
    private readonly InterfaceContext _context;
    private readonly KeypairRing _keypairs;
    private readonly PeerHandshake _handshake;
    private readonly PeerTimers _timers;
    private readonly StagedPackets _staged;
    private readonly bool _ownKeyIsGreater;
    private long _attemptStartedAt;
    private long _lastHandshake = NoHandshake;
    private bool _sentLastMinuteHandshake;
    private volatile bool _removed;

    public PeerSession(
        InterfaceContext context, TunnelPublicKey publicKey, SecretBytes staticStatic, PeerOptions options)
    {
        _context = context;
        _keypairs = new KeypairRing(context.Indices);
        _timers = new PeerTimers(this, context.Timers, context.Options.Random);
        _staged = new StagedPackets(context.Options.StagedPacketsPerPeer);
        byte[] remoteStatic = publicKey.ToArray();
        _ownKeyIsGreater = context.Identity.PublicKey.SequenceCompareTo(remoteStatic) > 0;
        _handshake = new PeerHandshake(context, this, remoteStatic, staticStatic, options.PresharedKey.Span);
        Peer = new Peer(context, publicKey, this, options);
    }

    public Peer Peer { get; }

    public bool IsRemoved => _removed;

    public long? LastHandshake
    {
        get
        {
            long time = Volatile.Read(ref _lastHandshake);
            return time == NoHandshake ? null : time;
        }
    }

    internal KeypairRing Keypairs => _keypairs;

    internal int StagedCount => _staged.Count;

    public bool HasSession(long now)
    {
        return _keypairs.Current?.CanSend(now) == true;
    }

    /// <summary>See <see cref="WireGuardInterface.Seal"/>.</summary>
    public SealResult Seal(Span<byte> buffer, int offset, int length, long now, out int datagramLength)
    {
        // Packets that already wait go first.
        if (_staged.Count == 0 && !_removed && TrySeal(buffer, offset, length, now, out datagramLength))
        {
            return new SealResult(SealStatus.Sealed);
        }

        return SealOrStage(buffer, offset, length, now, out datagramLength);
    }

    /// <summary>An authenticated transport message arrived under one of this peer's keypairs.</summary>
    /// <param name="keypair">The keypair.</param>
    /// <param name="endpoint">The path it came by.</param>
    /// <param name="bytes">Length of the message, or of several that came together.</param>
    /// <param name="isKeepalive">None of them carried a packet.</param>
    /// <param name="now">Monotonic ticks.</param>
    public void OnTransport(Keypair keypair, object? endpoint, int bytes, bool isKeepalive, long now)
    {
        if (_keypairs.Next == keypair)
        {
            Confirm(keypair, now);
        }
        else if (_keypairs.Previous == keypair)
        {
            Converge(keypair);
        }

        Peer.Heard(endpoint, bytes);
        _timers.AuthenticatedReceived(now);
        RenewOnReceive(now);
        if (!isKeepalive)
        {
            _timers.DataReceived(now);
        }
    }

    public DropReason OnInitiation(
        HandshakeResponder responder, HandshakeInitiation initiation, object? endpoint, long now)
    {
        Span<byte> response = stackalloc byte[HandshakeResponse.Length];
        lock (_gate)
        {
            if (_removed)
            {
                return DropReason.PeerRemoved;
            }

            DropReason reason = _handshake.TryRespond(responder, initiation, response, now, out Keypair? keypair);
            if (reason != DropReason.None)
            {
                return reason;
            }

            _keypairs.InstallAsResponder(keypair!);
            Peer.Heard(endpoint, HandshakeInitiation.Length);
            _timers.AuthenticatedReceived(now);
            _timers.Start(PeerTimer.ZeroKeys, now + WireGuardConstants.ZeroKeysAfterTime);
            Send(response, now);
            return DropReason.None;
        }
    }

    public DropReason OnResponse(HandshakeResponse response, object? endpoint, long now)
    {
        lock (_gate)
        {
            if (_removed)
            {
                return DropReason.PeerRemoved;
            }

            if (!_handshake.TryConsumeResponse(response, now, out Keypair? keypair))
            {
                return DropReason.HandshakeFailed;
            }

            _keypairs.InstallAsInitiator(keypair);
            Peer.Heard(endpoint, HandshakeResponse.Length);
            _timers.AuthenticatedReceived(now);
            _timers.Start(PeerTimer.ZeroKeys, now + WireGuardConstants.ZeroKeysAfterTime);
            Complete(now);

            // The responder may send only after it has heard something under the new keypair.
            SendStagedOrKeepalive(now);
            return DropReason.None;
        }
    }

    public DropReason OnCookieReply(CookieReply reply, long now)
    {
        lock (_gate)
        {
            return !_removed && _handshake.TryAcceptCookie(reply, now)
                ? DropReason.None
                : DropReason.InvalidCookieReply;
        }
    }

    /// <summary>Sends an initiation, or arranges for one when the last is too recent.</summary>
    public void BeginHandshake(long now, bool isRetry)
    {
        Span<byte> message = stackalloc byte[HandshakeInitiation.Length];
        lock (_gate)
        {
            if (_removed)
            {
                return;
            }

            if (!isRetry)
            {
                _attemptStartedAt = now;
            }

            if (_handshake.IsThrottled(now))
            {
                _timers.StartIfOff(PeerTimer.RetransmitHandshake, _handshake.NextAllowedAt + _timers.Jitter());
                return;
            }

            _timers.Start(
                PeerTimer.RetransmitHandshake, now + WireGuardConstants.RekeyTimeout + _timers.Jitter());
            if (_handshake.TryInitiate(message, now))
            {
                Send(message, now);
            }
        }
    }

    /// <summary>Erases the keys, as if nothing had been said yet.</summary>
    public void End()
    {
        lock (_gate)
        {
            if (!_removed)
            {
                _keypairs.Clear();
                _handshake.Abandon();
                _timers.Stop(PeerTimer.RetransmitHandshake);
                _timers.Stop(PeerTimer.SendKeepalive);
                _timers.Stop(PeerTimer.NewHandshake);
            }
        }
    }

    /// <summary>Erases the keys that were made before a moment. A handshake under way goes on: its answer can only come from now.</summary>
    public void End(long before)
    {
        lock (_gate)
        {
            if (!_removed)
            {
                _keypairs.ClearBefore(before);
            }
        }
    }

    public void SetPersistentKeepalive(TimeSpan interval)
    {
        lock (_gate)
        {
            if (!_removed)
            {
                _timers.SetPersistentInterval(interval.Ticks);
            }
        }
    }

    /// <summary>Does what is due. Called by Tick after it took the peer out of the queue.</summary>
    public void OnTimer(long now)
    {
        lock (_gate)
        {
            if (_removed)
            {
                return;
            }

            if (_timers.TryTake(PeerTimer.RetransmitHandshake, now))
            {
                RetryHandshake(now);
            }

            if (_timers.TryTake(PeerTimer.SendKeepalive, now))
            {
                SendStagedOrKeepalive(now);
                if (_timers.TakeNeedAnotherKeepalive())
                {
                    _timers.StartIfOff(PeerTimer.SendKeepalive, now + WireGuardConstants.KeepaliveTimeout);
                }
            }

            if (_timers.TryTake(PeerTimer.NewHandshake, now))
            {
                BeginHandshake(now, isRetry: false);
            }

            if (_timers.TryTake(PeerTimer.PersistentKeepalive, now) && _timers.PersistentInterval != 0)
            {
                _timers.Start(PeerTimer.PersistentKeepalive, now + _timers.PersistentInterval);
                SendStagedOrKeepalive(now);
            }

            if (_timers.TryTake(PeerTimer.ZeroKeys, now))
            {
                _keypairs.Clear();
                _handshake.Abandon();
            }

            _timers.Reschedule();
        }
    }

    /// <summary>Ends everything at once and erases all keys.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _removed = true;
            _keypairs.Clear();
            _handshake.Dispose();
            _staged.Clear();
            _timers.StopAll();
        }
    }

    private SealResult SealOrStage(Span<byte> buffer, int offset, int length, long now, out int datagramLength)
    {
        datagramLength = 0;
        lock (_gate)
        {
            if (_removed)
            {
                return new SealResult(SealStatus.Dropped, _context.Drops.Count(DropReason.PeerRemoved));
            }

            FlushStaged(now);
            if (TrySeal(buffer, offset, length, now, out datagramLength))
            {
                return new SealResult(SealStatus.Sealed);
            }

            if (!_staged.Add(buffer.Slice(offset, length)))
            {
                _context.Drops.Count(DropReason.StagedOverflow);
            }

            BeginHandshake(now, isRetry: false);
            return new SealResult(SealStatus.Staged);
        }
    }

    /// <summary>Seals a packet, or a keepalive of no bytes, with the current keypair if that may send.</summary>
    private bool TrySeal(Span<byte> buffer, int offset, int length, long now, out int datagramLength)
    {
        datagramLength = 0;
        Keypair? keypair = _keypairs.Current;
        if (keypair is null || keypair.IsExpired(now) || !keypair.TryTakeCounter(out ulong counter))
        {
            return false;
        }

        int padded = PaddedLength(length);
        Span<byte> text = buffer.Slice(offset, padded + WireGuardConstants.TagLength);
        text[length..padded].Clear();
        if (!keypair.TrySeal(counter, text))
        {
            return false;
        }

        int start = offset - TransportData.HeaderLength;
        TransportData.WriteHeader(buffer[start..], keypair.RemoteIndex, counter);
        datagramLength = TransportData.HeaderLength + text.Length;

        Peer.CountSent(datagramLength);
        _timers.AuthenticatedSent(now);
        if (length != 0)
        {
            _timers.DataSent(now);
        }

        RenewOnSend(keypair, counter, now);
        return true;
    }

    private int PaddedLength(int length)
    {
        const int Mask = WireGuardConstants.PaddingMultiple - 1;
        int padded = (length + Mask) & ~Mask;
        return Math.Min(padded, Math.Max(length, _context.Mtu));
    }

    /// <summary>The initiator of an old keypair renews it when it sends; either end does so when counters run out.</summary>
    private void RenewOnSend(Keypair keypair, ulong counter, long now)
    {
        bool isOld = keypair.IsInitiator && now - keypair.CreatedAt >= WireGuardConstants.RekeyAfterTime;
        if ((isOld || counter >= WireGuardConstants.RekeyAfterMessages) && !_handshake.IsThrottled(now))
        {
            BeginHandshake(now, isRetry: false);
        }
    }

    /// <summary>An initiator that only receives renews just before the keypair would expire under the other end's answer.</summary>
    private void RenewOnReceive(long now)
    {
        const long Age = WireGuardConstants.RejectAfterTime
            - WireGuardConstants.KeepaliveTimeout
            - WireGuardConstants.RekeyTimeout;

        Keypair? keypair = _keypairs.Current;
        if (keypair is null || !keypair.IsInitiator || now - keypair.CreatedAt < Age || keypair.IsExpired(now))
        {
            return;
        }

        if (Volatile.Read(ref _sentLastMinuteHandshake))
        {
            return;
        }

        lock (_gate)
        {
            _sentLastMinuteHandshake = true;
            BeginHandshake(now, isRetry: false);
        }
    }

    private void Confirm(Keypair keypair, long now)
    {
        lock (_gate)
        {
            if (!_removed && _keypairs.TryConfirm(keypair))
            {
                Complete(now);
                FlushStaged(now);
            }
        }
    }

    private void Converge(Keypair keypair)
    {
        lock (_gate)
        {
            _keypairs.TryConverge(keypair, _ownKeyIsGreater);
        }
    }

    private void Complete(long now)
    {
        _timers.Stop(PeerTimer.RetransmitHandshake);
        _sentLastMinuteHandshake = false;
        Volatile.Write(ref _lastHandshake, now);
        _context.Output.OnSessionEstablished(Peer);
    }

    private void RetryHandshake(long now)
    {
        if (now - _attemptStartedAt < WireGuardConstants.RekeyAttemptTime)
        {
            BeginHandshake(now, isRetry: true);
            return;
        }

        _timers.Stop(PeerTimer.SendKeepalive);
        _timers.StartIfOff(PeerTimer.ZeroKeys, now + WireGuardConstants.ZeroKeysAfterTime);
        _context.Drops.Count(DropReason.HandshakeTimedOut, _staged.Clear());
        _context.Output.OnHandshakeFailed(Peer);
    }

    private void SendStagedOrKeepalive(long now)
    {
        if (_staged.Count != 0 && HasSession(now))
        {
            FlushStaged(now);
            return;
        }

        Span<byte> keepalive = stackalloc byte[TransportData.MinLength];
        if (TrySeal(keepalive, TransportData.HeaderLength, 0, now, out _))
        {
            _context.Output.Send(Peer, Peer.Endpoint, keepalive);
        }
        else
        {
            BeginHandshake(now, isRetry: false);
        }
    }

    private void FlushStaged(long now)
    {
        while (HasSession(now) && _staged.TryTake(out byte[] buffer, out int length))
        {
            if (TrySeal(buffer, WireGuardConstants.SealHeadroom, length, now, out int datagramLength))
            {
                _context.Output.Send(Peer, Peer.Endpoint, buffer.AsSpan(0, datagramLength));
            }

            StagedPackets.Return(buffer);
        }
    }

    /// <summary>Sends a handshake message.</summary>
    private void Send(ReadOnlySpan<byte> message, long now)
    {
        Peer.CountSent(message.Length);
        _timers.AuthenticatedSent(now);
        _context.Output.Send(Peer, Peer.Endpoint, message);
    }
}
