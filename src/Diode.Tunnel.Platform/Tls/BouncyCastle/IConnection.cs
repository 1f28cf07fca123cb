namespace Diode.Tunnel.Platform.Tls.BouncyCastle;

/// <summary>What the engine asks a protocol of either role beside the library's own methods.</summary>
internal interface IConnection
{
    /// <summary>Both sides have proven their keys.</summary>
    bool IsComplete { get; }

    /// <summary>The handshake was the short one.</summary>
    bool IsResumed { get; }

    /// <summary>The peer has sent a close_notify.</summary>
    bool IsClosedByPeer { get; }

    void SendCloseNotify();
}
