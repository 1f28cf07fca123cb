namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>Who may open a port published by a definition (diode-client §13.3).</summary>
public enum PublishMode
{
    /// <summary>Every device.</summary>
    Public,

    /// <summary>Members of the named fleets; without names, of every fleet of this device.</summary>
    Protected,

    /// <summary>The named devices.</summary>
    Private,
}
