namespace Diode.Tunnel.Engine.Names;

/// <summary>What to do with a DNS message.</summary>
public enum DnsOutcome
{
    /// <summary>Not a query: say nothing.</summary>
    Ignore,

    /// <summary>The reply has been written: send it.</summary>
    Reply,

    /// <summary>Not ours: ask an upstream server.</summary>
    Forward,
}
