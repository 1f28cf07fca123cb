namespace Diode.Tunnel.Engine.Filtering;

/// <summary>Who a rule is for.</summary>
public enum PublishTargetKind
{
    /// <summary>Nobody: the unset value.</summary>
    None,

    /// <summary>Every member of every fleet this device is in (Diode's "protected").</summary>
    Fleet,

    /// <summary>Every device that can reach this one (Diode's "public").</summary>
    Public,

    /// <summary>One device by address (Diode's "private").</summary>
    Device,

    /// <summary>Whoever a name stands for: a device label, <c>label.fleet</c>, or a fleet's name. Resolved by the caller.</summary>
    Name,
}
