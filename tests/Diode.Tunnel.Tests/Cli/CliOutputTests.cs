using Diode.Tunnel.Cli;
using Diode.Tunnel.Cli.Commands;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control.Models;
using Xunit;

namespace Diode.Tunnel.Tests.Cli;

public sealed class CliOutputTests
{
    [Theory]
    [InlineData("plain – text", "plain – text")]
    [InlineData("\u001b[31mred", "?[31mred")]
    [InlineData("a\nb\tc", "a?b?c")]
    [InlineData("abc\u202etxt", "abc?txt")]
    [InlineData("\u009b31m", "?31m")]
    public void Text_of_others_cannot_steer_the_terminal(string text, string safe) => Assert.Equal(safe, SafeText.Of(text));

    [Theory]
    [InlineData("de", "de")]
    [InlineData("diode://0x1@h:1", "diode://0x1@h:1")]
    [InlineData("", "''")]
    [InlineData("it's", "'it'\\''s'")]
    [InlineData("a;rm", "'a;rm'")]
    public void Arguments_are_quoted_for_the_shell(string argument, string quoted) =>
        Assert.Equal(quoted, ShellQuote.Of(argument));

    [Theory]
    [InlineData("22", 22, PublishProtocol.Any)]
    [InlineData("80/tcp", 80, PublishProtocol.Tcp)]
    [InlineData("53/UDP", 53, PublishProtocol.Udp)]
    public void Ports_are_read(string text, int port, PublishProtocol protocol) =>
        Assert.Equal((port, protocol), PublishPort.Read(text, all: false));

    [Theory]
    [InlineData("0")]
    [InlineData("65536")]
    [InlineData("22/sctp")]
    [InlineData("22/tcp/x")]
    [InlineData("+22")]
    [InlineData("")]
    public void Wrong_ports_are_refused(string text) =>
        Assert.Throws<UsageException>(() => PublishPort.Read(text, all: false));

    [Theory]
    [InlineData(0, "0B")]
    [InlineData(1023, "1023B")]
    [InlineData(1536, "1.5KiB")]
    [InlineData(long.MaxValue, "8192.0PiB")]
    public void Bytes_are_readable(long bytes, string text) => Assert.Equal(text, Format.Bytes(bytes));

    [Fact]
    public void Spans_use_the_largest_fitting_unit()
    {
        Assert.Equal("59s", Format.Span(TimeSpan.FromSeconds(59)));
        Assert.Equal("1m05s", Format.Span(TimeSpan.FromSeconds(65)));
        Assert.Equal("2h00m", Format.Span(TimeSpan.FromHours(2)));
        Assert.Equal("3d04h", Format.Span(TimeSpan.FromHours(76)));
        Assert.Equal("0s", Format.Span(TimeSpan.FromSeconds(-5)));
    }

    [Fact]
    public void Plain_table_never_cuts_and_marks_empty_cells()
    {
        using var output = new StringWriter();
        var table = new TextTable("A", "B");
        table.Add(new string('x', 300), null);
        table.Add("y", "end");
        table.Write(new CliTerminal(output, TextWriter.Null, IsInteractive: false));
        string[] lines = output.ToString().Split('\n');
        Assert.Equal(new string('x', 300) + "  -", lines[1]);
        Assert.Equal("y" + new string(' ', 301) + "end", lines[2]);
    }

    [Fact]
    public void Table_on_a_terminal_shows_markup_characters_as_they_are()
    {
        using var output = new StringWriter();
        var table = new TextTable("NAME");
        table.Add("[red]label[/]");
        table.Write(new CliTerminal(output, TextWriter.Null, IsInteractive: true));
        Assert.Contains("[red]label[/]", output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bogus", "Unknown argument 'bogus'.")]
    [InlineData("fleet bogus", "Unknown argument 'bogus'.")]
    [InlineData("exit offer", "Option '--region' is required.")]
    [InlineData("ping x -c many", "many")]
    [InlineData("publish 22", "Say who may reach it.")]
    [InlineData("publish", "Name a port, or --all.")]
    [InlineData("publish 22 --all --to fleet", "exclude each other")]
    [InlineData("status --check maybe", "maybe")]
    [InlineData("up --timeout 0", "--timeout takes seconds")]
    public async Task Wrong_command_lines_are_refused_without_a_daemon(string line, string message)
    {
        using var error = new StringWriter();
        int exitCode = await CliProgram.RunAsync(line.Split(' '), new CliTerminal(TextWriter.Null, error, false));
        Assert.Equal(CliExitCodes.Usage, exitCode);
        Assert.Contains(message, error.ToString(), StringComparison.Ordinal);
        Assert.Equal(2, error.ToString().Count(c => c == '\n'));
    }
}
