using System.Diagnostics;
using System.Text;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.IntegrationTests.Mesh;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.IntegrationTests.Paths;

/// <summary>
/// Every kind of NAT against every kind, real daemons and a real relay: direct where Tailscale would be, by UDP through the relay where
/// UDP passes at all, inside the relay session otherwise, and never unreachable. Prints the matrix.
/// </summary>
public sealed class NatGridTests(ITestOutputHelper output)
{
    private static readonly NatKind[] Kinds = Enum.GetValues<NatKind>();

    [Fact]
    public void Every_pair_finds_the_best_way_there_is()
    {
        Stopwatch watch = Stopwatch.StartNew();
        using MeshWorld world = new();
        world.KillRelay();
        world.StartRelay("--listen", MeshWorld.RelayAddress + ":443");
        MeshDevice[] left = [.. Kinds.Select(k => world.AddDeviceBehind($"a{(int)k}", k))];
        MeshDevice[] right = [.. Kinds.Select(k => world.AddDeviceBehind($"b{(int)k}", k))];
        Found([.. left, .. right]);
        output.WriteLine($"12 devices meshed after {watch.Elapsed.TotalSeconds:0} s");

        PathKind[,] forth = new PathKind[Kinds.Length, Kinds.Length];
        PathKind[,] back = new PathKind[Kinds.Length, Kinds.Length];
        bool[,] answered = new bool[Kinds.Length, Kinds.Length];
        List<Namespaces.HostedProcess> traffic = [.. left.SelectMany(a => right.Select(b => a.PingSteadily(b.Ipv4)))];
        try
        {
            TimeSpan limit = watch.Elapsed + TimeSpan.FromSeconds(25);
            do
            {
                Thread.Sleep(1000);
                Read(left, right, forth);
                Read(right, left, back);
            }
            while (!IsAsExpected(forth, back) && watch.Elapsed < limit);

            Parallel.For(0, Kinds.Length * Kinds.Length, new ParallelOptions { MaxDegreeOfParallelism = 6 }, cell =>
                answered[cell / Kinds.Length, cell % Kinds.Length] = left[cell / Kinds.Length].Pings(right[cell % Kinds.Length].Ipv4));
        }
        finally
        {
            traffic.ForEach(static p => p.Dispose());
        }

        output.WriteLine(Draw(forth, answered));
        output.WriteLine($"after {watch.Elapsed.TotalSeconds:0} s");
        Assert.True(answered.Cast<bool>().All(static a => a), "some pair is unreachable:\n" + Draw(forth, answered));
        Assert.True(IsAsExpected(forth, back), $"{Draw(forth, answered)}\n{Draw(back, answered)}\n{Reasons(left)}");
    }

    // As MeshWorld.Found, without a process for each step.
    private static void Found(MeshDevice[] devices)
    {
        Array.ForEach(devices, static d => d.Launch());
        devices[0].WaitReady();
        using ControlClient founder = devices[0].Control();
        founder.CreateFleetAsync(new CreateFleetRequest { Name = MeshWorld.Fleet, Label = devices[0].Name }).GetAwaiter().GetResult();
        foreach (MeshDevice device in devices[1..])
        {
            device.WaitReady();
            founder.AddMemberAsync(new AddMemberRequest { Device = device.Address, Label = device.Name }).GetAwaiter().GetResult();
        }

        string document = founder.ExportFleetAsync(null).GetAwaiter().GetResult().Document;
        foreach (MeshDevice device in devices[1..])
        {
            using ControlClient client = device.Control();
            client.JoinFleetAsync(new ManifestRequest { Document = document }).GetAwaiter().GetResult();
        }

        MeshWorld.WaitMeshed(devices);
    }

    /// <summary>
    /// What is documented of Tailscale: direct unless one side has no UDP, or both NATs are hard, or one is hard and the other lets in
    /// only the port that was spoken to.
    /// </summary>
    private static PathKind Expected(NatKind a, NatKind b)
    {
        if (a >= NatKind.UdpBlocked || b >= NatKind.UdpBlocked)
        {
            return PathKind.RelayStream;
        }

        bool isHard = (a == NatKind.Symmetric && b is NatKind.Symmetric or NatKind.EndpointIndependent)
            || (b == NatKind.Symmetric && a is NatKind.Symmetric or NatKind.EndpointIndependent);
        return isHard ? PathKind.RelayUdp : PathKind.DirectUdp;
    }

    private static bool IsAsExpected(PathKind[,] forth, PathKind[,] back) =>
        Kinds.All(a => Kinds.All(b =>
            forth[(int)a, (int)b] == Expected(a, b) && back[(int)b, (int)a] == Expected(a, b)));

    private static void Read(MeshDevice[] from, MeshDevice[] to, PathKind[,] into) =>
        Parallel.For(0, from.Length, new ParallelOptions { MaxDegreeOfParallelism = 3 }, i =>
        {
            using ControlClient client = from[i].Control();
            DaemonStatus status = client.GetStatusAsync().GetAwaiter().GetResult();
            for (int j = 0; j < to.Length; j++)
            {
                into[i, j] = status.Peers.FirstOrDefault(p => p.Device == to[j].Address)?.Path.Kind ?? PathKind.None;
            }
        });

    private static string Reasons(MeshDevice[] devices) =>
        string.Join('\n', devices.Select(static d => d.Check("status")));

    private static string Draw(PathKind[,] found, bool[,] answered)
    {
        StringBuilder text = new();
        text.Append($"{"",-20}");
        foreach (NatKind b in Kinds)
        {
            text.Append($"{b,-20}");
        }

        foreach (NatKind a in Kinds)
        {
            text.AppendLine().Append($"{a,-20}");
            foreach (NatKind b in Kinds)
            {
                PathKind kind = found[(int)a, (int)b];
                string cell = kind + (kind == Expected(a, b) ? "" : "!") + (answered[(int)a, (int)b] ? "" : " DEAD");
                text.Append($"{cell,-20}");
            }
        }

        return text.ToString();
    }
}
