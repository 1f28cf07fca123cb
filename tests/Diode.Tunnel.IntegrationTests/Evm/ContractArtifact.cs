using System.Text.Json.Nodes;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>A compiled contract of <c>src/contracts/artifacts</c>.</summary>
internal sealed record ContractArtifact(string Name, byte[] Bytecode, byte[] Runtime)
{
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>One of ours, or one that stands in for a contract of public chains.</summary>
    public static ContractArtifact Load(string name)
    {
        string ours = Path.Combine(RepositoryRoot, "src", "contracts", "artifacts", name + ".json");
        string standIn = Path.Combine(RepositoryRoot, "tests", "Diode.Tunnel.IntegrationTests", "Evm", "Contracts", "compiled", name + ".json");
        JsonNode json = JsonNode.Parse(File.ReadAllText(File.Exists(ours) ? ours : standIn))!;
        return new ContractArtifact(name, Hex(json["bytecode"]), Hex(json["runtimeBytecode"]));
    }

    private static byte[] Hex(JsonNode? text) => Convert.FromHexString(text!.GetValue<string>().AsSpan(2));

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Diode.Tunnel.sln")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException("The tests need the repository's src/contracts.");
    }
}
