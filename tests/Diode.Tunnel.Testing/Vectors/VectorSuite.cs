using System.Runtime.CompilerServices;
using System.Text.Json;
using Diode.Tunnel.Testing.Vectors.JsonRpc;
using Diode.Tunnel.Testing.Vectors.Sessions;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>
/// Runs the conformance vectors of a folder. Nothing is skipped: a file that cannot be read, a file without cases, an
/// unknown kind and a malformed case count as failed, and so does a folder without vectors.
/// </summary>
public static class VectorSuite
{
    /// <summary>Names the folder to run instead of the copy in the repository.</summary>
    public const string FolderVariable = "DIODE_VECTORS";

    /// <summary>Deeply nested terms are among the cases.</summary>
    private static readonly JsonDocumentOptions JsonOptions = new() { MaxDepth = 4096 };

    /// <summary>The runner of each file, by its name without extension: gets the file and the case, throws when it does not hold.</summary>
    private static readonly Dictionary<string, Action<VectorCase, VectorCase>> Runners = new(StringComparer.Ordinal)
    {
        ["rlp"] = (_, vector) => RlpVectors.Run(vector),
        ["identity"] = (_, vector) => IdentityVectors.Run(vector),
        ["certificate"] = (_, vector) => CertificateVectors.Run(vector),
        ["ticket_v1"] = (_, vector) => TicketVectors.Run(vector),
        ["ticket_v2"] = (_, vector) => TicketVectors.Run(vector),
        ["server_object"] = (_, vector) => ServerObjectVectors.Run(vector),
        ["abi"] = (_, vector) => AbiVectors.Run(vector),
        ["blockquick"] = (_, vector) => BlockQuickVectors.Run(vector),
        ["bert"] = (_, vector) => BertVectors.Run(vector),
        ["kademlia"] = (_, vector) => KademliaVectors.Run(vector),
        ["peer_session"] = PeerSessionVectors.Run,
        ["edge_session"] = EdgeSessionVectors.Run,
        ["jsonrpc"] = JsonRpcVectors.Run,
    };

    /// <summary>The folder named by <see cref="FolderVariable"/>, else tests/vectors of this source tree.</summary>
    public static string FindFolder([CallerFilePath] string source = "")
    {
        string? named = Environment.GetEnvironmentVariable(FolderVariable);
        if (!string.IsNullOrEmpty(named))
        {
            return named;
        }

        foreach (string start in new[] { AppContext.BaseDirectory, Path.GetDirectoryName(source) ?? "" })
        {
            for (string? folder = start; !string.IsNullOrEmpty(folder); folder = Path.GetDirectoryName(folder))
            {
                string candidate = Path.Combine(folder, "tests", "vectors");
                if (Directory.Exists(candidate))
                {
                    return candidate;
                }
            }
        }

        return Path.Combine("tests", "vectors");
    }

    /// <summary>Runs all files of a folder in the order of their names.</summary>
    public static IReadOnlyList<VectorFileResult> Run(string folder)
    {
        string[] files = Directory.Exists(folder) ? Directory.GetFiles(folder, "*.json") : [];
        Array.Sort(files, StringComparer.Ordinal);
        var results = new List<VectorFileResult>();
        foreach (string file in files)
        {
            results.Add(RunFile(file));
        }

        if (!results.Exists(result => result.IsCovered))
        {
            results.Add(new VectorFileResult(folder, true, 1, ["no vector file with a runner in this folder"]));
        }

        return results;
    }

    private static VectorFileResult RunFile(string file)
    {
        string name = Path.GetFileName(file);
        if (!Runners.TryGetValue(Path.GetFileNameWithoutExtension(file), out Action<VectorCase, VectorCase>? run))
        {
            return new VectorFileResult(name, false, 0, []);
        }

        var failures = new List<string>();
        int cases = 0;
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file), JsonOptions);
            var head = new VectorCase(document.RootElement) { Folder = Path.GetDirectoryName(file) ?? "" };
            foreach (JsonElement element in head.Items("cases"))
            {
                cases++;
                RunCase(run, head, new VectorCase(element), failures);
            }
        }
        catch (Exception exception) when (exception is JsonException or VectorException or IOException)
        {
            cases++;
            failures.Add("the file: " + exception.Message);
        }

        if (cases == 0)
        {
            cases = 1;
            failures.Add("the file has no cases");
        }

        return new VectorFileResult(name, true, cases, failures);
    }

    private static void RunCase(
        Action<VectorCase, VectorCase> run, VectorCase head, VectorCase vector, List<string> failures)
    {
        try
        {
            run(head, vector);
        }
        catch (VectorException exception)
        {
            failures.Add($"{vector.Name}: {exception.Message}");
        }
        catch (Exception exception)
        {
            // A decoder that throws is what these cases are there to find; the suite goes on.
            failures.Add($"{vector.Name}: {exception.GetType().Name}: {exception.Message}");
        }
    }
}
