namespace Diode.Tunnel.Relay.Kademlia;

/// <summary>How many copies an object has and how many answers are enough (reference §7.5).</summary>
public static class ReplicaRules
{
    /// <summary>Copies of an object.</summary>
    public const int Replicas = 3;

    /// <summary>Copies that make a write succeed, the own one included.</summary>
    public const int WriteQuorum = 2;

    /// <summary>Answers that make a read succeed, the own one included.</summary>
    public const int ReadQuorum = 1;

    /// <summary>Whether a write succeeded; the own table always has a copy.</summary>
    public static bool IsWritten(int remoteAcknowledgements)
    {
        return 1 + remoteAcknowledgements >= WriteQuorum;
    }

    /// <summary>Whether a read succeeded.</summary>
    public static bool IsRead(int answers)
    {
        return answers >= ReadQuorum;
    }
}
