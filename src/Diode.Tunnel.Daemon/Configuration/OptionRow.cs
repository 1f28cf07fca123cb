namespace Diode.Tunnel.Daemon.Configuration;

/// <summary>One setting: its name in all three sources and how its text becomes a value.</summary>
/// <typeparam name="T">The options record.</typeparam>
/// <param name="Name">Kebab-case name; <c>--state-dir</c>, <c>DIODE_TUNNEL_STATE_DIR</c> and <c>stateDir</c> follow from it.</param>
/// <param name="Placeholder">What stands for the value in the help.</param>
/// <param name="Help">One line for people, with unit and default.</param>
/// <param name="IsList">Several values: a JSON array, a repeated flag, commas in a variable.</param>
/// <param name="Apply">Returns the options with the value; throws <see cref="FormatException"/> with the cause.</param>
public sealed record OptionRow<T>(
    string Name, string Placeholder, string Help, bool IsList, Func<T, IReadOnlyList<string>, T> Apply)
{
    /// <summary>Name in the configuration file.</summary>
    public string JsonKey { get; } = CamelCase(Name);

    /// <summary>Name on the command line.</summary>
    public string Flag { get; } = "--" + Name;

    /// <summary>Name as an environment variable.</summary>
    public string Variable(string prefix) => prefix + Name.Replace('-', '_').ToUpperInvariant();

    private static string CamelCase(string kebab)
    {
        string[] words = kebab.Split('-');
        return words[0] + string.Concat(words.Skip(1).Select(word => char.ToUpperInvariant(word[0]) + word[1..]));
    }
}
