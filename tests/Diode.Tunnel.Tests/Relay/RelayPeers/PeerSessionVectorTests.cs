using System.Text.Json;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Relay.Kademlia;
using Diode.Tunnel.Relay.RelayPeers;
using Diode.Tunnel.Testing.Vectors;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.Tests.Relay.RelayPeers;

/// <summary>peer_session.json: the recorded peer's side is played to our relay with the recorded relay's key.</summary>
public sealed class PeerSessionVectorTests(ITestOutputHelper output)
{
    private static readonly Dictionary<string, string> Different = new()
    {
        ["store_epoch_wins_over_bytes"] = "the block hash that its version 1 tickets are signed with was not recorded",
        ["portopen_forwarded"] = "needs the device's Edge session; the recorded relay blocks on itself and closes the link",
        ["ring_member"] = "shows what a relay asks on its own behalf after tickets and getobject, which is not in the session",
    };

    [Fact]
    public void Recorded_sessions_get_equivalent_answers()
    {
        using var file = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(VectorSuite.FindFolder(), "peer_session.json")));
        List<string> failures = [];
        int same = 0;
        foreach (JsonElement scenario in file.RootElement.GetProperty("cases").EnumerateArray())
        {
            string name = scenario.GetProperty("name").GetString()!;
            if (Different.TryGetValue(name, out string? reason))
            {
                output.WriteLine($"not played {name}: {reason}");
                continue;
            }

            List<string> problems = Play(file.RootElement, scenario);
            failures.AddRange(problems.Select(problem => $"{name}: {problem}"));
            same += problems.Count == 0 ? 1 : 0;
        }

        output.WriteLine($"{same} scenarios are the same");
        Assert.True(failures.Count == 0, string.Join('\n', failures.Take(40)));
        Assert.Equal(26 - Different.Count, same);
    }

    private static List<string> Play(JsonElement file, JsonElement scenario)
    {
        Assert.True(PrivateKey.TryFromBytes(
            Convert.FromHexString(file.GetProperty("node1").GetProperty("private").GetString()!), out PrivateKey? key));
        JsonElement[] steps = [.. scenario.GetProperty("steps").EnumerateArray()];

        // Whom the recorded relay named in hints it knew before.
        ServerObject[] known = [.. steps.Where(step => IsEvent(step, "s2c")).SelectMany(step => FindServers(ReadTerm(step)))];
        using var world = new PeerWorld(key, known.Select(server => server.Address).Distinct());
        foreach (ServerObject server in known)
        {
            _ = world.Store.Put(DhtObject.FromServer(server), world.Key.Address, world.NowMs);
        }

        var addresses = scenario.GetProperty("connections").EnumerateArray().ToDictionary(
            connection => connection.GetProperty("name").GetString()!,
            connection => new Address(Convert.FromHexString(connection.GetProperty("peer").GetString()!)));
        Dictionary<string, PeerSession> sessions = [];
        Dictionary<string, Queue<BertTerm>> answers = [];
        List<string> problems = [];
        long start = world.NowMs;
        foreach (JsonElement step in steps)
        {
            string conn = step.GetProperty("conn").GetString()!;
            long atMs = start + step.GetProperty("t_ms").GetInt64();
            world.NowMs = atMs;
            world.Store.Tick(atMs);
            foreach (PeerSession session in sessions.Values)
            {
                _ = session.Tick(atMs);
            }

            switch (step.GetProperty("event").GetString())
            {
                case "open":
                    sessions[conn] = world.Open(addresses[conn]);
                    answers[conn] = [];
                    break;
                case "c2s":
                    _ = sessions[conn].Receive(Convert.FromHexString(step.GetProperty("frame").GetString()!), atMs);
                    break;
                case "closed_by_client":
                    world.Core.Remove(sessions[conn], atMs);
                    break;
                case "closed_by_node":
                    if (sessions[conn].Tick(atMs + 300))
                    {
                        problems.Add($"{conn} should be closed at {step.GetProperty("t_ms")}");
                    }

                    break;
                case "s2c":
                    PeerWorld.Read(sessions[conn]).ForEach(answers[conn].Enqueue);
                    string expected = PeerWorld.Show(Normalize(ReadTerm(step), key.Address));
                    string actual = answers[conn].TryDequeue(out BertTerm? answer)
                        ? PeerWorld.Show(Normalize(answer, key.Address))
                        : "nothing";
                    if (expected != actual)
                    {
                        problems.Add($"{conn} expected {expected}\n   got {actual}");
                    }

                    break;
            }
        }

        foreach ((string conn, PeerSession session) in sessions)
        {
            PeerWorld.Read(session).ForEach(answers[conn].Enqueue);
            problems.AddRange(answers[conn].Select(left => $"{conn} unexpected {PeerWorld.Show(left)}"));
            bool closed = steps.Any(step => IsEvent(step, "closed_by_node") && step.GetProperty("conn").GetString() == conn);
            if (!closed && session.Failure != PeerCloseReason.None)
            {
                problems.Add($"{conn} closed: {session.Failure}");
            }
        }

        return problems;
    }

    private static bool IsEvent(JsonElement step, string name)
    {
        return step.GetProperty("event").GetString() == name;
    }

    private static BertTerm ReadTerm(JsonElement step)
    {
        Assert.True(BertDecoder.TryDecode(
            Convert.FromHexString(step.GetProperty("etf").GetString()!), BertAtoms.Any, out BertTerm? term));
        return term;
    }

    private static IEnumerable<ServerObject> FindServers(BertTerm term)
    {
        foreach (BertTerm item in term.Items)
        {
            if (PeerTerms.TryReadNode(item, out ServerObject? server))
            {
                yield return server;
            }
        }
    }

    // The own object differs by counters and time, NODE maps by when and how often a relay was reached.
    private static BertTerm Normalize(BertTerm term, Address self)
    {
        if (PeerTerms.TryGetTag(term, out string tag) && tag == PeerTerms.Hello)
        {
            Assert.True(ServerObject.TryReadBert(term.Items[1].Bytes.Span, out ServerObject? server));
            Assert.Equal(self, server.Address);
            return BertTerm.FromList([term.Items[0], .. term.Items.Skip(2)]);
        }

        return BertTerm.FromList([.. term.Items.Select(item => item.Kind == BertKind.Map ? NormalizeNode(item) : item)]);
    }

    private static BertTerm NormalizeNode(BertTerm node)
    {
        IEnumerable<BertTerm[]> pairs = node.Items.Chunk(2)
            .Select(pair => pair[0].Atom is "last_seen" or "retries" ? [pair[0], BertTerm.FromNumber(0)] : pair);
        return BertTerm.FromMap([.. pairs.SelectMany(pair => pair)]);
    }
}
