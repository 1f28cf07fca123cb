using System.Security.Cryptography;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.WireGuard;

/// <summary>Settings of a <see cref="WireGuardInterface"/>.</summary>
public sealed record WireGuardOptions
{
    /// <summary>Wall clock, read once per initiation sent, for its timestamp. Steps backwards are evened out.</summary>
    public required Func<DateTimeOffset> UtcNow { get; init; }

    /// <summary>ChaCha20-Poly1305. Default: .NET's, or managed where the system has none.</summary>
    public IAeadFactory Aead { get; init; } = AeadFactory.Default;

    /// <summary>X25519. Default: managed.</summary>
    public IX25519 X25519 { get; init; } = Crypto.X25519.Managed;

    /// <summary>Fills a span with random bytes; thread-safe. Default: the system's generator. Tests may pass a seeded one.</summary>
    public Action<Span<byte>> Random { get; init; } = RandomNumberGenerator.Fill;

    /// <summary>Padding does not make a packet longer than this. Bytes, default 1420.</summary>
    public int Mtu { get; init; } = 1420;

    /// <summary>More handshake messages than this within a second mean load: cookies are asked for. Default 200.</summary>
    public int HandshakesPerSecond { get; init; } = 200;

    /// <summary>Packets that wait for a peer's session; the oldest is dropped for a new one. Default 128.</summary>
    public int StagedPacketsPerPeer { get; init; } = 128;

    /// <summary>AEAD contexts per keypair and direction: as many threads can work for one peer at once. Default: processors, at most 4.</summary>
    public int AeadContextsPerDirection { get; init; } = Math.Clamp(Environment.ProcessorCount, 1, 4);

    /// <summary>A peer's endpoint follows its authenticated datagrams. Default true.</summary>
    public bool RoamingEnabled { get; init; } = true;

    /// <summary>Inner source addresses must be among the peer's allowed IPs. Default true.</summary>
    public bool CheckSourceAddress { get; init; } = true;
}
