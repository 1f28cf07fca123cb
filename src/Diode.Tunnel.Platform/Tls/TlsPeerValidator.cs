namespace Diode.Tunnel.Platform.Tls;

/// <summary>Decides inside the handshake whether a peer's certificate is acceptable.</summary>
/// <remarks>
/// Called on the thread that called <see cref="TlsEngine.Receive"/>, at most once per engine, with the only certificate
/// the peer sent. Possession of the key is not proven at that moment, only once
/// <see cref="TlsEngine.IsHandshakeComplete"/> is true: decide here, act later. Must not call back into the engine.
/// An exception counts as a refusal.
/// </remarks>
/// <param name="certificateDer">DER of the leaf certificate; valid during the call only.</param>
/// <returns>True to go on with the handshake.</returns>
public delegate bool TlsPeerValidator(ReadOnlySpan<byte> certificateDer);
