using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>linux/if_tun.h and linux/if.h.</summary>
internal static partial class Libc
{
    internal const int IFNAMSIZ = 16;
    internal const nuint TUNSETIFF = 0x400454ca;
    internal const short IFF_TUN = 0x0001;
    internal const short IFF_NO_PI = 0x1000;
    internal const short IFF_VNET_HDR = 0x4000;
    internal const nuint TUNSETOFFLOAD = 0x400454d0;
    internal const uint TUN_F_CSUM = 0x01;
    internal const uint TUN_F_TSO4 = 0x02;
    internal const uint TUN_F_TSO6 = 0x04;
    internal const uint TUN_F_USO4 = 0x20;
    internal const uint TUN_F_USO6 = 0x40;

    [LibraryImport("libc", EntryPoint = "if_nametoindex", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial uint IfNameToIndex(string name);

    [LibraryImport("libc", EntryPoint = "writev", SetLastError = true)]
    internal static unsafe partial nint WriteVectors(int fd, IoVec* vectors, int count);

    /// <summary>An ioctl whose argument is a number.</summary>
    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int IoctlValue(int fd, nuint request, nuint value);

    /// <summary>struct ifreq: the name and a union of 24 bytes of which only the flags are used here.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 40)]
    internal unsafe struct IfReq
    {
        internal fixed byte Name[IFNAMSIZ];
        internal short Flags;
    }
}
