using Microsoft.Extensions.Logging;

namespace Diode.Tunnel.Relay.Chains;

internal static partial class ChainLog
{
    [LoggerMessage(2100, LogLevel.Information, "Chain {Prefix} ({ChainId}) is read through {Endpoint}")]
    public static partial void Verified(ILogger logger, string prefix, ulong chainId, string endpoint);

    [LoggerMessage(
        2101,
        LogLevel.Error,
        "Endpoint {Endpoint} given for chain {Prefix} is of chain {Got}, not {Expected}: it is not used")]
    public static partial void Refused(ILogger logger, string endpoint, string prefix, ulong got, ulong expected);

    [LoggerMessage(2102, LogLevel.Warning, "Chain {Prefix}: {Endpoint} does not answer: {Reason}")]
    public static partial void Failed(ILogger logger, string prefix, string endpoint, string reason);

    [LoggerMessage(
        2103,
        LogLevel.Warning,
        "Chain {Prefix}: the newest block {Number} is {Seconds} s away from the clock of this machine")]
    public static partial void OddTime(ILogger logger, string prefix, ulong number, long seconds);

    [LoggerMessage(2104, LogLevel.Error, "Following chain {Prefix} failed")]
    public static partial void FollowFailed(ILogger logger, string prefix, Exception exception);
}
