using Diode.Tunnel.Edge.Identity;

namespace Diode.Tunnel.LoadTool;

/// <summary>Two devices that ask a running relay for a UDP port of its host and stay, so that other programs can use the port.</summary>
internal static class HeldPort
{
    /// <summary>Prints the port and returns when the relay ends the session.</summary>
    public static void Run(RelayUri relay)
    {
        using var requester = new LoadConnection(relay, new LoadDevice(relay));
        using var target = new LoadConnection(relay, new LoadDevice(relay));
        requester.LogIn();
        target.LogIn();
        Console.WriteLine(requester.OpenPhysicalPort(target, udp: true));
        while (!requester.ReceiveRaw().IsEmpty)
        {
        }
    }
}
