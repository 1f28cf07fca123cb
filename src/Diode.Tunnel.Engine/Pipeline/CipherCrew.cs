using System.Globalization;
using Diode.Tunnel.Platform.Service;

namespace Diode.Tunnel.Engine.Pipeline;

/// <summary>
/// Threads that help one thread with a row of equal jobs, such as trains to seal. The owner works too, and goes on when all jobs are done,
/// so what it does with the results keeps its order. Without helpers everything happens on the owner's thread.
/// </summary>
/// <remarks>Helpers start with the first row that has more than one job. Nothing is allocated per row.</remarks>
internal sealed class CipherCrew : IDisposable
{
    /// <summary>Environment variable with the number of helpers for each direction; unset: by the number of processors.</summary>
    public const string Variable = "DIODE_TUNNEL_WORKERS";

    private const int MostHelpers = 3;
    private const int SpinsBeforeWait = 20;

    private readonly Action<int> _job;
    private readonly Thread[] _helpers;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly ManualResetEventSlim _done = new(false);

    // Row number (32 bits), jobs of the row (16), next job (16): taken by compare and exchange, so that a helper that comes late never
    // takes a job of another row for its own.
    private long _ticket;
    private int _pending;
    private bool _started;
    private volatile bool _stopped;

    /// <param name="helpers">Threads beside the owner's.</param>
    /// <param name="job">Does the job of this number; called by several threads at once, each number once a row.</param>
    public CipherCrew(int helpers, Action<int> job)
    {
        _job = job;
        _helpers = new Thread[helpers];
    }

    /// <summary>What suits this machine: none on two processors, which the rest of the packet path keeps busy.</summary>
    public static int DefaultHelpers { get; } = ReadHelpers();

    /// <summary>True if there are helpers.</summary>
    public bool HasHelpers => _helpers.Length > 0;

    /// <summary>Does jobs 0 to below a number; returns when all are done. One thread.</summary>
    public void Run(int count)
    {
        if (count <= 1 || !HasHelpers)
        {
            for (int i = 0; i < count; i++)
            {
                _job(i);
            }

            return;
        }

        Start();
        _done.Reset();
        Volatile.Write(ref _pending, count);
        long row = (Volatile.Read(ref _ticket) >> 32) + 1;
        Volatile.Write(ref _ticket, (row << 32) | ((long)count << 16));
        _wake.Release(Math.Min(_helpers.Length, count - 1));
        Work();
        SpinWait spin = default;
        while (Volatile.Read(ref _pending) != 0)
        {
            if (spin.Count < SpinsBeforeWait)
            {
                spin.SpinOnce(sleep1Threshold: -1);
            }
            else
            {
                _done.Wait();
            }
        }
    }

    /// <summary>Ends the helpers. The owner is done.</summary>
    public void Dispose()
    {
        _stopped = true;
        if (_started)
        {
            _wake.Release(_helpers.Length);
            foreach (Thread helper in _helpers)
            {
                helper.Join();
            }
        }

        _wake.Dispose();
        _done.Dispose();
    }

    private static int ReadHelpers()
    {
        string? wish = Environment.GetEnvironmentVariable(Variable);
        return int.TryParse(wish, NumberStyles.None, CultureInfo.InvariantCulture, out int helpers)
            ? Math.Min(helpers, Environment.ProcessorCount)
            : Environment.ProcessorCount <= 2 ? 0 : Math.Min(MostHelpers, Environment.ProcessorCount - 1);
    }

    private void Start()
    {
        if (_started)
        {
            return;
        }

        _started = true;
        for (int i = 0; i < _helpers.Length; i++)
        {
            _helpers[i] = new Thread(Help) { Name = "cipher", IsBackground = true };
            _helpers[i].Start();
        }
    }

    private void Help()
    {
        PacketThread.Prefer();
        while (true)
        {
            _wake.Wait();
            if (_stopped)
            {
                return;
            }

            Work();
        }
    }

    private void Work()
    {
        while (TryTake(out int index))
        {
            _job(index);
            if (Interlocked.Decrement(ref _pending) == 0)
            {
                _done.Set();
            }
        }
    }

    private bool TryTake(out int index)
    {
        while (true)
        {
            long ticket = Volatile.Read(ref _ticket);
            index = (int)(ticket & 0xFFFF);
            if (index >= (int)((ticket >> 16) & 0xFFFF))
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _ticket, ticket + 1, ticket) == ticket)
            {
                return true;
            }
        }
    }
}
