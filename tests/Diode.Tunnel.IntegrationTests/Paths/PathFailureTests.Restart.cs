using System.Globalization;
using System.Text.RegularExpressions;
using Diode.Tunnel.IntegrationTests.Mesh;
using Diode.Tunnel.IntegrationTests.Namespaces;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Paths;

/// <content>A peer is restarted under traffic.</content>
public sealed partial class PathFailureTests
{
    /// <summary>Ports, channels, keys and ways of a restarted peer have been replaced by then.</summary>
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(2);

    [Fact]
    public void Nothing_is_lost_after_the_first_answer_of_a_restarted_peer()
    {
        Topology net = mesh.Net.Net;
        using HostedProcess ping = mesh.Laptop.PingSteadily(mesh.Server.Ipv4, 0.02);
        net.WaitUntil("it answers", TimeSpan.FromSeconds(30), () => Answers(ping).Count > 0);
        foreach (Action end in new Action[] { mesh.Server.Kill, mesh.Server.Stop })
        {
            end();
            Thread.Sleep(200);
            int before = Answers(ping).Max;
            mesh.Server.Launch();
            net.WaitUntil("it answers again", TimeSpan.FromSeconds(30), () => Answers(ping).Max > before);
            Thread.Sleep(Watched);
            Assert.True(Lost(ping, before, end.Method.Name).Length == 0, net.Logs());
        }

        MeshWorld.WaitMeshed(mesh.Laptop, mesh.Server);
    }

    /// <summary>Of what was sent after the first answer that came after <paramref name="before"/>.</summary>
    private int[] Lost(HostedProcess ping, int before, string what)
    {
        SortedSet<int> answers = Answers(ping).GetViewBetween(before + 1, int.MaxValue);
        int[] lost = [.. Enumerable.Range(answers.Min, answers.Max - answers.Min).Except(answers)];
        output.WriteLine($"{what}: last answer {before}, first {answers.Min}, {answers.Count} in all, lost: {string.Join(' ', lost)}");
        return lost;
    }

    private static SortedSet<int> Answers(HostedProcess ping) =>
        [.. AnswerLine().Matches(ping.Output).Select(static m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))];

    [GeneratedRegex(@"bytes from .*icmp_seq=(\d+)")]
    private static partial Regex AnswerLine();
}
