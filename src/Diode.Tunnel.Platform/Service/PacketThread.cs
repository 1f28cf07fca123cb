using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Service;

/// <summary>
/// Threads that carry packets run before programs do, as the network stack of the kernel does. On a busy processor an equal share would
/// let a packet wait for milliseconds until some program has used up its slice, at each of the threads on its way.
/// </summary>
public static class PacketThread
{
    /// <summary>
    /// Nice value (sched(7)): ten shares for each share of a program. It is no claim without limit, which a flood of packets could use to
    /// lock everybody out.
    /// </summary>
    public const int Nice = -10;

    /// <summary>Makes the calling thread one. To be called on threads that end with their work, never on those of the pool.</summary>
    /// <returns>False if the system does not permit it: then all goes on with an equal share.</returns>
    public static bool Prefer()
    {
        if (OperatingSystem.IsLinux())
        {
            // Threads of the pool that this one happens to start must not inherit it. Refused below systemd's RestrictRealtime, harmlessly.
            _ = Libc.SetScheduler(0, Libc.SCHED_OTHER | Libc.SCHED_RESET_ON_FORK, 0);

            // Priorities of .NET have no effect here.
            return Libc.SetPriority(Libc.PRIO_PROCESS, 0, Nice) == 0;
        }

        Thread.CurrentThread.Priority = ThreadPriority.AboveNormal;
        return true;
    }
}
