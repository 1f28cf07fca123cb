using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace Diode.Tunnel.Tests;

/// <summary>Holds the sources to the project graph and the house rules, which no compiler checks.</summary>
public sealed partial class ProjectReferenceTests
{
    private const int MaximumLines = 600;

    /// <summary>Who may refer to whom. A project that does not exist yet is simply absent from the tree.</summary>
    private static readonly Dictionary<string, string[]> AllowedReferences = new()
    {
        ["WireGuard"] = [],
        ["Ethereum"] = [],
        ["Platform"] = [],
        ["Control"] = [],
        ["Edge"] = ["Ethereum"],
        ["Engine"] = ["WireGuard", "Ethereum", "Edge", "Platform"],
        ["Relay"] = ["WireGuard", "Ethereum", "Edge", "Platform"],
        ["Daemon"] = ["Engine", "Relay", "Platform", "Control"],
        ["Cli"] = ["Control"],
        ["Tray"] = ["Control"],
    };

    private static readonly string Root = FindRoot();

    [Fact]
    public void Projects_refer_only_to_those_below_them()
    {
        List<string> violations = [];
        foreach (string file in Directory.GetFiles(Path.Combine(Root, "src"), "*.csproj", SearchOption.AllDirectories))
        {
            string name = ShortName(file);
            if (!AllowedReferences.TryGetValue(name, out string[]? allowed))
            {
                violations.Add($"{name} is not a project of the design");
                continue;
            }

            violations.AddRange(
                from reference in XDocument.Load(file).Descendants("ProjectReference")
                let target = ShortName(reference.Attribute("Include")!.Value)
                where !allowed.Contains(target)
                select $"{name} refers to {target}");
        }

        Assert.Empty(violations);
    }

    [Fact]
    public void Only_Platform_allows_unsafe_code()
    {
        IEnumerable<string> projects =
            from file in Directory.GetFiles(Path.Combine(Root, "src"), "*.csproj", SearchOption.AllDirectories)
            where XDocument.Load(file).Descendants("AllowUnsafeBlocks").Any(e => e.Value == "true")
            select ShortName(file);

        Assert.Equal(["Platform"], projects);
    }

    [Fact]
    public void Only_Platform_calls_native_code()
    {
        IEnumerable<string> files =
            from file in Sources("src")
            where !Relative(file).StartsWith("src/Diode.Tunnel.Platform/", StringComparison.Ordinal)
            where NativeCode().IsMatch(WithoutComments(file))
            select Relative(file);

        Assert.Empty(files);
    }

    [Theory]
    [InlineData("WireGuard")]
    [InlineData("Edge")]
    public void Pure_projects_have_no_socket_clock_thread_file_or_logger(string project)
    {
        IEnumerable<string> uses =
            from file in Sources("src/Diode.Tunnel." + project)
            from Match match in Impure().Matches(WithoutComments(file))
            select $"{Relative(file)}: {match.Value}";

        Assert.Empty(uses);
    }

    [Fact]
    public void No_source_file_is_longer_than_600_lines()
    {
        IEnumerable<string> files =
            from file in Sources("src").Concat(Sources("tests"))
            let lines = File.ReadLines(file).Count()
            where lines > MaximumLines
            select $"{Relative(file)}: {lines}";

        Assert.Empty(files);
    }

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        string solution = File.ReadAllText(Path.Combine(Root, "Diode.Tunnel.sln"));
        IEnumerable<string> missing =
            from folder in new[] { "src", "tests" }
            from file in Directory.GetFiles(Path.Combine(Root, folder), "*.csproj", SearchOption.AllDirectories)
            let name = Path.GetFileName(file)
            where !solution.Contains(name, StringComparison.Ordinal)
            select name;

        Assert.Empty(missing);
    }

    private static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories);

    private static string Relative(string file) => Path.GetRelativePath(Root, file).Replace('\\', '/');

    private static string ShortName(string projectFile) =>
        Path.GetFileNameWithoutExtension(projectFile.Replace('\\', '/')).Replace("Diode.Tunnel.", "", StringComparison.Ordinal);

    private static string WithoutComments(string file) => Comment().Replace(File.ReadAllText(file), "");

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Diode.Tunnel.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("run the tests inside the repository");
    }

    // A line comment or a block comment; "://" inside a string literal is not one.
    [GeneratedRegex(@"(?<!:)//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"\[(Library|Dll)Import\b|\bunsafe\b|NativeLibrary\.")]
    private static partial Regex NativeCode();

    [GeneratedRegex(@"\bSocket\b|\bUdpClient\b|\bTcpClient\b|\bFile\.|\bFileStream\b|\bnew Thread\b|\bTask\.|\bTimer\b|\bILogger\b"
        + @"|\bTimeProvider\b|\bStopwatch\b|\bEnvironment\.TickCount|\bDateTime(Offset)?\.(Utc)?Now\b|\bConsole\.")]
    private static partial Regex Impure();
}
