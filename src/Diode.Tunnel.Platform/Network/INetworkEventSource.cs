namespace Diode.Tunnel.Platform.Network;

/// <summary>What differs between operating systems behind <see cref="SystemNetworkEvents"/>.</summary>
internal interface INetworkEventSource : IDisposable
{
    int IgnoredInterface { get; set; }
}
