using System.Diagnostics;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Evm;

public sealed class ContractArtifactTests
{
    [Fact]
    public void Committed_artifacts_are_what_the_sources_compile_to()
    {
        using Process check = Process.Start(new ProcessStartInfo(
            Path.Combine(ContractArtifact.RepositoryRoot, "scripts", "contracts.sh"), ["--check"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = check.StandardError.ReadToEndAsync();
        string output = check.StandardOutput.ReadToEnd();
        check.WaitForExit();
        Assert.True(check.ExitCode == 0, output + errors.Result);
    }
}
