using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Ports;

namespace Diode.Tunnel.Relay.Channels;

/// <summary>A named meeting place: its object and the port its members are attached to.</summary>
internal sealed class Channel(Hash256 key, Address creator, byte[] encoded, long nowMs)
{
    private long _lastUsedMs = nowMs;

    public Hash256 Key { get; } = key;

    /// <summary>Who signed it first.</summary>
    public Address Creator { get; } = creator;

    /// <summary>The object as an encoded list.</summary>
    public byte[] Encoded { get; } = encoded;

    /// <summary>When somebody asked for it last, unix milliseconds.</summary>
    public long LastUsedMs
    {
        get => Interlocked.Read(ref _lastUsedMs);
        set => Interlocked.Exchange(ref _lastUsedMs, value);
    }

    /// <summary>A port without a target: what one end sends, all others receive.</summary>
    public RelayPort Port { get; } = RelayPort.ForChannel();
}
