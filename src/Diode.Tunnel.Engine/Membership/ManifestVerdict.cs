namespace Diode.Tunnel.Engine.Membership;

/// <summary>Result of reading or checking a manifest, with words for the user.</summary>
/// <param name="Error">The kind of refusal, or none.</param>
/// <param name="Message">What to show; names the cause and, where there is one, what to do.</param>
/// <param name="Changed">Whether the held state is new because of it.</param>
public readonly record struct ManifestVerdict(ManifestError Error, string Message, bool Changed = false)
{
    /// <summary>Whether the manifest is good.</summary>
    public bool IsAccepted => Error == ManifestError.None;

    internal static ManifestVerdict Good { get; } = new(ManifestError.None, "valid");

    /// <inheritdoc/>
    public override string ToString()
    {
        return Message;
    }
}
