using System.Text;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Messages;

/// <summary>
/// The answer to a request: <c>["response", value…]</c>, <c>["error", message]</c> or
/// <c>["error", code, message]</c> (§2.3). Slices of the frame, valid while it is.
/// </summary>
public readonly ref struct EdgeReply
{
    private EdgeReply(bool isError, ReadOnlySpan<byte> errorText, ulong errorCode, RlpReader values)
    {
        IsError = isError;
        ErrorText = errorText;
        ErrorCode = errorCode;
        Values = values;
    }

    /// <summary>Whether the request was refused.</summary>
    public bool IsError { get; }

    /// <summary>The last element of an error, as Go reads it.</summary>
    public ReadOnlySpan<byte> ErrorText { get; }

    /// <summary>The code of an error that has one, else 0.</summary>
    public ulong ErrorCode { get; }

    /// <summary>Reads the values of a positive reply. Copy it before reading.</summary>
    public RlpReader Values { get; }

    /// <summary>Reads an envelope whose word is response or error.</summary>
    public static bool TryRead(in EdgeEnvelope envelope, out EdgeReply reply)
    {
        reply = default;
        if (envelope.Command == EdgeCommand.Response)
        {
            reply = new EdgeReply(false, default, 0, envelope.Arguments);
            return true;
        }

        RlpReader arguments = envelope.Arguments;
        if (envelope.Command != EdgeCommand.Error || !arguments.TryReadBytes(out ReadOnlySpan<byte> text))
        {
            return false;
        }

        ulong code = 0;
        if (!arguments.IsEmpty)
        {
            RlpEncoding.TryReadInteger(text, out code);
            if (!arguments.TryReadBytes(out text) || !arguments.IsEmpty)
            {
                return false;
            }
        }

        reply = new EdgeReply(true, text, code, default);
        return true;
    }

    /// <summary>The error as text, bounded and without control characters, safe to show.</summary>
    public string GetErrorMessage()
    {
        return WireText.ToDisplay(ErrorText);
    }

    /// <summary>An error that this side made up, for a request that will not be answered.</summary>
    internal static EdgeReply FromLocalError(ReadOnlySpan<byte> text)
    {
        return new EdgeReply(true, text, 0, default);
    }
}

/// <summary>Text from the other side, made harmless.</summary>
internal static class WireText
{
    private const int MaxLength = 256;

    public static string ToDisplay(ReadOnlySpan<byte> bytes)
    {
        string text = Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, MaxLength)]);
        return string.Create(text.Length, text, static (target, source) =>
        {
            for (int i = 0; i < target.Length; i++)
            {
                target[i] = char.IsControl(source[i]) ? '?' : source[i];
            }
        });
    }
}
