using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Filtering;

/// <summary>One entry behind <c>--to</c>.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Device">The device, if it is one.</param>
/// <param name="Name">The name, if it is one; without the final <c>.diode</c>.</param>
public readonly record struct PublishTarget(PublishTargetKind Kind, Address Device, string? Name)
{
    private const string Suffix = ".diode";
    private const int MaxNameLength = 253;

    /// <summary>Every fleet member.</summary>
    public static PublishTarget Fleet { get; } = new(PublishTargetKind.Fleet, default, null);

    /// <summary>Everybody.</summary>
    public static PublishTarget Public { get; } = new(PublishTargetKind.Public, default, null);

    /// <summary>One device.</summary>
    public static PublishTarget Of(Address device)
    {
        return new PublishTarget(PublishTargetKind.Device, device, null);
    }

    /// <summary>Reads <c>fleet</c>, <c>public</c>, <c>0x…</c> or a name; surrounding spaces are ignored.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out PublishTarget target)
    {
        text = text.Trim();
        target = default;
        if (text is "fleet")
        {
            target = Fleet;
        }
        else if (text is "public")
        {
            target = Public;
        }
        else if (Address.TryParse(text, out Address device))
        {
            target = device.IsZero ? default : Of(device);
        }
        else if (text.Length <= MaxNameLength)
        {
            target = ParseName(text);
        }

        return target.Kind != PublishTargetKind.None;
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        return Kind switch
        {
            PublishTargetKind.Fleet => "fleet",
            PublishTargetKind.Public => "public",
            PublishTargetKind.Device => Device.ToString(),
            _ => Name ?? "",
        };
    }

    private static PublishTarget ParseName(ReadOnlySpan<char> text)
    {
        if (text.EndsWith(Suffix, StringComparison.Ordinal))
        {
            text = text[..^Suffix.Length];
        }

        foreach (Range label in text.Split('.'))
        {
            if (!FleetLabel.IsValid(text[label].ToString()))
            {
                return default;
            }
        }

        string name = text.ToString();
        return name is "fleet" or "public" ? default : new PublishTarget(PublishTargetKind.Name, default, name);
    }
}
