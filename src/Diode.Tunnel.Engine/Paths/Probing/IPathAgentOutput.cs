namespace Diode.Tunnel.Engine.Paths.Probing;

/// <summary>What a <see cref="PathAgent"/> wants done. Called from inside the agent: note it, do not call back.</summary>
internal interface IPathAgentOutput
{
    /// <summary>A ping is to be sent; what cannot leave is lost like any other.</summary>
    void SendPing(PathRoute route, ulong transaction, int length);
}
