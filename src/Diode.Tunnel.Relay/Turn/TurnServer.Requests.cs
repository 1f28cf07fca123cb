using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Diode.Tunnel.Relay.Datagrams;

namespace Diode.Tunnel.Relay.Turn;

/// <content>Requests of clients.</content>
internal sealed partial class TurnServer
{
    private const int LongestReply = 512;
    private const byte UdpProtocol = 17;
    private const byte Ipv4Family = 1;
    private const byte ReserveNextPort = 0x80;
    private const uint DefaultLifetime = 600;
    private const uint MaxLifetime = 3600;
    private const ushort FirstChannel = 0x4000;

    // RFC 8656 ends at 0x4fff; clients of RFC 5766, coturn's among them, use all of these.
    private const ushort LastChannel = 0x7fff;
    private const int LongestUsername = 64;
    private const int MaxPeersPerRequest = 16;

    private readonly byte[] _realm;
    private readonly ReplyLimiter _replies = new();

    private void HandleBinding(UdpRemote client, in StunMessage request, long nowMs)
    {
        if (!_replies.TryTake(client.Ip, nowMs))
        {
            _relay.Counters.TurnDrop();
            return;
        }

        if (request.UnknownRequired != 0)
        {
            ReplyError(client, request, StunError.UnknownAttribute, key: null, nowMs);
            return;
        }

        _relay.Counters.StunBinding();
        var writer = new StunWriter(stackalloc byte[LongestReply], StunMethod.Binding, StunClass.Success, request.TransactionId);
        writer.WriteXorAddress(StunAttribute.XorMappedAddress, client.Ip, client.Port);
        Send(client, request, ref writer, key: null);
    }

    private void HandleRequest(UdpRemote client, in StunMessage request, long nowMs)
    {
        lock (_gate)
        {
            if (!TryAuthenticateLocked(client, request, nowMs, out TurnUser? user, out StunError error))
            {
                // Nothing is known of the sender: as with STUN, what goes back is small and seldom.
                _relay.Counters.TurnRefused();
                if (_replies.TryTake(client.Ip, nowMs))
                {
                    ReplyError(client, request, error, key: null, nowMs);
                }

                return;
            }

            if (request.UnknownRequired != 0)
            {
                ReplyError(client, request, StunError.UnknownAttribute, user!.Key, nowMs);
                return;
            }

            TurnAllocation? allocation = _allocations.GetValueOrDefault(UdpRemoteKey.Of(client));
            error = request.Method == StunMethod.Allocate
                ? HandleAllocateLocked(client, request, user!, allocation, nowMs)
                : allocation is null ? StunError.AllocationMismatch
                : !ReferenceEquals(allocation.User, user) ? StunError.WrongCredentials
                : request.Method switch
                {
                    StunMethod.Refresh => HandleRefreshLocked(client, request, allocation, nowMs),
                    StunMethod.CreatePermission => HandleCreatePermissionLocked(client, request, allocation, nowMs),
                    StunMethod.ChannelBind => HandleChannelBindLocked(client, request, allocation, nowMs),
                    _ => StunError.BadRequest,
                };
            if (error.Code != 0)
            {
                _relay.Counters.TurnRefused();
                ReplyError(client, request, error, user!.Key, nowMs);
            }
        }
    }

    private bool TryAuthenticateLocked(
        UdpRemote client, in StunMessage request, long nowMs, out TurnUser? user, out StunError error)
    {
        user = null;
        error = StunError.Unauthorized;
        if (!request.HasIntegrity)
        {
            return false;
        }

        if (!request.TryFind(StunAttribute.Username, out ReadOnlySpan<byte> username)
            || !request.TryFind(StunAttribute.Realm, out ReadOnlySpan<byte> realm)
            || !request.TryFind(StunAttribute.Nonce, out ReadOnlySpan<byte> nonce))
        {
            error = StunError.BadRequest;
            return false;
        }

        if (!_nonces.IsFresh(nonce, client.Source, nowMs))
        {
            error = StunError.StaleNonce;
            return false;
        }

        return username.Length <= LongestUsername
            && realm.SequenceEqual(_realm)
            && _users.TryGetValue(Encoding.UTF8.GetString(username), out user)
            && user.ExpiresMs > nowMs
            && request.HasIntegrityOf(user.Key);
    }

