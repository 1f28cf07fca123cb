namespace Diode.Tunnel.Engine.Names;

/// <summary>Tasks somebody has to wait for at the end: bounded, counted, none forgotten. Thread-safe.</summary>
internal sealed class InFlightTasks(int limit)
{
    private readonly HashSet<Task> _tasks = [];
    private readonly Lock _gate = new();

    /// <summary>Starts work, or returns false if there is too much already. The work handles its own failures.</summary>
    public bool TryStart(Func<Task> work)
    {
        lock (_gate)
        {
            if (_tasks.Count >= limit)
            {
                return false;
            }

            // Task.Run: the work must not run inside the lock.
            Task task = Task.Run(work);
            _tasks.Add(task);
            _ = task.ContinueWith(Forget, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            return true;
        }
    }

    /// <summary>Completes when all work has.</summary>
    public Task WhenAllAsync()
    {
        lock (_gate)
        {
            return Task.WhenAll(_tasks);
        }
    }

    private void Forget(Task task)
    {
        lock (_gate)
        {
            _tasks.Remove(task);
        }
    }
}
