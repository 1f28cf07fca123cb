using System.Text.Json;
using Diode.Tunnel.Daemon.Hosting;

namespace Diode.Tunnel.Daemon.Configuration;

/// <summary>
/// Reads options from file, environment and command line, each overriding the one before. One table of rows drives all
/// three and the help; a key that no row knows is an error that names the source and the nearest known key.
/// </summary>
/// <typeparam name="T">The options record; the instance given holds the defaults.</typeparam>
/// <param name="variablePrefix">Prefix of the environment variables, for example <c>DIODE_TUNNEL_</c>.</param>
/// <param name="rows">The settings.</param>
public sealed class OptionTable<T>(string variablePrefix, IReadOnlyList<OptionRow<T>> rows)
{
    private const string ConfigFlag = "--config";

    /// <summary>The settings, in the order of the help.</summary>
    public IReadOnlyList<OptionRow<T>> Rows => rows;

    /// <summary>The environment variable that names the file.</summary>
    public string ConfigVariable => variablePrefix + "CONFIG";

    /// <summary>Reads all sources.</summary>
    /// <param name="defaults">Values of what no source sets.</param>
    /// <param name="defaultFile">Read if it exists and no other file is asked for; one asked for must exist.</param>
    /// <param name="environment">Variables; those with another prefix are left alone.</param>
    /// <param name="arguments">The command line after the verb.</param>
    /// <exception cref="StartupException">A source is not in order.</exception>
    public T Read(
        T defaults,
        string defaultFile,
        IEnumerable<KeyValuePair<string, string>> environment,
        IReadOnlyList<string> arguments)
    {
        Dictionary<string, string> variables = environment
            .Where(pair => pair.Key.StartsWith(variablePrefix, StringComparison.Ordinal))
            .ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);
        List<(OptionRow<T> Row, List<string> Values)> flags = ReadArguments(arguments, out string? file);
        if (file is null && variables.Remove(ConfigVariable, out string? named))
        {
            file = named;
        }

        variables.Remove(ConfigVariable);
        T options = ApplyFile(defaults, file ?? defaultFile, required: file is not null);
        options = ApplyVariables(options, variables);
        foreach ((OptionRow<T> row, List<string> values) in flags)
        {
            options = Apply(options, row, values, row.Flag, DaemonExitCodes.Usage);
        }

