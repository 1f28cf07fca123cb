using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Filtering;

/// <summary>
/// What this device lets others reach, as the user wrote it. Immutable; nothing is open without a rule. As text: one rule a line,
/// <c>PORT to TARGET[,TARGET…]</c>, <c>#</c> starts a comment.
/// </summary>
public sealed class PublishRules
{
    /// <summary>Most rules.</summary>
    public const int MaxRules = 1024;

    private PublishRules(ImmutableArray<PublishRule> rules)
    {
        Rules = rules;
    }

    /// <summary>Nothing published.</summary>
    public static PublishRules Empty { get; } = new([]);

    /// <summary>The rules in the order they were added.</summary>
    public ImmutableArray<PublishRule> Rules { get; }

    /// <summary>Reads the text form. False with the line at fault.</summary>
    public static bool TryParse(
        string text, [NotNullWhen(true)] out PublishRules? rules, [NotNullWhen(false)] out string? problem)
    {
        ArgumentNullException.ThrowIfNull(text);
        rules = Empty;
        int number = 0;
        foreach (ReadOnlySpan<char> rawLine in text.AsSpan().EnumerateLines())
        {
            number++;
            int comment = rawLine.IndexOf('#');
            ReadOnlySpan<char> line = (comment < 0 ? rawLine : rawLine[..comment]).Trim();
            if (line.IsEmpty)
            {
                continue;
            }

            int to = line.IndexOf(" to ", StringComparison.Ordinal);
            string reason = "expected PORT to TARGET, for example: 22/tcp to fleet";
            if (to < 0
                || !PublishRule.TryParse(line[..to].ToString(), [line[(to + 4)..].ToString()], out PublishRule? rule, out reason!))
            {
                problem = $"line {number}: {reason}";
                rules = null;
                return false;
            }

            rules = rules.With(rule);
            if (rules.Rules.Length > MaxRules)
            {
                problem = $"line {number}: more than {MaxRules} rules";
                rules = null;
                return false;
            }
        }

        problem = null;
        return true;
    }

    /// <summary>These rules and one more; a rule for exactly the same ports and protocol is replaced in its place.</summary>
    public PublishRules With(PublishRule rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        for (int i = 0; i < Rules.Length; i++)
        {
            if (Rules[i].Port == rule.Port)
            {
                return new PublishRules(Rules.SetItem(i, rule));
            }
        }

        return new PublishRules(Rules.Add(rule));
    }

    /// <summary>
    /// These rules without the one for <paramref name="port"/>; a port without protocol removes the rules of both protocols.
    /// The same instance if there is none.
    /// </summary>
    public PublishRules Without(PublishPort port)
    {
        ImmutableArray<PublishRule> left = Rules.RemoveAll(r =>
            r.Port == port
            || (port is { IsAll: false, Protocol: 0 } && r.Port.First == port.First && r.Port.Last == port.Last));
        return left.Length == Rules.Length ? this : new PublishRules(left);
    }

    /// <summary>Turns names into devices.</summary>
    /// <param name="lookup">Says which devices a name stands for now: a label, <c>label.fleet</c>, or all members of a fleet of that name. Empty = nobody.</param>
    public PublishPolicy Resolve(Func<string, IReadOnlyCollection<Address>> lookup)
    {
        ArgumentNullException.ThrowIfNull(lookup);
        return PublishPolicy.Create(Rules, lookup);
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        return string.Concat(Rules.Select(r => r + "\n"));
    }
}
