using Diode.Tunnel.Platform.Sockets;
using Diode.Tunnel.Platform.Tun.Offload;

namespace Diode.Tunnel.Platform;

/// <summary>
/// The offloads a user allows, from <see cref="Variable"/>: a comma-separated list of <c>all</c>, <c>none</c>, the names below and the
/// names with a minus in front, read from left to right; a list that begins with a plain name begins from nothing. Unset: all.
/// <list type="table">
/// <item><term>tun-tcp</term><description>the system hands over TCP super-packets (TSO)</description></item>
/// <item><term>tun-udp</term><description>the same for UDP (USO)</description></item>
/// <item><term>tun-merge</term><description>received TCP packets are merged before they are written (GRO)</description></item>
/// <item><term>tun-merge-udp</term><description>the same for UDP</description></item>
/// <item><term>udp-segment</term><description>datagrams leave in trains (UDP_SEGMENT)</description></item>
/// <item><term>udp-merge</term><description>datagrams arrive in trains (UDP_GRO)</description></item>
/// </list>
/// For example <c>none</c>, or <c>-udp-segment,-udp-merge</c>. What is allowed is still tested before it is used.
/// </summary>
/// <param name="Tun">Allowed at the adapter.</param>
/// <param name="Udp">Allowed at UDP sockets.</param>
public sealed record OffloadSwitches(TunOffloads Tun, UdpOffloads Udp)
{
    /// <summary>Name of the environment variable.</summary>
    public const string Variable = "DIODE_TUNNEL_OFFLOADS";

    /// <summary>Everything is allowed.</summary>
    public static OffloadSwitches All { get; } = new(TunOffloads.All, UdpOffloads.All);

    /// <summary>
    /// What this process may use, for adapters and sockets opened from then on. At first what its environment says; unknown words there
    /// are ignored.
    /// </summary>
    public static OffloadSwitches Current { get; set; } = Read(Environment.GetEnvironmentVariable(Variable));

    /// <summary>Reads a list.</summary>
    /// <returns>False if a word is unknown; <paramref name="switches"/> then follows the known ones.</returns>
    public static bool TryParse(string? text, out OffloadSwitches switches)
    {
        switches = All;
        bool known = true;
        bool first = true;
        foreach (string part in (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            bool minus = part[0] == '-';
            string word = minus ? part[1..] : part;
            OffloadSwitches? named = Named(word.ToLowerInvariant());
            if (named is null)
            {
                known = false;
                continue;
            }

            OffloadSwitches before = first && !minus ? new OffloadSwitches(TunOffloads.None, UdpOffloads.None) : switches;
            first = false;
            switches = word.Equals("none", StringComparison.OrdinalIgnoreCase) ? named
                : minus ? new OffloadSwitches(before.Tun & ~named.Tun, before.Udp & ~named.Udp)
                : new OffloadSwitches(before.Tun | named.Tun, before.Udp | named.Udp);
        }

        return known;
    }

    private static OffloadSwitches Read(string? text)
    {
        _ = TryParse(text, out OffloadSwitches switches);
        return switches;
    }

    private static OffloadSwitches? Named(string word) => word switch
    {
        "all" => All,
        "none" => new(TunOffloads.None, UdpOffloads.None),
        "tun-tcp" => new(TunOffloads.TcpSegmentation, UdpOffloads.None),
        "tun-udp" => new(TunOffloads.UdpSegmentation, UdpOffloads.None),
        "tun-merge" => new(TunOffloads.ReceiveMerge, UdpOffloads.None),
        "tun-merge-udp" => new(TunOffloads.ReceiveMergeUdp, UdpOffloads.None),
        "udp-segment" => new(TunOffloads.None, UdpOffloads.Segmentation),
        "udp-merge" => new(TunOffloads.None, UdpOffloads.Merge),
        _ => null,
    };
}
