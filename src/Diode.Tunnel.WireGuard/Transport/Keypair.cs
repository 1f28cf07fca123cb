using Diode.Tunnel.WireGuard.Crypto;
using Diode.Tunnel.WireGuard.Noise;

namespace Diode.Tunnel.WireGuard.Transport;

/// <summary>
/// The transport keys of one handshake. Taking a counter is separate from sealing, and opening from accepting the
/// counter, so that several workers can encrypt and decrypt for one peer. Thread-safe.
/// </summary>
internal sealed class Keypair : IDisposable
{
    private readonly TransportKey _send;
    private readonly TransportKey _receive;
    private readonly Lock _windowGate = new();
    private readonly ReplayWindow _window = new();
    private ulong _nextCounter;

    public Keypair(
        IAeadFactory aead, in TransportSecrets secrets, uint localIndex, bool isInitiator, long createdAt, int maxContexts)
    {
        _send = new TransportKey(aead, secrets.Send, maxContexts);
        _receive = new TransportKey(aead, secrets.Receive, maxContexts);
        LocalIndex = localIndex;
        RemoteIndex = secrets.RemoteIndex;
        IsInitiator = isInitiator;
        CreatedAt = createdAt;
    }

    public uint LocalIndex { get; }

    public uint RemoteIndex { get; }

    public bool IsInitiator { get; }

    public long CreatedAt { get; }

    /// <summary>Counter of the next message sent.</summary>
    internal ulong NextCounter
    {
        get => Volatile.Read(ref _nextCounter);
        set => Volatile.Write(ref _nextCounter, value);
    }

    /// <summary>A keypair older than <see cref="WireGuardConstants.RejectAfterTime"/> neither sends nor receives.</summary>
    public bool IsExpired(long now)
    {
        return now - CreatedAt >= WireGuardConstants.RejectAfterTime;
    }

    /// <summary>True while the keypair may send: neither expired nor out of counters.</summary>
    public bool CanSend(long now)
    {
        return !IsExpired(now) && NextCounter < WireGuardConstants.RejectAfterMessages;
    }

    /// <summary>Takes the next counter; it must be used for one message or for none.</summary>
    public bool TryTakeCounter(out ulong counter)
    {
        counter = 0;

        // Checked before the increment, so that the counter cannot run past the limit by more than the number of threads.
        if (NextCounter >= WireGuardConstants.RejectAfterMessages)
        {
            return false;
        }

        counter = Interlocked.Increment(ref _nextCounter) - 1;
        return counter < WireGuardConstants.RejectAfterMessages;
    }

    /// <summary>Seals in place. False only after dispose.</summary>
    public bool TrySeal(ulong counter, Span<byte> plaintextThenTag)
    {
        return _send.TrySeal(counter, plaintextThenTag);
    }

    /// <summary>Opens in place, without looking at the replay window.</summary>
    public bool TryOpen(ulong counter, Span<byte> ciphertextThenTag)
    {
        return _receive.TryOpen(counter, ciphertextThenTag);
    }

    /// <summary>Accepts the counter of an opened message the first time it is seen.</summary>
    public bool TryAccept(ulong counter)
    {
        lock (_windowGate)
        {
            return _window.TryAccept(counter);
        }
    }

    public void Dispose()
    {
        _send.Dispose();
        _receive.Dispose();
    }
}
