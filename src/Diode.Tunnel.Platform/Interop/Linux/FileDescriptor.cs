using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>
/// Owns a file descriptor. A user brackets its system calls with <see cref="TryEnter"/> and <see cref="Leave"/>;
/// the descriptor is closed when the last user has left, so its number is never reused under a running call.
/// </summary>
internal sealed class FileDescriptor : SafeHandle
{
    internal FileDescriptor(int fd)
        : base(-1, ownsHandle: true) => SetHandle(fd);

    public override bool IsInvalid => handle == -1;

    /// <summary>The number; valid only between <see cref="TryEnter"/> and <see cref="Leave"/>.</summary>
    internal int Value => (int)handle;

    internal bool TryEnter()
    {
        if (IsClosed)
        {
            return false;
        }

        bool entered = false;
        try
        {
            DangerousAddRef(ref entered);
        }
        catch (ObjectDisposedException)
        {
            // Closed between the check and the reference: the same answer.
            return false;
        }

        return entered;
    }

    internal void Leave() => DangerousRelease();

    protected override bool ReleaseHandle() => Libc.Close((int)handle) == 0;
}