    private StunError HandleAllocateLocked(
        UdpRemote client, in StunMessage request, TurnUser user, TurnAllocation? existing, long nowMs)
    {
        if (existing is not null)
        {
            if (!ReferenceEquals(existing.User, user) || !request.TransactionId.SequenceEqual(existing.TransactionId))
            {
                return StunError.AllocationMismatch;
            }

            ReplyAllocated(client, request, existing, nowMs);
            return default;
        }

        if (!request.TryFind(StunAttribute.RequestedTransport, out ReadOnlySpan<byte> transport) || transport.Length != sizeof(uint))
        {
            return StunError.BadRequest;
        }

        if (transport[0] != UdpProtocol)
        {
            return StunError.UnsupportedTransport;
        }

        if (request.TryFind(StunAttribute.RequestedAddressFamily, out ReadOnlySpan<byte> family)
            && (family.Length != sizeof(uint) || family[0] != Ipv4Family))
        {
            return StunError.FamilyNotSupported;
        }

        bool evenPort = request.TryFind(StunAttribute.EvenPort, out ReadOnlySpan<byte> even);
        if (request.TryFind(StunAttribute.ReservationToken, out _)
            || (evenPort && (even.Length != 1 || (even[0] & ReserveNextPort) != 0)))
        {
            // Pairs of ports are for RTP without multiplexing; nobody is told that he could have one.
            return StunError.InsufficientCapacity;
        }

        var key = UdpRemoteKey.Of(client);
        if (user.Allocations >= _options.MaxAllocationsPerDevice
            || _allocationsOfAddress.GetValueOrDefault(key.Network) >= _options.MaxAllocationsPerAddress
            || !user.MayGoOn(_relay.IsConnected(user.Account.Device), nowMs))
        {
            return StunError.QuotaReached;
        }

        if (_allocations.Count >= _options.MaxAllocations)
        {
            return StunError.InsufficientCapacity;
        }

        uint lifetime = Math.Max(ReadLifetime(request), DefaultLifetime);
        var allocation = new TurnAllocation(client, user, request.TransactionId.ToArray(), nowMs + (lifetime * 1000L));
        if (_output.TryBind(allocation, evenPort) is not ITurnRelay relay)
        {
            return StunError.InsufficientCapacity;
        }

        allocation.Relay = relay;
        _allocations[key] = allocation;
        _relayPorts.Add(relay.Port);
        CollectionsMarshal.GetValueRefOrAddDefault(_allocationsOfAddress, key.Network, out _)++;
        user.Allocations++;
        _relay.Counters.TurnAllocated();
        ReplyAllocated(client, request, allocation, nowMs);
        return default;
    }

    private StunError HandleRefreshLocked(UdpRemote client, in StunMessage request, TurnAllocation allocation, long nowMs)
    {
        if (request.TryFind(StunAttribute.RequestedAddressFamily, out ReadOnlySpan<byte> family)
            && (family.Length != sizeof(uint) || family[0] != Ipv4Family))
        {
            return StunError.PeerFamilyMismatch;
        }

        uint lifetime = ReadLifetime(request);
        if (lifetime == 0)
        {
            RemoveLocked(allocation);
        }
        else
        {
            lifetime = Math.Max(lifetime, DefaultLifetime);
            allocation.ExpiresMs = nowMs + (lifetime * 1000L);
        }

        var writer = new StunWriter(stackalloc byte[LongestReply], request.Method, StunClass.Success, request.TransactionId);
        writer.Write(StunAttribute.Lifetime, lifetime);
        Send(client, request, ref writer, allocation.User.Key);
        return default;
    }

