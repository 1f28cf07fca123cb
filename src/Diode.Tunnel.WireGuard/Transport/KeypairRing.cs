namespace Diode.Tunnel.WireGuard.Transport;

/// <summary>
/// A peer's keypairs (WireGuard §6.3): <c>current</c> sends, <c>previous</c> still receives what is on the way, and
/// <c>next</c> belongs to a responder that has not yet seen it used. Changed under the peer's lock, read without.
/// </summary>
internal sealed class KeypairRing(ReceiverIndices indices)
{
    private Keypair? _previous;
    private Keypair? _current;
    private Keypair? _next;

    public Keypair? Previous => Volatile.Read(ref _previous);

    public Keypair? Current => Volatile.Read(ref _current);

    public Keypair? Next => Volatile.Read(ref _next);

    /// <summary>The response arrived: the keypair is known to both ends and sends at once.</summary>
    public void InstallAsInitiator(Keypair keypair)
    {
        if (_next is not null)
        {
            // The unconfirmed one may be what the other end sends with: keep that rather than the old one.
            Retire(ref _current);
            Retire(ref _previous);
            _previous = _next;
            Volatile.Write(ref _next, null);
        }
        else
        {
            Retire(ref _previous);
            _previous = _current;
        }

        Volatile.Write(ref _current, keypair);
    }

    /// <summary>The response was sent: the keypair may not send before something arrives under it.</summary>
    public void InstallAsResponder(Keypair keypair)
    {
        Retire(ref _next);
        Volatile.Write(ref _next, keypair);
    }

    /// <summary>Something arrived under a keypair. True if that confirms it: it now sends.</summary>
    public bool TryConfirm(Keypair keypair)
    {
        if (_next != keypair)
        {
            return false;
        }

        Retire(ref _previous);
        _previous = _current;
        Volatile.Write(ref _current, keypair);
        Volatile.Write(ref _next, null);
        return true;
    }

    /// <summary>
    /// Two ends that began at the same moment hold two keypairs and each sends with its own. So that they do not both renew
    /// at the same moment for ever, both turn to the one initiated by the greater public key once they see it used.
    /// </summary>
    /// <param name="keypair">Something arrived under it.</param>
    /// <param name="ownKeyIsGreater">Whether this end's public key is the greater one.</param>
    /// <returns>True if it became current.</returns>
    public bool TryConverge(Keypair keypair, bool ownKeyIsGreater)
    {
        if (_previous != keypair
            || _current is null
            || keypair.IsInitiator != ownKeyIsGreater
            || _current.IsInitiator == ownKeyIsGreater
            || Math.Abs(keypair.CreatedAt - _current.CreatedAt) >= WireGuardConstants.RekeyTimeout)
        {
            return false;
        }

        Volatile.Write(ref _previous, _current);
        Volatile.Write(ref _current, keypair);
        return true;
    }

    /// <summary>Erases all three.</summary>
    public void Clear()
    {
        Retire(ref _previous);
        Retire(ref _current);
        Retire(ref _next);
    }

    /// <summary>Erases those that were made before a moment.</summary>
    public void ClearBefore(long time)
    {
        RetireBefore(ref _previous, time);
        RetireBefore(ref _current, time);
        RetireBefore(ref _next, time);
    }

    private void RetireBefore(ref Keypair? place, long time)
    {
        if (place is not null && place.CreatedAt < time)
        {
            Retire(ref place);
        }
    }

    private void Retire(ref Keypair? place)
    {
        Keypair? keypair = place;
        Volatile.Write(ref place, null);
        if (keypair is not null)
        {
            indices.Free(keypair.LocalIndex);
            keypair.Dispose();
        }
    }
}
