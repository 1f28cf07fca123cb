using System.Text.Json;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Chains;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>
/// <c>edge_session.json</c>: our relay must answer the recorded clients equivalently, and our client must do what well-behaved
/// ones among them did. Where it differs from the recorded
/// relay on purpose, a rule says how (<see cref="EdgeDifferences"/>); no scenario is left out.
/// </summary>
internal static class EdgeSessionVectors
{
    /// <summary>Plays one case against the recorded chain.</summary>
    public static void Run(VectorCase file, VectorCase vector)
    {
        Run(file, vector, null);
    }

    /// <summary>Plays one case with other chains behind the relay, e.g. a gateway in front of a canned upstream.</summary>
    public static void Run(VectorCase file, VectorCase vector, IChainGateway? chains)
    {
        var scenario = new EdgeScenario(file, vector);
        List<string> problems = [.. Compare(scenario, chains), .. ClientTranscript.Replay(scenario, out _)];
        if (problems.Count > 0)
        {
            throw new VectorException(string.Join("; ", problems));
        }
    }

    /// <summary>What our relay does otherwise and should not.</summary>
    public static List<string> Compare(EdgeScenario scenario, IChainGateway? chains)
    {
        var replay = new EdgeReplay(scenario, chains);
        replay.Run();
        var differences = new EdgeDifferences(scenario, replay);
        List<string> problems = [.. replay.WronglyClosed.Select(name => name + " was closed")];
        foreach ((string name, bool closed) in replay.Closed)
        {
            if (!closed && !differences.MayStayOpen(name))
            {
                problems.Add(name + " should have been closed");
            }
        }

        Dictionary<string, string> bound = [];
        HashSet<string> aboutItself = [.. scenario.Steps
            .Where(step => step.Event == "c2s" && step.Method is "bytes" or "version")
            .Select(step => step.Request)];
        foreach (EdgeStep step in scenario.Steps.Where(step => step.Event == "s2c"))
        {
            if (step.Decoded is not JsonElement decoded)
            {
                continue;
            }

            List<RlpItem> actual = replay.Actual[step.Connection];
            if (aboutItself.Contains(step.Request))
            {
                // Numbers that depend on the length of our texts, and our texts.
                if (actual.RemoveAll(item => IsSameShape(step, item)) == 0)
                {
                    problems.Add($"{step.Connection} is not answered {step.Text}");
                }
            }
            else if (!Take(decoded, actual, ref bound)
                && !Take(decoded, replay.Optional[step.Connection], ref bound)
                && !differences.TryExcuseMissing(step))
            {
                problems.Add($"{step.Connection} is not sent {Shorten(step.Text)}");
            }
        }

        foreach ((string name, List<RlpItem> left) in replay.Actual)
        {
            problems.AddRange(left.Where(item => !differences.TryExcuseExtra(name, item))
                .Select(item => $"{name} is sent {Shorten(Convert.ToHexStringLower(item.Encode()))}"));
        }

        return problems;
    }

    private static bool IsSameShape(EdgeStep recorded, RlpItem actual)
    {
        return EdgeStep.Describe(recorded.Connection, actual) == recorded.Request
            && EdgeStep.MethodOf(actual) == recorded.Method
            && actual.Items[1].Items.Count == recorded.Message!.Items[1].Items.Count;
    }

    private static bool Take(JsonElement expected, List<RlpItem> candidates, ref Dictionary<string, string> bound)
    {
        for (int i = 0; i < candidates.Count; i++)
        {
            var trial = new Dictionary<string, string>(bound);
            if (FrameMatch.Matches(expected, candidates[i], trial))
            {
                bound = trial;
                candidates.RemoveAt(i);
                return true;
            }
        }

        return false;
    }

    private static string Shorten(string text)
    {
        return text.Length <= 160 ? text : text[..160] + "…";
    }
}
