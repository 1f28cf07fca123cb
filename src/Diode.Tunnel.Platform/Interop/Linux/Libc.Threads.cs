using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>The scheduler's view of a thread.</summary>
internal static unsafe partial class Libc
{
    internal const int PRIO_PROCESS = 0;
    internal const int SCHED_OTHER = 0;
    internal const int SCHED_RESET_ON_FORK = 0x40000000;

    /// <summary>On Linux a "process" is a thread here, and 0 the calling one (setpriority(2), "C library/kernel differences").</summary>
    [LibraryImport("libc", EntryPoint = "setpriority", SetLastError = true)]
    internal static partial int SetPriority(int which, uint who, int nice);

    /// <param name="thread">0: the calling one.</param>
    /// <param name="policy">SCHED_*.</param>
    /// <param name="parameters">struct sched_param, of which there is only the priority.</param>
    [LibraryImport("libc", EntryPoint = "sched_setscheduler", SetLastError = true)]
    internal static partial int SetScheduler(int thread, int policy, in int parameters);
}
