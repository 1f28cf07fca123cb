namespace Diode.Tunnel.Engine.Membership.DiodeL1;

/// <summary>What a relay told about Diode L1, read and verified as far as it can be by itself; or why there is nothing.</summary>
/// <param name="Value">The answer; meaningless when there is none.</param>
/// <param name="Problem">Why there is none, for people; null when there is one.</param>
/// <param name="IsLie">Whether there was an answer, and nobody honest gives such a one.</param>
internal readonly record struct DiodeAnswer<T>(T? Value, string? Problem, bool IsLie = false)
{
    /// <summary>Whether there is an answer.</summary>
    public bool IsOk => Problem is null;

    /// <summary>The same failure for another kind of answer.</summary>
    public DiodeAnswer<TOther> As<TOther>() => new(default, Problem, IsLie);
}
