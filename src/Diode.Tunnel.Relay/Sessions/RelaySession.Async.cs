using Diode.Tunnel.Edge.Sessions;

namespace Diode.Tunnel.Relay.Sessions;

/// <content>Answers that need somebody else first: a chain, another relay.</content>
internal sealed partial class RelaySession
{
    // Real clients have a handful under way.
    private const int MaxPendingAnswers = 64;

    private CancellationTokenSource? _gone;
    private int _pendingAnswers;

    /// <summary>
    /// Runs work that answers a request later, at once if it can; at most 64 at a time. Work must not throw for what
    /// others sent.
    /// </summary>
    /// <param name="id">The request, told when too many are under way or the work fails; null for none.</param>
    /// <param name="work">Answers through <see cref="Edge"/>, unless it is cancelled: then the peer is gone.</param>
    public void AnswerLater(RequestId? id, Func<CancellationToken, Task> work)
    {
        if (Interlocked.Increment(ref _pendingAnswers) > MaxPendingAnswers)
        {
            Interlocked.Decrement(ref _pendingAnswers);
            OnRefused();
            if (id is RequestId refused)
            {
                Edge.ReplyError(refused, "too many requests"u8);
            }

            return;
        }

        // Most sessions never need it.
        CancellationTokenSource gone = LazyInitializer.EnsureInitialized(ref _gone);
        if (_closed)
        {
            gone.Cancel();
        }

        _ = CompleteAsync(id, work, gone.Token);
    }

    private async Task CompleteAsync(RequestId? id, Func<CancellationToken, Task> work, CancellationToken gone)
    {
        try
        {
            await work(gone).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (gone.IsCancellationRequested)
        {
            // Nobody is there to be answered.
        }
        catch (Exception)
        {
            // A bug of ours must not leave the request without an answer; it shows up in the counter.
            _core.Counters.InternalError();
            if (id is RequestId failed)
            {
                Edge.ReplyError(failed, "unexpected error"u8);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _pendingAnswers);
        }
    }
}
