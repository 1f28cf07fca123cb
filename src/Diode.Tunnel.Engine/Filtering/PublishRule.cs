using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Diode.Tunnel.Engine.Filtering;

/// <summary>One published thing: what, and to whom. Immutable.</summary>
public sealed class PublishRule
{
    /// <summary>Most entries behind <c>--to</c>.</summary>
    public const int MaxTargets = 64;

    private PublishRule(PublishPort port, ImmutableArray<PublishTarget> targets)
    {
        Port = port;
        Targets = targets;
    }

    /// <summary>What is open.</summary>
    public PublishPort Port { get; }

    /// <summary>To whom: at least one.</summary>
    public ImmutableArray<PublishTarget> Targets { get; }

    /// <summary>Makes a rule from what the command line or the control API gives.</summary>
    /// <param name="port">What, see <see cref="PublishPort"/>.</param>
    /// <param name="to">To whom, see <see cref="PublishTarget"/>; entries may themselves be comma separated.</param>
    /// <param name="rule">The rule.</param>
    /// <param name="problem">What is wrong, in words for the user.</param>
    public static bool TryParse(
        string? port, IEnumerable<string> to, [NotNullWhen(true)] out PublishRule? rule, [NotNullWhen(false)] out string? problem)
    {
        ArgumentNullException.ThrowIfNull(to);
        rule = null;
        if (!PublishPort.TryParse(port, out PublishPort parsed))
        {
            problem = $"'{port}' is not a port: use for example 22, 80/tcp, 53/udp, 8000-8010/tcp or all";
            return false;
        }

        ImmutableArray<PublishTarget>.Builder targets = ImmutableArray.CreateBuilder<PublishTarget>();
        foreach (string entry in to)
        {
            foreach (Range part in entry.AsSpan().Split(','))
            {
                if (!PublishTarget.TryParse(entry.AsSpan(part), out PublishTarget target))
                {
                    problem = $"'{entry}' is nobody: use fleet, public, a device address or a name";
                    return false;
                }

                if (!targets.Contains(target))
                {
                    targets.Add(target);
                }

                if (targets.Count > MaxTargets)
                {
                    problem = $"a rule is for at most {MaxTargets} devices and names: use fleet, or several rules";
                    return false;
                }
            }
        }

        if (targets.Count == 0)
        {
            problem = "nobody to publish to: for example --to fleet";
            return false;
        }

        rule = new PublishRule(parsed, targets.ToImmutable());
        problem = null;
        return true;
    }

    /// <summary>For example <c>22/tcp to fleet,0x…</c>; what <see cref="PublishRules.TryParse"/> reads.</summary>
    public override string ToString()
    {
        return $"{Port} to {string.Join(',', Targets)}";
    }
}
