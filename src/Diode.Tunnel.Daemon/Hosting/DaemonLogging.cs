using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Diode.Tunnel.Daemon.Hosting;

/// <summary>Logs to stderr: with priorities when the journal reads it, one readable line each otherwise.</summary>
internal static class DaemonLogging
{
    /// <summary>The factory of all loggers. The caller disposes it, which writes what is left.</summary>
    internal static ILoggerFactory Create(LogLevel level) => LoggerFactory.Create(logging =>
    {
        logging.SetMinimumLevel(level);
        if (level > LogLevel.Debug)
        {
            // The framework logs start-up failures with their stack; we print those as one line with a hint instead.
            logging.AddFilter("Microsoft", LogLevel.None);
        }

        // systemd.exec(5): set if and only if stderr (or stdout) is connected to the journal.
        bool journal = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("JOURNAL_STREAM"));
        if (journal)
        {
            logging.AddSystemdConsole();
        }
        else
        {
            logging.AddSimpleConsole(format =>
            {
                format.SingleLine = true;
                format.TimestampFormat = "HH:mm:ss.fff ";
                format.ColorBehavior = Console.IsErrorRedirected ? LoggerColorBehavior.Disabled : LoggerColorBehavior.Default;
            });
        }

        logging.Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
    });
}
