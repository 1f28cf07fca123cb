using Spectre.Console;

namespace Diode.Tunnel.Cli.Output;

/// <summary>
/// Rows under headings. In a pipe: aligned columns, nothing cut, an empty cell is <c>-</c>, so grep and awk work.
/// On a terminal: the same fitted to its width, with the words for good and bad in colour.
/// </summary>
internal sealed class TextTable(params string[] headings)
{
    private readonly List<string[]> _rows = [];

    internal bool IsEmpty => _rows.Count == 0;

    internal void Add(params string?[] cells) =>
        _rows.Add([.. cells.Select(cell => string.IsNullOrEmpty(cell) ? "-" : SafeText.Of(cell))]);

    internal void Write(CliTerminal terminal)
    {
        if (terminal.IsInteractive)
        {
            WriteFitted(terminal.Out);
        }
        else
        {
            WritePlain(terminal.Out);
        }
    }

    private void WritePlain(TextWriter writer)
    {
        int[] widths = [.. headings.Select((heading, i) => _rows.Select(row => row[i].Length).Append(heading.Length).Max())];
        foreach (string[] row in _rows.Prepend(headings))
        {
            string line = string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i])));
            writer.WriteLine(line.TrimEnd());
        }
    }

    private void WriteFitted(TextWriter writer)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        var table = new Table { Border = TableBorder.None, ShowHeaders = true };
        foreach (string heading in headings)
        {
            table.AddColumn(new TableColumn(new Text(heading, new Style(decoration: Decoration.Bold))) { Padding = new Padding(0, 0, 2, 0) });
        }

        foreach (string[] row in _rows)
        {
            table.AddRow(row.Select(cell => new Text(cell, StyleOf(cell))));
        }

        console.Write(table);
    }

    private static Style? StyleOf(string cell) => cell switch
    {
        "up" or "online" or "connected" or "direct-udp" => new Style(Color.Green),
        "connecting" or "relay-udp" or "relay-stream" or "warning" => new Style(Color.Yellow),
        "error" or "blocked" or "refused" => new Style(Color.Red),
        "-" or "offline" or "none" or "down" or "disconnected" => new Style(Color.Grey),
        _ => null,
    };
}
