using System.Runtime.InteropServices;
using Diode.Tunnel.Platform;

namespace Diode.Tunnel.WireGuardTool;

/// <summary>
/// A plain WireGuard endpoint made of the product's own parts, as the peer of real implementations and for measuring. It sets no
/// address and no route: <c>ip address add … dev NAME; ip link set NAME up</c>. Prints <c>ready</c>, then a line for each
/// completed handshake; ends on SIGTERM or SIGINT with its counters.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        try
        {
            ToolOptions options = ToolOptions.Parse(arguments);
            using WireGuardEndpoint endpoint = new(
                InterfaceConfiguration.Parse(File.ReadLines(options.ConfigurationFile)), options);
            using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
            using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
            Console.WriteLine("ready");
            endpoint.Run();
            Console.WriteLine(endpoint);
            return 0;

            void Stop(PosixSignalContext context)
            {
                context.Cancel = true;
                endpoint.Stop();
            }
        }
        catch (Exception failure) when (failure is FormatException or IOException or PlatformException or UnauthorizedAccessException
            or System.Net.Sockets.SocketException)
        {
            Console.Error.WriteLine($"diode-wg: {failure.Message}");
            return 1;
        }
    }
}
