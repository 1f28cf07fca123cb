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

    /// <summary>Takes consecutive counters for the messages of a train; all or none.</summary>
    public bool TryTakeCounters(int count, out ulong first)
    {
        first = 0;
        if (NextCounter >= WireGuardConstants.RejectAfterMessages)
        {
            return false;
        }

        first = Interlocked.Add(ref _nextCounter, (ulong)count) - (ulong)count;
        return first + (ulong)count <= WireGuardConstants.RejectAfterMessages;
    }

    /// <summary>Seals a train in place. False only after dispose.</summary>
    public bool TrySealTrain(ulong firstCounter, Span<byte> train, int stride)
    {
        return _send.TrySealTrain(firstCounter, train, stride, WireGuardConstants.TransportHeaderLength);
    }

    /// <summary>Opens a train in place, without looking at the replay window; bit i is message i.</summary>
    public ulong OpenTrain(ReadOnlySpan<ulong> counters, Span<byte> train, int stride)
    {
        return _receive.OpenTrain(counters, train, stride, WireGuardConstants.TransportHeaderLength);
    }

    /// <summary>Accepts the counters of opened messages that are seen the first time.</summary>
    /// <param name="counters">Of all messages of the train.</param>
    /// <param name="opened">Bit i: message i was opened.</param>
    /// <returns>Those of <paramref name="opened"/> that are accepted.</returns>
    public ulong AcceptTrain(ReadOnlySpan<ulong> counters, ulong opened)
    {
        ulong accepted = 0;
        lock (_windowGate)
        {
            for (int i = 0; i < counters.Length; i++)
            {
                ulong bit = 1UL << i;
                if ((opened & bit) != 0 && _window.TryAccept(counters[i]))
                {
                    accepted |= bit;
                }
            }
        }

        return accepted;
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
