namespace Diode.Tunnel.Control;

/// <summary>The stable error codes of the control API. The command line maps each to an exit code.</summary>
public static class ControlErrorCodes
{
    /// <summary>The request itself is wrong (HTTP 400).</summary>
    public const string BadRequest = "BAD_REQUEST";

    /// <summary>The caller may look but not change (HTTP 403).</summary>
    public const string PrivilegeRequired = "PRIVILEGE_REQUIRED";

    /// <summary>The request does not come from a program of ours: browser headers or a foreign host (HTTP 403).</summary>
    public const string ForeignRequest = "FOREIGN_REQUEST";

    /// <summary>No such device, fleet, rule, exit or path (HTTP 404).</summary>
    public const string NotFound = "NOT_FOUND";

    /// <summary>Does not fit what is there: name taken, not in this state (HTTP 409).</summary>
    public const string Conflict = "CONFLICT";

    /// <summary>A manifest that does not verify: signature, expiry, older than the one known (HTTP 422).</summary>
    public const string BadManifest = "BAD_MANIFEST";

    /// <summary>The tunnel is down and the operation needs it (HTTP 409).</summary>
    public const string TunnelDown = "TUNNEL_DOWN";

    /// <summary>Cannot be done now: peer or relay unreachable (HTTP 503).</summary>
    public const string Unavailable = "UNAVAILABLE";

    /// <summary>Took too long (HTTP 504).</summary>
    public const string Timeout = "TIMEOUT";

    /// <summary>The operating system refused a change (HTTP 500).</summary>
    public const string System = "SYSTEM";

    /// <summary>A fault in the daemon; details are in its log (HTTP 500).</summary>
    public const string Internal = "INTERNAL";

    /// <summary>Nothing answers at the socket (client side only).</summary>
    public const string DaemonNotRunning = "DAEMON_NOT_RUNNING";

    /// <summary>The answer is not one this program understands (client side only).</summary>
    public const string BadAnswer = "BAD_ANSWER";
}
