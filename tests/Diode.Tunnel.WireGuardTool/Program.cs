namespace Diode.Tunnel.WireGuardTool;

/// <summary>A plain WireGuard endpoint made of the product's own parts.</summary>
internal static class Program
{
    private static int Main()
    {
        return 2;
    }
}
