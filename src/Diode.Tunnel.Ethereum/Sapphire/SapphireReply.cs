using System.Diagnostics.CodeAnalysis;

namespace Diode.Tunnel.Ethereum.Sapphire;

/// <summary>What came back from a confidential call.</summary>
/// <param name="Data">What the function returned; null when it failed.</param>
/// <param name="Failure">Why there is nothing.</param>
/// <param name="IsRefusal">Whether the runtime itself said no, under the shared secret.</param>
public sealed record SapphireReply(byte[]? Data, string? Failure, bool IsRefusal)
{
    private const int LongestReason = 300;

    /// <summary>Whether the function returned something.</summary>
    [MemberNotNullWhen(true, nameof(Data))]
    [MemberNotNullWhen(false, nameof(Failure))]
    public bool IsOk => Data is not null;

    internal static SapphireReply Broken(string reason) => new(null, reason, false);

    /// <summary>Reads a decrypted answer: <c>{"ok": bytes}</c> or <c>{"fail": {module, code, message}}</c>.</summary>
    internal static SapphireReply FromPlain(ReadOnlySpan<byte> plain)
    {
        var reader = new CborReader(plain);
        if (reader.TryReadMap(out int members) && members == 1 && reader.TryReadText(out string? kind))
        {
            if (kind == "ok" && reader.TryReadBytes(out ReadOnlySpan<byte> data) && reader.IsAtEnd)
            {
                return new SapphireReply(data.ToArray(), null, false);
            }

            if (kind == "fail")
            {
                return new SapphireReply(null, ReadReason(ref reader), true);
            }
        }

        return Broken("the decrypted answer is not in form");
    }

    private static string ReadReason(ref CborReader reader)
    {
        string reason = "refused without a reason";
        if (reader.TryReadMap(out int members))
        {
            for (int i = 0; i < members && reader.TryReadText(out string? key); i++)
            {
                if (key == "message" && reader.TryReadText(out string? message))
                {
                    reason = new string([.. message.Take(LongestReason).Select(static c => char.IsControl(c) ? ' ' : c)]);
                }
                else if (key == "message" || !reader.TrySkip())
                {
                    break;
                }
            }
        }

        return reason;
    }
}