        return options;
    }

    private List<(OptionRow<T> Row, List<string> Values)> ReadArguments(
        IReadOnlyList<string> arguments, out string? file)
    {
        file = null;
        var flags = new List<(OptionRow<T> Row, List<string> Values)>();
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            int equals = argument.IndexOf('=', StringComparison.Ordinal);
            string flag = equals < 0 ? argument : argument[..equals];
            OptionRow<T>? row = rows.FirstOrDefault(candidate => candidate.Flag == flag);
            if (row is null && flag != ConfigFlag)
            {
                throw new StartupException(
                    DaemonExitCodes.Usage,
                    $"Unknown argument '{flag}'.",
                    Nearest(flag, rows.Select(candidate => candidate.Flag).Append(ConfigFlag)) ?? "See --help.");
            }

            string value;
            if (equals >= 0)
            {
                value = argument[(equals + 1)..];
            }
            else if (i + 1 < arguments.Count)
            {
                value = arguments[++i];
            }
            else
            {
                throw new StartupException(DaemonExitCodes.Usage, $"{flag} needs a value.", "See --help.");
            }

            if (row is null)
            {
                file = file is null ? value : throw Twice(ConfigFlag);
            }
            else
            {
                Collect(flags, row, value);
            }
        }

        return flags;
    }

    private static void Collect(List<(OptionRow<T> Row, List<string> Values)> flags, OptionRow<T> row, string value)
    {
        List<string>? values = flags.Find(entry => entry.Row == row).Values;
        if (values is not null && !row.IsList)
        {
            throw Twice(row.Flag);
        }

        if (values is null)
        {
            flags.Add((row, values = []));
        }

        values.AddRange(row.IsList ? Split(value) : [value]);
    }

    private T ApplyVariables(T options, Dictionary<string, string> variables)
    {
        foreach (OptionRow<T> row in rows)
        {
            string name = row.Variable(variablePrefix);
            if (variables.Remove(name, out string? value))
            {
                options = Apply(options, row, row.IsList ? Split(value) : [value], name, DaemonExitCodes.Configuration);
            }
        }

        if (variables.Count > 0)
        {
            string unknown = variables.Keys.Order(StringComparer.Ordinal).First();
            throw new StartupException(
                DaemonExitCodes.Configuration,
                $"Unknown environment variable '{unknown}'.",
                Nearest(unknown, rows.Select(row => row.Variable(variablePrefix))) ?? "See --help for the known ones.");
        }

        return options;
    }

    private T ApplyFile(T options, string file, bool required)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(file);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException && !required)
        {
            return options;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartupException(
                DaemonExitCodes.Configuration, $"Cannot read the configuration {file}.", "Check the path and its mode.", e);
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(
                bytes, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            return ApplyJson(options, document.RootElement, file);
        }
        catch (JsonException e)
        {
            throw new StartupException(
                DaemonExitCodes.Configuration,
                $"{file}: not valid JSON at line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}.",
                "Correct the file; comments and trailing commas are allowed.",
                e);
        }
        catch (InvalidOperationException e)
        {
            // System.Text.Json takes the bytes of a string as they are and fails only when it is read.
            throw new StartupException(
                DaemonExitCodes.Configuration, $"{file}: holds text that is not valid UTF-8.", "Save it as UTF-8.", e);
        }
    }

    private T ApplyJson(T options, JsonElement root, string file)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new StartupException(
                DaemonExitCodes.Configuration, $"{file}: must be one JSON object.", "For example { \"mtu\": 1280 }");
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (JsonProperty property in root.EnumerateObject())
        {
            string where = $"{file}: {property.Name}";
            OptionRow<T> row = rows.FirstOrDefault(candidate => candidate.JsonKey == property.Name)
                ?? throw new StartupException(
                    DaemonExitCodes.Configuration,
                    $"{file}: unknown key '{property.Name}'.",
                    Nearest(property.Name, rows.Select(candidate => candidate.JsonKey)) ?? "Remove it.");
            if (!seen.Add(property.Name))
            {
                throw new StartupException(DaemonExitCodes.Configuration, $"{where}: given twice.", "Keep one.");
            }

            options = Apply(options, row, Values(property.Value, row, where), where, DaemonExitCodes.Configuration);
        }

        return options;
    }

    private static List<string> Values(JsonElement element, OptionRow<T> row, string where)
    {
        if (!row.IsList)
        {
            return [Scalar(element, where)];
        }

        return element.ValueKind == JsonValueKind.Array
            ? [.. element.EnumerateArray().Select(item => Scalar(item, where))]
            : throw new StartupException(
                DaemonExitCodes.Configuration, $"{where}: must be a list.", $"\"{row.JsonKey}\": [ … ]");
    }

    private static string Scalar(JsonElement element, string where) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString()!,
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => element.GetRawText(),
        _ => throw new StartupException(
            DaemonExitCodes.Configuration, $"{where}: must be a text or a number.", "Correct the file."),
    };

    private static T Apply(T options, OptionRow<T> row, IReadOnlyList<string> values, string where, int exitCode)
    {
        try
        {
            return row.Apply(options, values);
        }
        catch (FormatException e)
        {
            throw new StartupException(exitCode, $"{where}: {e.Message}", row.Help, e);
        }
    }

    private static string[] Split(string value) =>
        value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static StartupException Twice(string flag) =>
        new(DaemonExitCodes.Usage, $"{flag} is given twice.", "Keep one.");

    private static string? Nearest(string wrong, IEnumerable<string> known)
    {
        (string Name, int Distance) best = known
            .Select(name => (name, EditDistance.Between(wrong, name)))
            .MinBy(candidate => candidate.Item2);
        return best.Distance <= Math.Max(2, wrong.Length / 4) ? $"Did you mean '{best.Name}'?" : null;
    }
}
