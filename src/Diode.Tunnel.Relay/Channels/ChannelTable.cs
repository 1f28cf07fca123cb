using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.Channels;

/// <summary>
/// The channels that live on this relay (diode-edge §3.11). Bounded: a channel nobody is attached to is forgotten two days
/// after it was last asked for. Thread-safe.
/// </summary>
internal sealed class ChannelTable(int maxChannels)
{
    private const int MaxPerDevice = 64;
    private const long LifetimeMs = 2L * 24 * 3600 * 1000;
    private const long PurgeIntervalMs = 60_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<Hash256, Channel> _channels = [];
    private readonly Dictionary<Address, int> _created = [];
    private long _nextPurgeMs;

    private static ReadOnlySpan<byte> EmptyRlpList => [0xc0];

    /// <summary>Channels that are kept.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _channels.Count;
            }
        }
    }

    /// <summary>Finds a channel by its object key.</summary>
    public Channel? Find(ReadOnlySpan<byte> key, long nowMs)
    {
        if (!Hash256.TryRead(key, out Hash256 hash))
        {
            return null;
        }

        lock (_gate)
        {
            if (!_channels.TryGetValue(hash, out Channel? channel))
            {
                return null;
            }

            channel.LastUsedMs = nowMs;
            return channel;
        }
    }

    /// <summary>Finds the object of a channel, an encoded list.</summary>
    public bool TryGetObject(ReadOnlySpan<byte> key, long nowMs, [NotNullWhen(true)] out byte[]? encoded)
    {
        encoded = Find(key, nowMs)?.Encoded;
        return encoded is not null;
    }

    /// <summary>Judges a command in the order of real relays, and finds or creates its channel.</summary>
    public async ValueTask<ChannelVerdict> JudgeAsync(
        ChannelRequest request, RelayCore core, long nowMs, CancellationToken cancel)
    {
        if (await core.FindBlockHashAsync(request.ChainId, request.BlockNumber, cancel) is not Hash256 blockHash)
        {
            return ChannelVerdict.Refuse("block not found");
        }

        if (!IsSigned(request, core.Address, blockHash))
        {
            return ChannelVerdict.Refuse("invalid channel signature");
        }

        // Without a chain every fleet is taken, as with tickets; with one, what cannot be read is not taken.
        if (core.Chains is not null
            && core.Chains.IsReadable(request.ChainId)
            && await core.Chains.IsDeviceAllowedAsync(request.ChainId, request.Fleet, request.Device, cancel) is not true)
        {
            return ChannelVerdict.Refuse("device not whitelisted for this fleet");
        }

        if (!request.Type.AsSpan().SequenceEqual("mailbox"u8) && !request.Type.AsSpan().SequenceEqual("broadcast"u8))
        {
            return ChannelVerdict.Refuse("invalid channel type");
        }

        return request.Parameters.AsSpan().SequenceEqual(EmptyRlpList)
            ? FindOrCreate(request, core.Address, nowMs)
            : ChannelVerdict.Refuse("invalid channel parameters");
    }

    /// <summary>Forgets what nobody used for long. A few times a second.</summary>
    public void Tick(long nowMs)
    {
        if (nowMs < _nextPurgeMs)
        {
            return;
        }

        _nextPurgeMs = nowMs + PurgeIntervalMs;
        lock (_gate)
        {
            foreach (Channel channel in _channels.Values)
            {
                if (nowMs - channel.LastUsedMs >= LifetimeMs && channel.Port.Openers.Length == 0)
                {
                    _channels.Remove(channel.Key);
                    if (--_created[channel.Creator] == 0)
                    {
                        _created.Remove(channel.Creator);
                    }
                }
            }
        }
    }

    private static bool IsSigned(ChannelRequest request, Address server, in Hash256 blockHash)
    {
        return ChannelDigest.TryCompute(
                server, blockHash, request.Fleet, request.Type, request.Name, request.Parameters, out Hash256 digest)
            && Signature65.TryFromBytes(request.Signature, out Signature65 signature)
            && signature.TryRecoverAddress(digest, out Address signer)
            && signer == request.Device;
    }

    private ChannelVerdict FindOrCreate(ChannelRequest request, Address server, long nowMs)
    {
        Hash256 key = Hash256.Sha256(
        [
            .. request.Fleet.ToArray(),
            .. request.Type,
            .. request.Name,
            .. Keccak256.Hash(EmptyRlpList).ToArray(),
        ]);
        lock (_gate)
        {
            if (_channels.TryGetValue(key, out Channel? channel))
            {
                channel.LastUsedMs = nowMs;
                return ChannelVerdict.Accept(channel.Encoded);
            }

            int created = _created.GetValueOrDefault(request.Device);
            if (_channels.Count >= maxChannels || created >= MaxPerDevice)
            {
                return ChannelVerdict.Refuse("too many channels");
            }

            channel = new Channel(key, request.Device, Encode(request, server), nowMs);
            _channels.Add(key, channel);
            _created[request.Device] = created + 1;
            return ChannelVerdict.Accept(channel.Encoded);
        }
    }

    private static byte[] Encode(ChannelRequest request, Address server)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteBytes("channel"u8);
        writer.WriteAddress(server);
        writer.WriteUInt64(request.ChainId);
        writer.WriteUInt64(request.BlockNumber);
        writer.WriteAddress(request.Fleet);
        writer.WriteBytes(request.Type);
        writer.WriteBytes(request.Name);
        writer.WriteRaw(request.Parameters);
        writer.WriteBytes(request.Signature);
        writer.EndList();
        return writer.ToArray();
    }
}
