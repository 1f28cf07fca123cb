using System.Collections.Immutable;
using System.Net;

namespace Diode.Tunnel.Engine.Names;

/// <summary>The upstream servers in force and why. Immutable; when it is replaced, what is under way through it ends at once.</summary>
public sealed class UpstreamSet
{
    private readonly CancellationTokenSource _replaced;

    internal UpstreamSet(ImmutableArray<IPEndPoint> servers, string reason, CancellationTokenSource replaced)
    {
        _replaced = replaced;
        Servers = servers;
        Reason = reason;
        Replaced = _replaced.Token;
    }

    /// <summary>The servers in order of preference. Empty: everything that isn't ours is answered SERVFAIL (fail closed).</summary>
    public ImmutableArray<IPEndPoint> Servers { get; }

    /// <summary>Why these, for status: <c>system</c>, <c>exit de</c>, <c>blocked</c>…</summary>
    public string Reason { get; }

    internal CancellationToken Replaced { get; }

    internal void Retire()
    {
        _replaced.Cancel();
    }
}
