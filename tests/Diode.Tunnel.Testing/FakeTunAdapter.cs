using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun;

namespace Diode.Tunnel.Testing;

/// <summary>
/// An adapter without a system behind it: packets are injected as if programs had sent them, and what is written can be looked at.
/// Behaves as the contract says: one reader, any writer, <see cref="Stop"/> ends the read. Allocates nothing while
/// <see cref="KeepsWritten"/> is off.
/// </summary>
public sealed class FakeTunAdapter(int mtu = 1420) : ITunAdapter
{
    private readonly Queue<byte[]> _toRead = new();
    private readonly Queue<byte[]> _written = new();
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _readable = new(0);
    private readonly SemaphoreSlim _takeable = new(0);
    private bool _stopped;
    private long _writes;

    /// <inheritdoc/>
    public string Name => "fake0";

    /// <inheritdoc/>
    public int InterfaceIndex => 1;

    /// <inheritdoc/>
    public int Mtu => mtu;

    /// <inheritdoc/>
    public long ReadDrops { get; private set; }

    /// <inheritdoc/>
    public long WriteDrops { get; private set; }

    /// <summary>Packets accepted by <see cref="Write(ReadOnlySpan{byte})"/>.</summary>
    public long Writes => Interlocked.Read(ref _writes);

    /// <summary>Whether written packets are kept for <see cref="TryTakeWritten"/>; otherwise they are only counted.</summary>
    public bool KeepsWritten { get; set; } = true;

    /// <summary>Refuses every write, as an adapter whose queue is full.</summary>
    public bool IsFull { get; set; }

    /// <summary>Queues a packet for the reader.</summary>
    public void Inject(ReadOnlySpan<byte> packet)
    {
        lock (_gate)
        {
            _toRead.Enqueue(packet.ToArray());
        }

        _readable.Release();
    }

    /// <summary>Takes the oldest packet that was written.</summary>
    public bool TryTakeWritten([NotNullWhen(true)] out byte[]? packet)
    {
        packet = _takeable.Wait(0) ? TakeWritten() : null;
        return packet is not null;
    }

    /// <summary>Waits for the next written packet.</summary>
    /// <exception cref="TimeoutException">None came.</exception>
    public async Task<byte[]> TakeWrittenAsync(TimeSpan timeout)
    {
        return await _takeable.WaitAsync(timeout).ConfigureAwait(false)
            ? TakeWritten()
            : throw new TimeoutException($"No packet was written within {timeout.TotalSeconds:0.#} s.");
    }

    /// <inheritdoc/>
    public int Read(PacketBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        batch.Clear();
        _readable.Wait();
        lock (_gate)
        {
            if (_stopped)
            {
                _readable.Release();
                return 0;
            }

            do
            {
                if (batch.Prepare(batch.Count).TryAssign(_toRead.Dequeue()))
                {
                    batch.Count++;
                }
                else
                {
                    ReadDrops++;
                }
            }
            while (!batch.IsFull && _readable.Wait(0));
        }

        return batch.Count;
    }

    /// <inheritdoc/>
    public bool Write(ReadOnlySpan<byte> packet)
    {
        if (IsFull)
        {
            WriteDrops++;
            return false;
        }

        Interlocked.Increment(ref _writes);
        if (KeepsWritten)
        {
            lock (_gate)
            {
                _written.Enqueue(packet.ToArray());
            }

            _takeable.Release();
        }

        return true;
    }

    /// <inheritdoc/>
    public int Write(PacketBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        int accepted = 0;
        for (int i = 0; i < batch.Count; i++)
        {
            accepted += Write(batch.Packets[i].Span) ? 1 : 0;
        }

        return accepted;
    }

    /// <inheritdoc/>
    public void Stop()
    {
        lock (_gate)
        {
            _stopped = true;
        }

        _readable.Release();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
    }

    private byte[] TakeWritten()
    {
        lock (_gate)
        {
            return _written.Dequeue();
        }
    }
}
