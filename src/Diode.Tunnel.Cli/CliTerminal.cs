namespace Diode.Tunnel.Cli;

/// <summary>Where the program writes. Tests give their own.</summary>
/// <param name="Out">Results.</param>
/// <param name="Error">Failures.</param>
/// <param name="IsInteractive">True if a person looks at <paramref name="Out"/>: colour and fitting to the width are welcome.</param>
public sealed record CliTerminal(TextWriter Out, TextWriter Error, bool IsInteractive)
{
    /// <summary>Where a person answers; null if nobody is there.</summary>
    public TextReader? In { get; init; }

    /// <summary>The console. Colour is off for pipes and where NO_COLOR or TERM=dumb asks for it.</summary>
    public static CliTerminal FromConsole() => new(
        Console.Out,
        Console.Error,
        !Console.IsOutputRedirected
            && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
            && Environment.GetEnvironmentVariable("TERM") != "dumb")
    {
        In = Console.IsInputRedirected ? null : Console.In,
    };
}
