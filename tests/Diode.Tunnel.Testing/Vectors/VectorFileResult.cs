namespace Diode.Tunnel.Testing.Vectors;

/// <summary>What became of one vector file.</summary>
/// <param name="FileName">Name with extension.</param>
/// <param name="IsCovered">Whether there is a runner for it.</param>
/// <param name="Cases">Number of cases, failed ones included.</param>
/// <param name="Failures">One text per failed case.</param>
public sealed record VectorFileResult(string FileName, bool IsCovered, int Cases, IReadOnlyList<string> Failures)
{
    /// <summary>The line that is shown.</summary>
    public override string ToString()
    {
        return IsCovered ? $"{FileName}: {Cases} cases, {Failures.Count} failed" : $"{FileName}: not covered";
    }
}
