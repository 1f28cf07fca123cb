using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;
using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.Chains;

/// <content>The newest block, and those who want to hear of it.</content>
internal sealed partial class ChainReader
{
    // A chain nobody asks for is looked at this often, for the epoch.
    private static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan IdleAfter = TimeSpan.FromMinutes(1);

    // Blocks that came between two looks and are still told to subscribers.
    private const ulong MostCaughtUp = 16;

    // How far an endpoint may lag behind another one, in blocks, before it is believed that the chain went back.
    private const ulong Lag = 16;
    private const long OddSeconds = 3600;

    private readonly ILogger _logger;
    private readonly Lock _peakGate = new();
    private readonly List<Subscription> _subscribers = [];
    private PeakState? _peak;
    private Task<PeakState?>? _refresh;
    private long _lastAsked;
    private long _lowerSince;
    private bool _odd;

    /// <summary>The newest block seen.</summary>
    public bool TryGetPeak(out ChainPeak peak)
    {
        PeakState? state = Volatile.Read(ref _peak);
        peak = state is null ? default : new ChainPeak(state.Block.Number, state.Block.Timestamp, state.Block.Hash);
        return state is not null;
    }

    /// <summary>The newest block, not older than the interval it is asked for; null when it cannot be read.</summary>
    public async ValueTask<ChainBlock?> GetPeakAsync(CancellationToken cancel)
    {
        Volatile.Write(ref _lastAsked, _time.GetTimestamp());
        PeakState? state = Volatile.Read(ref _peak);
        if (state is null || _time.GetElapsedTime(state.SeenAt) >= 2 * Chain.PollInterval)
        {
            state = await RefreshAsync().WaitAsync(cancel) ?? state;
        }

        return state?.Block;
    }

    /// <summary>The newest block, asked for now when a number above the one known is wanted.</summary>
    public async ValueTask<ChainBlock?> GetPeakForAsync(ulong number, CancellationToken cancel)
    {
        ChainBlock? peak = await GetPeakAsync(cancel);
        return peak is not null && number > peak.Number && number - peak.Number <= MostCaughtUp
            ? (await RefreshAsync().WaitAsync(cancel))?.Block ?? peak
            : peak;
    }

    /// <summary>Follows the chain until <paramref name="cancel"/>.</summary>
    public async Task FollowAsync(CancellationToken cancel)
    {
        try
        {
            using var timer = new PeriodicTimer(Chain.PollInterval, _time);
            do
            {
                PeakState? state = Volatile.Read(ref _peak);
                bool due = state is null
                    || HasSubscribers
                    || _time.GetElapsedTime(Volatile.Read(ref _lastAsked)) < IdleAfter
                    || _time.GetElapsedTime(state.SeenAt) >= IdleInterval;
                if (due)
                {
                    await RefreshAsync().WaitAsync(cancel);
                }
            }
            while (await timer.WaitForNextTickAsync(cancel));
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // Stopped.
        }
        catch (Exception exception)
        {
            ChainLog.FollowFailed(_logger, Chain.Prefix, exception);
        }
    }

    /// <summary>Tells about new blocks, beginning with the newest that is known.</summary>
    public IDisposable Subscribe(IChainSubscriber subscriber)
    {
        var subscription = new Subscription(this, subscriber);
        PeakState? state;
        lock (_peakGate)
        {
            _subscribers.Add(subscription);
            state = _peak;
        }

        if (state is not null)
        {
            subscription.Tell(Chain.ChainId, state.Block, Encode(state.Block));
        }

        return subscription;
    }

    private bool HasSubscribers
    {
        get
        {
            lock (_peakGate)
            {
                return _subscribers.Count > 0;
            }
        }
    }

    private Task<PeakState?> RefreshAsync()
    {
        lock (_peakGate)
        {
            if (_refresh is null || _refresh.IsCompleted)
            {
                _refresh = Task.Run(FetchPeakAsync);
            }

            return _refresh;
        }
    }

    private async Task<PeakState?> FetchPeakAsync()
    {
        try
        {
            JsonRpcReply reply = await CallAsync("eth_getBlockByNumber", LatestParameters, _stop.Token);
            if (!reply.IsResult || !ChainBlock.TryRead(reply.Json, out ChainBlock? block))
            {
                return null;
            }

            return await AcceptAsync(block);
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
        {
            return null;
        }
    }

    private static readonly byte[] LatestParameters = "[\"latest\",false]"u8.ToArray();

    private async Task<PeakState?> AcceptAsync(ChainBlock block)
    {
        PeakState? before = Volatile.Read(ref _peak);
        var state = new PeakState(block, _time.GetTimestamp());
        if (before is not null && block.Number < before.Block.Number)
        {
            // Two endpoints are rarely at the same block; only one that stays behind, or is far behind, is believed.
            _lowerSince = _lowerSince == 0 ? state.SeenAt : _lowerSince;
            if (before.Block.Number - block.Number <= Lag
                && _time.GetElapsedTime(_lowerSince) < 4 * IdleInterval)
            {
                return before;
            }
        }

        _lowerSince = 0;
        Volatile.Write(ref _peak, state);
        WarnOfOddTime(block);
        if (before is not null && block.Number > before.Block.Number + 1 && HasSubscribers)
        {
            ulong from = Math.Max(before.Block.Number + 1, block.Number - Math.Min(block.Number, MostCaughtUp));
            for (ulong number = from; number < block.Number; number++)
            {
                if (await GetBlockAsync(number, _stop.Token) is ChainBlock missed)
                {
                    Tell(missed);
                }
            }
        }

        if (before is null || before.Block.Hash != block.Hash)
        {
            Tell(block);
        }

        return state;
    }

    private void Tell(ChainBlock block)
    {
        Subscription[] subscribers;
        lock (_peakGate)
        {
            subscribers = [.. _subscribers];
        }

        if (subscribers.Length == 0)
        {
            return;
        }

        byte[] header = Encode(block);
        foreach (Subscription subscription in subscribers)
        {
            subscription.Tell(Chain.ChainId, block, header);
        }
    }

    private static byte[] Encode(ChainBlock block)
    {
        var writer = new RlpWriter(512);
        BlockHeaderPairs.Write(writer, block, withMiner: true);
        return writer.ToArray();
    }

    private void WarnOfOddTime(ChainBlock block)
    {
        long now = NowMs / 1000;
        long away = Math.Abs((long)Math.Min(block.Timestamp, long.MaxValue / 2) - now);
        bool odd = away > OddSeconds;
        if (odd && !_odd)
        {
            ChainLog.OddTime(_logger, Chain.Prefix, block.Number, away);
        }

        _odd = odd;
    }

    private void Unsubscribe(Subscription subscription)
    {
        lock (_peakGate)
        {
            _subscribers.Remove(subscription);
        }
    }

    private sealed record PeakState(ChainBlock Block, long SeenAt);

    private sealed class Subscription(ChainReader reader, IChainSubscriber subscriber) : IDisposable
    {
        private readonly Lock _gate = new();
        private Hash256 _last;

        // The first block may be told twice, by Subscribe and by the one who just saw it.
        public void Tell(ulong chainId, ChainBlock block, ReadOnlySpan<byte> header)
        {
            lock (_gate)
            {
                if (_last == block.Hash)
                {
                    return;
                }

                _last = block.Hash;
            }

            subscriber.OnBlock(chainId, header);
        }

        public void Dispose()
        {
            reader.Unsubscribe(this);
        }
    }
}
