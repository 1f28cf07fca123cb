using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Engine;

/// <summary>
/// The one thread of the control plane: everything that changes peers, relays, fleets and exits runs here, one piece after the
/// other, so that this state needs no locks. The packet path never waits for it; it reads immutable snapshots.
/// </summary>
internal sealed class EngineLoop(ILogger logger, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Pieces of work that may wait; more are refused (<see cref="TryPost"/> returns false).</summary>
    private const int Capacity = 16_384;

    private readonly BlockingCollection<Action> _work = new(Capacity);

    private readonly CancellationTokenSource _stopped = new();
    private Task? _running;
    private int _threadId;

    /// <summary>Runs the loop; <paramref name="tick"/> is called about four times a second.</summary>
    public void Start(Action tick)
    {
        _running = Task.Factory.StartNew(
            () => Run(tick), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Queues work. False: the loop is stopped or flooded; the caller drops and counts.</summary>
    public bool TryPost(Action work)
    {
        return !_work.IsAddingCompleted && _work.TryAdd(work);
    }

    /// <summary>Runs a function on the loop and returns its result; exceptions come back to the caller.</summary>
    public async Task<T> InvokeAsync<T>(Func<T> function, CancellationToken cancellation = default)
    {
        if (Environment.CurrentManagedThreadId == Volatile.Read(ref _threadId))
        {
            return function();
        }

        TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bool posted = TryPost(() =>
        {
            try
            {
                done.TrySetResult(function());
            }
            catch (Exception e)
            {
                done.TrySetException(e);
            }
        });
        if (!posted)
        {
            throw new TunnelException("The tunnel is stopping or overloaded.", "Try again in a moment.");
        }

        return await done.Task.WaitAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>As <see cref="InvokeAsync{T}"/> for callers that cannot await.</summary>
    public T Invoke<T>(Func<T> function)
    {
#pragma warning disable VSTHRD002 // the loop never waits for its callers
        return InvokeAsync(function).GetAwaiter().GetResult();
#pragma warning restore VSTHRD002
    }

    /// <summary>Runs an action on the loop; see <see cref="InvokeAsync{T}"/>.</summary>
    public Task InvokeAsync(Action action, CancellationToken cancellation = default)
    {
        return InvokeAsync(
            () =>
            {
                action();
                return true;
            },
            cancellation);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _work.CompleteAdding();
        await _stopped.CancelAsync().ConfigureAwait(false);
        if (_running is not null)
        {
            await _running.ConfigureAwait(false);
        }

        _stopped.Dispose();
        _work.Dispose();
    }

    private void Run(Action tick)
    {
        Volatile.Write(ref _threadId, Environment.CurrentManagedThreadId);
        long interval = time.TimestampFrequency / 4;
        long nextTick = time.GetTimestamp() + interval;
        while (!_stopped.IsCancellationRequested)
        {
            TimeSpan left = time.GetElapsedTime(time.GetTimestamp(), nextTick);
            if (_work.TryTake(out Action? work, Math.Max(0, (int)left.TotalMilliseconds)))
            {
                Guarded(work);
            }

            long now = time.GetTimestamp();
            if (now >= nextTick)
            {
                nextTick = now + interval;
                Guarded(tick);
            }
        }

        // What was queued before the stop still runs, so that nobody waits for ever.
        while (_work.TryTake(out Action? last))
        {
            Guarded(last);
        }
    }

    private void Guarded(Action work)
    {
        try
        {
            work();
        }
        catch (Exception e)
        {
            Log.LoopFailed(logger, e);
        }
    }
}
