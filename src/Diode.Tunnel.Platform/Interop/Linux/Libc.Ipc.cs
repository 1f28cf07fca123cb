using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>libc: the type of a file, which .NET does not tell for sockets and pipes.</summary>
internal static unsafe partial class LibcIpc
{
    private const int AT_FDCWD = -100;
    private const int AT_SYMLINK_NOFOLLOW = 0x100;
    private const uint STATX_TYPE = 1;
    private const int S_IFMT = 0xF000;
    private const int S_IFSOCK = 0xC000;

    // struct statx is the same on every architecture: 256 bytes, stx_mode (u16) at offset 28.
    private const int StatxLength = 256;
    private const int StatxMode = 28;

    /// <summary>True if <paramref name="path"/> itself, not what it links to, is a socket.</summary>
    public static bool IsSocket(string path)
    {
        byte* buffer = stackalloc byte[StatxLength];
        return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, buffer) == 0
            && (MemoryMarshal.Read<ushort>(new ReadOnlySpan<byte>(buffer + StatxMode, 2)) & S_IFMT) == S_IFSOCK;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, byte* buffer);
}
