using System.Globalization;

namespace Diode.Tunnel.WireGuardTool;

/// <summary>The command line: <c>--config FILE [--interface NAME] [--mtu BYTES]</c>.</summary>
internal sealed record ToolOptions(string ConfigurationFile, string InterfaceName, int Mtu)
{
    public const string Usage = "usage: diode-wg --config FILE [--interface NAME] [--mtu BYTES]";
    private const string DefaultInterface = "wg0";
    private const int DefaultMtu = 1420;

    /// <exception cref="FormatException">The arguments are not understood.</exception>
    public static ToolOptions Parse(string[] arguments)
    {
        string? file = null;
        string name = DefaultInterface;
        int mtu = DefaultMtu;
        for (int i = 0; i < arguments.Length; i += 2)
        {
            string value = i + 1 < arguments.Length ? arguments[i + 1] : throw new FormatException(Usage);
            switch (arguments[i])
            {
                case "--config":
                    file = value;
                    break;
                case "--interface":
                    name = value;
                    break;
                case "--mtu":
                    mtu = int.Parse(value, NumberStyles.None, CultureInfo.InvariantCulture);
                    break;
                default:
                    throw new FormatException(Usage);
            }
        }

        return new ToolOptions(file ?? throw new FormatException(Usage), name, mtu);
    }
}
