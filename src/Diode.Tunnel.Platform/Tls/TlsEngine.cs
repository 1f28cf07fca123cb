using System.Buffers;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>
/// One TLS 1.2 connection as a pure transformation of bytes: no socket, no clock, no thread. secp256k1 for key
/// exchange and certificates, both sides authenticated, one certificate each.
/// </summary>
/// <remarks>
/// Not thread-safe: one caller at a time. After every call that can produce output (creation, Receive, Send, Shutdown)
/// take <see cref="PendingOutput"/> bytes with <see cref="ReadOutput"/> and send them to the peer, also after a failure.
/// Bytes from the peer never throw.
/// </remarks>
public abstract class TlsEngine : IDisposable
{
    private protected TlsEngine()
    {
    }

    /// <summary>The side this engine plays.</summary>
    public abstract TlsRole Role { get; }

    /// <summary>True once both sides have proven their keys; application data flows from now on.</summary>
    public abstract bool IsHandshakeComplete { get; }

    /// <summary>DER of the peer's certificate; empty until the validator accepted it.</summary>
    public abstract ReadOnlyMemory<byte> PeerCertificate { get; }

    /// <summary>True if the handshake resumed a session: the peer's key was proven in an earlier connection.</summary>
    public abstract bool IsResumed { get; }

    /// <summary>Why the engine failed; null while it has not. For logs: never contains key material.</summary>
    public string? Error { get; private protected set; }

    /// <summary>Number of bytes waiting for <see cref="ReadOutput"/>.</summary>
    public abstract int PendingOutput { get; }

    /// <summary>
    /// Whether buffers that a burst of data made stay until <see cref="Trim"/>: for owners who call that when a connection has been quiet
    /// for a while. Otherwise they are given back at once, which costs time while data flows.
    /// </summary>
    public bool KeepsBuffers { get; set; }

    /// <summary>Gives back what <see cref="KeepsBuffers"/> kept, as far as it is empty.</summary>
    public virtual void Trim()
    {
    }

    /// <summary>Takes bytes from the peer, in any cut, and writes the application data in them.</summary>
    /// <param name="ciphertext">Everything that was read from the transport; consumed entirely.</param>
    /// <param name="plaintext">Receives at most as many bytes as came in.</param>
    public abstract TlsResult Receive(ReadOnlySpan<byte> ciphertext, IBufferWriter<byte> plaintext);

    /// <summary>Encrypts application data into the output.</summary>
    /// <exception cref="InvalidOperationException">The handshake is not complete.</exception>
    public abstract TlsResult Send(ReadOnlySpan<byte> plaintext);

    /// <summary>Moves output for the peer into <paramref name="ciphertext"/>.</summary>
    /// <returns>The number of bytes moved; 0 if there is none.</returns>
    public abstract int ReadOutput(Span<byte> ciphertext);

    /// <summary>Queues a close_notify alert; afterwards only receiving works. Harmless when repeated.</summary>
    public abstract void Shutdown();

    /// <summary>Frees the connection and its keys.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the engine holds.</summary>
    protected abstract void Dispose(bool disposing);
}
