using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Diode.Tunnel.Platform.Interop.Windows;

/// <summary>
/// wintun.dll 0.14 (api/wintun.h). Native names are kept. The library is found beside the program: see native/README.md.
/// </summary>
[SupportedOSPlatform("windows")]
internal static partial class Wintun
{
    internal const uint WINTUN_MIN_RING_CAPACITY = 0x20000;
    internal const uint WINTUN_MAX_RING_CAPACITY = 0x4000000;
    internal const int WINTUN_MAX_IP_PACKET_SIZE = 0xFFFF;
    internal const int ERROR_ACCESS_DENIED = 5;
    internal const int ERROR_HANDLE_EOF = 38;
    internal const int ERROR_BUFFER_OVERFLOW = 111;
    internal const int ERROR_NO_MORE_ITEMS = 259;

    [LibraryImport("wintun", SetLastError = true, StringMarshalling = StringMarshalling.Utf16)]
    internal static partial nint WintunCreateAdapter(string name, string tunnelType, in Guid requestedGuid);

    [LibraryImport("wintun")]
    internal static partial void WintunCloseAdapter(nint adapter);

    [LibraryImport("wintun")]
    internal static partial void WintunGetAdapterLUID(nint adapter, out ulong luid);

    [LibraryImport("wintun", SetLastError = true)]
    internal static partial uint WintunGetRunningDriverVersion();

    [LibraryImport("wintun", SetLastError = true)]
    internal static partial nint WintunStartSession(nint adapter, uint capacity);

    [LibraryImport("wintun")]
    internal static partial void WintunEndSession(nint session);

    [LibraryImport("wintun")]
    internal static partial nint WintunGetReadWaitEvent(nint session);

    [LibraryImport("wintun", SetLastError = true)]
    internal static unsafe partial byte* WintunReceivePacket(nint session, out uint packetSize);

    [LibraryImport("wintun")]
    internal static unsafe partial void WintunReleaseReceivePacket(nint session, byte* packet);

    [LibraryImport("wintun", SetLastError = true)]
    internal static unsafe partial byte* WintunAllocateSendPacket(nint session, uint packetSize);

    [LibraryImport("wintun")]
    internal static unsafe partial void WintunSendPacket(nint session, byte* packet);
}
