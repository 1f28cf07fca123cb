using System.Diagnostics.CodeAnalysis;

namespace Diode.Tunnel.Ethereum.JsonRpc;

/// <summary>What an endpoint answered, read; or why there is nothing.</summary>
/// <param name="Value">The answer; meaningless when it failed.</param>
/// <param name="Failure">Why there is none, for people; null when there is one.</param>
/// <param name="IsRefusal">Whether the chain itself said no: the call reverted, the transaction is not acceptable.</param>
public readonly record struct EvmResult<T>(T? Value, string? Failure, bool IsRefusal = false)
{
    /// <summary>Whether there is an answer.</summary>
    [MemberNotNullWhen(true, nameof(Value))]
    [MemberNotNullWhen(false, nameof(Failure))]
    public bool IsOk => Failure is null;

    /// <summary>The same failure for another kind of answer.</summary>
    public EvmResult<TOther> As<TOther>() => new(default, Failure ?? "no answer", IsRefusal);
}
