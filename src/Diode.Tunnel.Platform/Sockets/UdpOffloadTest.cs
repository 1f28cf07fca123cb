using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>
/// Tries each offload of UDP once per process: a train goes over the loopback and must arrive as the same datagrams. Where the loopback
/// is down nothing can be said against them, and failures at run time decide.
/// </summary>
[SupportedOSPlatform("linux")]
internal static class UdpOffloadTest
{
    private const int SegmentSize = 1200;
    private const int TrainLength = (3 * SegmentSize) + 500;
    private const int TimeoutMs = 200;

    private static readonly Lazy<UdpOffloads> Result = new(Run);

    internal static UdpOffloads Passed => Result.Value;

    /// <summary>Runs the test again.</summary>
    internal static UdpOffloads Run()
    {
        UdpOffloads passed = UdpOffloads.None;
        try
        {
            if (!IsCarried(UdpOffloads.None, UdpOffloads.None))
            {
                return UdpOffloads.All;
            }

            passed = IsCarried(UdpOffloads.Segmentation, UdpOffloads.None) ? UdpOffloads.Segmentation : UdpOffloads.None;
            passed |= IsCarried(passed, UdpOffloads.Merge) ? UdpOffloads.Merge : UdpOffloads.None;
            return passed;
        }
        catch (PlatformException)
        {
            return UdpOffloads.None;
        }
    }

    private static bool IsCarried(UdpOffloads sending, UdpOffloads receiving)
    {
        UdpChannelOptions options = new() { Mark = 0, BufferBytes = 0, LocalAddress = IPAddress.Loopback };
        using LinuxDatagramSocket sender = LinuxDatagramSocket.Bind(AddressFamily.InterNetwork, 0, options, sending);
        using LinuxDatagramSocket receiver = LinuxDatagramSocket.Bind(AddressFamily.InterNetwork, 0, options, receiving);
        byte[] train = new byte[TrainLength];
        for (int i = 0; i < train.Length; i++)
        {
            train[i] = (byte)((i * 7) + (i >> 8));
        }

        EndpointAddress.TryFrom(new IPEndPoint(IPAddress.Loopback, receiver.Port), out EndpointAddress to);
        if (!sender.Send(to, train, SegmentSize) || sender.Active != sending || receiver.Active != receiving)
        {
            return false;
        }

        DatagramBatch batch = new(new PacketPool(0, 0), 4);
        ReadOnlySpan<byte> left = train;
        while (!left.IsEmpty && receiver.TryReceive(batch, TimeoutMs) > 0)
        {
            for (int i = 0; i < batch.Count; i++)
            {
                ReadOnlySpan<byte> bytes = batch.Buffer(i).Span;
                int size = batch.SegmentSize(i) == 0 ? bytes.Length : batch.SegmentSize(i);
                if (size != Math.Min(SegmentSize, left.Length) || !left.StartsWith(bytes))
                {
                    return false;
                }

                left = left[bytes.Length..];
            }
        }

        return left.IsEmpty;
    }
}
