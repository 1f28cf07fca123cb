using System.Net;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>A relay that hands everything about a chain on to a node, and counts what that moves on its session.</summary>
internal sealed class RelayOverNode(int number, Uri node) : IChainRelay, IDisposable
{
    // Head of a frame, request id, command, and the record of TLS 1.2 around it.
    private const int FrameCost = 45;

    // Nine header pairs.
    private const int HeaderLength = 390;
    private const int LongestAnswer = 65_400;

    private readonly HttpJsonRpcTransport _node = new(node, TimeSpan.FromSeconds(30));
    private Action<ulong?>? _told;
    private long _bytes;
    private int _asked;

    /// <summary>Bytes both ways.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Questions, the chain's id left out.</summary>
    public int Asked => Volatile.Read(ref _asked);

    /// <summary>Whether it tells about blocks; an old relay does not.</summary>
    public bool Tells { get; init; }

    /// <summary>Changes what is answered: method, truth; null is an error.</summary>
    public Func<string, byte[], byte[]?>? Lie { get; set; }

    public Address Relay => new([.. Enumerable.Repeat((byte)number, Address.Length)]);

    public IPEndPoint? Endpoint => new(new IPAddress([192, 0, 2, (byte)number]), 41046);

    public bool CallChain(string prefix, string method, string parameters, Action<string?, byte[]?> done)
    {
        Interlocked.Add(ref _bytes, prefix.Length + method.Length + parameters.Length + FrameCost);
        _ = method == "eth_chainId" ? 0 : Interlocked.Increment(ref _asked);
        byte[] body = JsonRpcMessages.WriteRequest(1, method, System.Text.Encoding.UTF8.GetBytes(parameters));
        Task.Run(async () =>
        {
            JsonRpcTransportResult result = await _node.SendAsync(body, default);
            byte[]? answer = Lie is { } lie && result.Body is { } truth ? lie(method, truth) : result.Body;
            Interlocked.Add(ref _bytes, (answer?.Length ?? 0) + FrameCost);

            // As in a real one: what does not fit in a frame is not answered.
            done(answer is null or { Length: > LongestAnswer } ? "answer too long" : null, answer is { Length: > LongestAnswer } ? null : answer);
        });
        return true;
    }

    public bool SendMetaTransaction(string prefix, byte[] request, Action<string?, byte[]?> done) => false;

    public bool SubscribeBlocks(string prefix, ulong chainId, Action<ulong?> block)
    {
        Interlocked.Add(ref _bytes, FrameCost);
        _told = Tells ? block : null;
        return true;
    }

    /// <summary>There is a new block.</summary>
    public void Tell(ulong block)
    {
        if (_told is { } told)
        {
            Interlocked.Add(ref _bytes, HeaderLength + FrameCost);
            told(block);
        }
    }

    /// <summary>The session ends and comes back.</summary>
    public void Reconnect()
    {
        _told?.Invoke(null);
        _told = null;
    }

    public void Dispose() => _node.Dispose();
}
