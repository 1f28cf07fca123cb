namespace Diode.Tunnel.Engine.Paths.Probing;

/// <summary>What has moved on a way, as the packet path counts it. Read by the path's agent now and then.</summary>
internal interface IRouteTraffic
{
    /// <summary>Datagrams sent.</summary>
    long SentDatagrams { get; }

    /// <summary>Of these the ones, or trains of them, longer than what every way carries (<see cref="PathTimings.LeastDatagram"/>).</summary>
    long SentLong { get; }

    /// <summary>Datagrams received; on UDP by source address only, so a hint and no proof.</summary>
    long ReceivedDatagrams { get; }
}
