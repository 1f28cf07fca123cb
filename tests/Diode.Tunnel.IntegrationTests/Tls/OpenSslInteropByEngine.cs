using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.IntegrationTests.Tls;

/// <summary>libssl against the tool.</summary>
public sealed class OpenSslEngineInteropTests() : OpenSslInteropTests(TlsBackend.OpenSsl);

/// <summary>The managed library against the tool.</summary>
public sealed class BouncyCastleEngineInteropTests() : OpenSslInteropTests(TlsBackend.BouncyCastle);
