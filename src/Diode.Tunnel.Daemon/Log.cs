using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Daemon;

/// <summary>Log events: Control API from 5000, Daemon from 6000.</summary>
internal static partial class Log
{
    [LoggerMessage(5000, LogLevel.Information, "Control API listens at {Path}")]
    internal static partial void ControlListening(ILogger logger, string path);

    [LoggerMessage(5001, LogLevel.Warning, "Connection closed: the kernel does not say who it is from")]
    internal static partial void CallerUnknown(ILogger logger);

    [LoggerMessage(5002, LogLevel.Warning, "Connection of user {Uid} closed: it holds {Limit} already")]
    internal static partial void TooManyConnections(ILogger logger, uint uid, int limit);

    [LoggerMessage(5003, LogLevel.Information, "User {Uid} (process {ProcessId}): {Operation}")]
    internal static partial void OperationCalled(ILogger logger, uint uid, int processId, string operation);

    [LoggerMessage(5004, LogLevel.Information, "{Operation} refused: {Code}: {Reason}")]
    internal static partial void OperationFailed(ILogger logger, string operation, string code, string reason);

    [LoggerMessage(5005, LogLevel.Error, "{Operation} failed unexpectedly")]
    internal static partial void OperationFaulted(ILogger logger, Exception exception, string operation);

    [LoggerMessage(5006, LogLevel.Warning, "Request of user {Uid} refused: {Reason}")]
    internal static partial void ForeignRequest(ILogger logger, uint uid, string reason);

    [LoggerMessage(6000, LogLevel.Information, "diode-tunneld {Version} starting, state in {StateDir}")]
    internal static partial void Starting(ILogger logger, string version, string stateDir);

    [LoggerMessage(6001, LogLevel.Information, "Ready")]
    internal static partial void Ready(ILogger logger);

    [LoggerMessage(6002, LogLevel.Information, "Stopping")]
    internal static partial void Stopping(ILogger logger);
}