    private StunError HandleCreatePermissionLocked(
        UdpRemote client, in StunMessage request, TurnAllocation allocation, long nowMs)
    {
        Span<uint> peers = stackalloc uint[MaxPeersPerRequest];
        int count = 0;
        int at = 0;
        while (request.TryFindNext(StunAttribute.XorPeerAddress, ref at, out ReadOnlySpan<byte> value))
        {
            if (!StunMessage.TryReadXorIpv4(value, out TurnPeer peer))
            {
                return StunError.PeerFamilyMismatch;
            }

            if (!IsAllowed(peer.Ip))
            {
                return StunError.Forbidden;
            }

            if (count == peers.Length)
            {
                return StunError.InsufficientCapacity;
            }

            peers[count++] = peer.Ip;
        }

        if (count == 0)
        {
            return StunError.BadRequest;
        }

        foreach (uint peer in peers[..count])
        {
            if (!allocation.TryPermit(peer, nowMs))
            {
                return StunError.InsufficientCapacity;
            }
        }

        var writer = new StunWriter(stackalloc byte[LongestReply], request.Method, StunClass.Success, request.TransactionId);
        Send(client, request, ref writer, allocation.User.Key);
        return default;
    }

    private StunError HandleChannelBindLocked(
        UdpRemote client, in StunMessage request, TurnAllocation allocation, long nowMs)
    {
        if (!request.TryFind(StunAttribute.ChannelNumber, out ReadOnlySpan<byte> number)
            || number.Length != sizeof(uint)
            || !request.TryFind(StunAttribute.XorPeerAddress, out ReadOnlySpan<byte> value)
            || BinaryPrimitives.ReadUInt16BigEndian(number) is < FirstChannel or > LastChannel)
        {
            return StunError.BadRequest;
        }

        if (!StunMessage.TryReadXorIpv4(value, out TurnPeer peer))
        {
            return StunError.PeerFamilyMismatch;
        }

        if (!IsAllowed(peer.Ip))
        {
            return StunError.Forbidden;
        }

        if (!allocation.TryBindChannel(BinaryPrimitives.ReadUInt16BigEndian(number), peer, nowMs))
        {
            return StunError.BadRequest;
        }

        var writer = new StunWriter(stackalloc byte[LongestReply], request.Method, StunClass.Success, request.TransactionId);
        Send(client, request, ref writer, allocation.User.Key);
        return default;
    }

    private static uint ReadLifetime(in StunMessage request)
    {
        return request.TryFind(StunAttribute.Lifetime, out ReadOnlySpan<byte> value) && value.Length == sizeof(uint)
            ? Math.Min(BinaryPrimitives.ReadUInt32BigEndian(value), MaxLifetime)
            : DefaultLifetime;
    }

    private void ReplyAllocated(UdpRemote client, in StunMessage request, TurnAllocation allocation, long nowMs)
    {
        var writer = new StunWriter(stackalloc byte[LongestReply], request.Method, StunClass.Success, request.TransactionId);
        writer.WriteXorAddress(StunAttribute.XorRelayedAddress, new TurnPeer(_external, allocation.Relay.Port));
        writer.Write(StunAttribute.Lifetime, (uint)Math.Max(0, (allocation.ExpiresMs - nowMs) / 1000));
        writer.WriteXorAddress(StunAttribute.XorMappedAddress, client.Ip, client.Port);
        Send(client, request, ref writer, allocation.User.Key);
    }

    private void ReplyError(UdpRemote client, in StunMessage request, in StunError error, byte[]? key, long nowMs)
    {
        var writer = new StunWriter(stackalloc byte[LongestReply], request.Method, StunClass.Error, request.TransactionId);
        writer.Write(error);
        if (error == StunError.Unauthorized || error == StunError.StaleNonce)
        {
            Span<byte> nonce = stackalloc byte[TurnNonces.Length];
            _nonces.Write(client.Source, nowMs, nonce);
            writer.Write(StunAttribute.Realm, _realm);
            writer.Write(StunAttribute.Nonce, nonce);
        }
        else if (error == StunError.UnknownAttribute)
        {
            Span<byte> unknown = stackalloc byte[sizeof(ushort)];
            BinaryPrimitives.WriteUInt16BigEndian(unknown, request.UnknownRequired);
            writer.Write(StunAttribute.UnknownAttributes, unknown);
        }

        Send(client, request, ref writer, key);
    }

    private void Send(UdpRemote client, in StunMessage request, ref StunWriter writer, byte[]? key)
    {
        if (key is not null)
        {
            writer.WriteIntegrity(key);
        }

        if (request.HasFingerprint)
        {
            writer.WriteFingerprint();
        }

        _output.SendToClient(client, writer.Finish());
    }
}
