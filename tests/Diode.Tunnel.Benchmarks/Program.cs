using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Diode.Tunnel.Benchmarks;

// `-- quick` measures every rung for a second and prints a table, `-- peers` the pipeline with 1 to 10,000 peers; anything else is BenchmarkDotNet's command line.
if (args is ["quick", ..])
{
    QuickRun.Print(Ladder.All());
    return 0;
}

if (args is ["peers", ..])
{
    QuickRun.Print(Ladder.Peers());
    return 0;
}

// `-- io` measures adapters and sockets with and without offloads.
if (args is ["io", ..])
{
    OffloadRun.Print();
    return 0;
}

// In this process: the projects BenchmarkDotNet generates do not build under this repository's rules.
IConfig config = DefaultConfig.Instance.AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance));
BenchmarkSwitcher.FromAssembly(typeof(Ladder).Assembly).Run(args, config);
return 0;
