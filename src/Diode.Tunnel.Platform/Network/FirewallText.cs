using System.Buffers;
using System.Globalization;
using System.Text;

namespace Diode.Tunnel.Platform.Network;

/// <summary>Writes the body of an nftables table. Pure.</summary>
internal sealed class FirewallText
{
    private static readonly SearchValues<char> Forbidden = SearchValues.Create("\" /\\*\n");

    private readonly StringBuilder _text = new();
    private int _depth = 1;

    /// <summary>Writes one statement or comment.</summary>
    internal FirewallText Line(string line)
    {
        _text.Append('\t', _depth).Append(line).Append('\n');
        return this;
    }

    /// <summary>Writes one statement if it applies.</summary>
    internal FirewallText LineIf(bool condition, string line) => condition ? Line(line) : this;

    /// <summary>Opens "chain x {", "set x {" or the like.</summary>
    internal FirewallText Open(string head)
    {
        Line(head + " {");
        _depth++;
        return this;
    }

    internal FirewallText Close()
    {
        _depth--;
        return Line("}");
    }

    /// <summary>Writes a set of prefixes; an empty one is allowed.</summary>
    internal FirewallText PrefixSet(string name, string type, IEnumerable<System.Net.IPNetwork> prefixes)
    {
        Open($"set {name}");
        Line($"type {type}; flags interval; auto-merge");
        string elements = string.Join(", ", prefixes);
        LineIf(elements.Length > 0, $"elements = {{ {elements} }}");
        return Close();
    }

    /// <summary>An interface name in quotes.</summary>
    internal static string Interface(string name)
    {
        if (name.Length is 0 or > 15 || name.AsSpan().ContainsAny(Forbidden))
        {
            throw new ArgumentException($"'{name}' cannot be the name of a network interface.", nameof(name));
        }

        return '"' + name + '"';
    }

    /// <summary>"{ a, b }".</summary>
    internal static string Set<T>(IEnumerable<T> elements) =>
        "{ " + string.Join(", ", elements.Select(e => Convert.ToString(e, CultureInfo.InvariantCulture))) + " }";

    /// <summary>The condition "carries the mark of the underlay".</summary>
    internal static string HasMark(uint mark, uint mask) => $"meta mark & 0x{mask:x8} == 0x{mark:x8}";

    public override string ToString() => _text.ToString().TrimEnd('\n');
}
