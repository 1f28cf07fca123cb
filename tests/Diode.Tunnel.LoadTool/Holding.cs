using Diode.Tunnel.Edge.Identity;

namespace Diode.Tunnel.LoadTool;

/// <summary>Devices that ask a running relay for something and stay, so that other programs can use it.</summary>
internal static class Holding
{
    /// <summary>A UDP port of the relay's host between two devices: prints the number and returns when the relay ends the session.</summary>
    public static void Run(RelayUri relay)
    {
        using var requester = new LoadConnection(relay, new LoadDevice(relay));
        using var target = new LoadConnection(relay, new LoadDevice(relay));
        requester.LogIn();
        target.LogIn();
        Console.WriteLine(requester.OpenPhysicalPort(target, udp: true));
        Stay(requester);
    }

    /// <summary>The same with the relay's WireGuard exit: prints what the relay says about it.</summary>
    public static void RunExit(RelayUri relay, byte[] publicKey)
    {
        using var device = new LoadConnection(relay, new LoadDevice(relay));
        device.LogIn();
        Console.WriteLine(device.OpenExit(publicKey));
        Stay(device);
    }

    private static void Stay(LoadConnection connection)
    {
        while (!connection.ReceiveRaw().IsEmpty)
        {
        }
    }
}
