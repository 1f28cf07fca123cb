namespace Diode.Tunnel.Engine.Membership;

/// <summary>Why a manifest was refused.</summary>
public enum ManifestError
{
    /// <summary>It was not: accepted, or the same as the one held.</summary>
    None,

    /// <summary>Not a manifest document, or one that breaks a limit.</summary>
    Malformed,

    /// <summary>Larger than a manifest may be.</summary>
    TooLarge,

    /// <summary>From another operator than expected.</summary>
    WrongOperator,

    /// <summary>The signature is not the operator's over this content.</summary>
    BadSignature,

    /// <summary>Its time is over.</summary>
    Expired,

    /// <summary>Issued in the future.</summary>
    NotYetValid,

    /// <summary>Older than the one held.</summary>
    Rollback,

    /// <summary>Same version as the one held, other content: the operator signed two.</summary>
    Fork,

    /// <summary>The device asked about is not listed.</summary>
    NotAMember,

    /// <summary>The file could not be read or written.</summary>
    Storage,
}
