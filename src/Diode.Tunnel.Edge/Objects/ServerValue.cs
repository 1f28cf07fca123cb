using System.Numerics;
using System.Text;
using Diode.Tunnel.Edge.Bert;

namespace Diode.Tunnel.Edge.Objects;

/// <summary>A value in the extra list of a server object: a number or a text, which are signed differently.</summary>
public sealed class ServerValue
{
    private readonly byte[]? _text;

    private ServerValue(BigInteger number, byte[]? text)
    {
        Number = number;
        _text = text;
    }

    /// <summary>Whether this is a text.</summary>
    public bool IsText => _text is not null;

    /// <summary>The number; 0 for a text.</summary>
    public BigInteger Number { get; }

    /// <summary>The text; empty for a number.</summary>
    public string Text => _text is null ? "" : Encoding.UTF8.GetString(_text);

    /// <summary>Makes a number, not negative.</summary>
    public static ServerValue FromNumber(BigInteger number)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number.Sign, nameof(number));
        return new ServerValue(number, null);
    }

    /// <summary>Makes a text. Go clients can verify texts under the keys <c>name</c> and <c>features</c> only.</summary>
    public static ServerValue FromText(string text)
    {
        return new ServerValue(0, Encoding.UTF8.GetBytes(text));
    }

    internal static ServerValue FromBytes(ReadOnlySpan<byte> text)
    {
        return new ServerValue(0, text.ToArray());
    }

    internal BertTerm ToTerm()
    {
        return _text is null ? BertTerm.FromNumber(Number) : BertTerm.FromBinary(_text);
    }
}
