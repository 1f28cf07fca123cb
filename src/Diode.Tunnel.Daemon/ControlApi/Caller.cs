using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>Who is at the other end of a connection, as the kernel says; a connection feature.</summary>
/// <param name="Uid">User id.</param>
/// <param name="ProcessId">Process that connected; it may be gone or have passed the socket on.</param>
/// <param name="Access">What it may do.</param>
internal sealed record Caller(uint Uid, int ProcessId, AccessLevel Access);
