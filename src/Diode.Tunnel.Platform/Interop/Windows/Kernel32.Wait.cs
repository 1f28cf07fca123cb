using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Diode.Tunnel.Platform.Interop.Windows;

/// <summary>kernel32.dll and iphlpapi.dll, as far as the Wintun adapter needs them.</summary>
[SupportedOSPlatform("windows")]
internal static partial class Kernel32
{
    internal const uint INFINITE = 0xFFFFFFFF;
    internal const uint WAIT_OBJECT_0 = 0;

    [LibraryImport("kernel32", EntryPoint = "WaitForMultipleObjects", SetLastError = true)]
    internal static unsafe partial uint WaitForMultipleObjects(uint count, nint* handles, int waitAll, uint milliseconds);

    [LibraryImport("iphlpapi", EntryPoint = "ConvertInterfaceLuidToIndex")]
    internal static partial int ConvertInterfaceLuidToIndex(in ulong luid, out uint index);

    /// <summary>Time since start without sleep, in 100 ns.</summary>
    [LibraryImport("kernel32", EntryPoint = "QueryUnbiasedInterruptTime")]
    [return: MarshalAs(UnmanagedType.Bool)]
    internal static partial bool QueryUnbiasedInterruptTime(out ulong time);
}
