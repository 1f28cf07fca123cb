using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Diode.Tunnel.Cli.Output;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli;

/// <summary>One run of one command: the client, the terminal, and whether documents or text are wanted.</summary>
internal sealed class CliRun(ControlClient client, CliTerminal terminal, bool json)
{
    internal ControlClient Client => client;

    internal CliTerminal Terminal => terminal;

    internal bool Json => json;

    internal TextWriter Out => terminal.Out;

    /// <summary>Writes a document, or else its text.</summary>
    internal void Show<T>(T value, Func<ControlJson, JsonTypeInfo<T>> typeInfo, Action<TextWriter> text)
    {
        if (json)
        {
            Out.WriteLine(JsonSerializer.Serialize(value, typeInfo(ControlJson.Indented)));
        }
        else
        {
            text(Out);
        }
    }

    /// <summary>Writes one document on one line.</summary>
    internal void ShowLine<T>(T value, JsonTypeInfo<T> typeInfo) => Out.WriteLine(JsonSerializer.Serialize(value, typeInfo));

    /// <summary>Writes what an operation did.</summary>
    internal int Done(OperationResult result)
    {
        Show(result, context => context.OperationResult, writer =>
        {
            writer.WriteLine(SafeText.Of(result.Message));
            foreach (string detail in result.Details)
            {
                writer.WriteLine("  " + SafeText.Of(detail));
            }
        });
        return CliExitCodes.Ok;
    }

    /// <summary>Writes a table fit for where it goes.</summary>
    internal void Table(TextTable table) => table.Write(terminal);
}
