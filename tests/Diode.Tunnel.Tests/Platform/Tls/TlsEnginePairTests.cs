using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.Tests.Platform.Tls;

/// <summary>libssl with itself.</summary>
public sealed class OpenSslEngineTests() : TlsEngineTests(TlsBackend.OpenSsl, TlsBackend.OpenSsl);

/// <summary>The managed library with itself.</summary>
public sealed class BouncyCastleEngineTests() : TlsEngineTests(TlsBackend.BouncyCastle, TlsBackend.BouncyCastle);

/// <summary>A Windows device at a Linux relay.</summary>
public sealed class BouncyCastleClientTests() : TlsEngineTests(TlsBackend.BouncyCastle, TlsBackend.OpenSsl);

/// <summary>A Linux device at a Windows one.</summary>
public sealed class BouncyCastleServerTests() : TlsEngineTests(TlsBackend.OpenSsl, TlsBackend.BouncyCastle);

/// <summary>Hostile bytes for libssl.</summary>
public sealed class OpenSslMutationTests() : TlsEngineMutationTests(TlsBackend.OpenSsl);

/// <summary>Hostile bytes for the managed library.</summary>
public sealed class BouncyCastleMutationTests() : TlsEngineMutationTests(TlsBackend.BouncyCastle);

/// <summary>libssl resumes at libssl.</summary>
public sealed class OpenSslResumptionTests() : TlsResumptionTests(TlsBackend.OpenSsl);

/// <summary>The managed library resumes at libssl.</summary>
public sealed class BouncyCastleResumptionTests() : TlsResumptionTests(TlsBackend.BouncyCastle);
