using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.WireGuard.Transport;

/// <summary>
/// One direction's key. AEAD contexts are not thread-safe, so each has a lock; a second one is made the first time
/// two threads want the key at once, up to a limit. One thread alone always uses the first. Thread-safe.
/// </summary>
internal sealed class TransportKey : IDisposable
{
    private readonly Lock _growth = new();
    private readonly IAeadFactory _aead;
    private readonly SecretBytes _key;
    private readonly Context?[] _contexts;
    private bool _disposed;

    /// <summary>Takes ownership of the key bytes.</summary>
    public TransportKey(IAeadFactory aead, SecretBytes key, int maxContexts)
    {
        _aead = aead;
        _key = key;
        _contexts = new Context?[maxContexts];
        _contexts[0] = new Context(aead.Create(key.Span));
    }

    /// <summary>Seals in place. False only after dispose.</summary>
    public bool TrySeal(ulong counter, Span<byte> plaintextThenTag)
    {
        Context? context = Enter();
        if (context is null)
        {
            return false;
        }

        try
        {
            context.Aead.Seal(counter, plaintextThenTag);
            return true;
        }
        finally
        {
            context.Gate.Exit();
        }
    }

    /// <summary>Opens in place. False if the tag is wrong or after dispose.</summary>
    public bool TryOpen(ulong counter, Span<byte> ciphertextThenTag)
    {
        Context? context = Enter();
        if (context is null)
        {
            return false;
        }

        try
        {
            return context.Aead.Open(counter, ciphertextThenTag);
        }
        finally
        {
            context.Gate.Exit();
        }
    }

    /// <summary>Seals the messages of a train in place, see <see cref="IAeadKey.SealTrain"/>. False only after dispose.</summary>
    public bool TrySealTrain(ulong firstCounter, Span<byte> train, int stride, int skip)
    {
        Context? context = Enter();
        if (context is null)
        {
            return false;
        }

        try
        {
            context.Aead.SealTrain(firstCounter, train, stride, skip);
            return true;
        }
        finally
        {
            context.Gate.Exit();
        }
    }

    /// <summary>Opens the messages of a train in place, see <see cref="IAeadKey.OpenTrain"/>; none after dispose.</summary>
    public ulong OpenTrain(ReadOnlySpan<ulong> counters, Span<byte> train, int stride, int skip)
    {
        Context? context = Enter();
        if (context is null)
        {
            return 0;
        }

        try
        {
            return context.Aead.OpenTrain(counters, train, stride, skip);
        }
        finally
        {
            context.Gate.Exit();
        }
    }

    /// <summary>Waits for calls under way, then erases every copy of the key.</summary>
    public void Dispose()
    {
        lock (_growth)
        {
            _disposed = true;
            foreach (Context? context in _contexts)
            {
                context?.Erase();
            }

            _key.Dispose();
        }
    }

    private Context? Enter()
    {
        foreach (ref Context? slot in _contexts.AsSpan())
        {
            Context? context = Volatile.Read(ref slot);
            if (context is null && (context = TryGrow(ref slot)) is null)
            {
                return null;
            }

            if (context.Gate.TryEnter())
            {
                return Alive(context);
            }
        }

        int turn = Environment.CurrentManagedThreadId % _contexts.Length;
        Context shared = _contexts[turn]!;
        shared.Gate.Enter();
        return Alive(shared);
    }

    private static Context? Alive(Context context)
    {
        if (!context.Erased)
        {
            return context;
        }

        context.Gate.Exit();
        return null;
    }

    private Context? TryGrow(ref Context? slot)
    {
        lock (_growth)
        {
            if (_disposed)
            {
                return null;
            }

            if (slot is null)
            {
                Volatile.Write(ref slot, new Context(_aead.Create(_key.Span)));
            }

            return slot;
        }
    }

    private sealed class Context(IAeadKey aead)
    {
        public readonly Lock Gate = new();
        public readonly IAeadKey Aead = aead;
        public bool Erased;

        public void Erase()
        {
            lock (Gate)
            {
                Erased = true;
                Aead.Dispose();
            }
        }
    }
}
