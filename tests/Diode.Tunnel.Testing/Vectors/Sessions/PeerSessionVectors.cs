using System.Text.Json;
using System.Text.RegularExpressions;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Edge.Objects;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Kademlia;
using Diode.Tunnel.Relay.RelayPeers;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>
/// <c>peer_session.json</c>: the recorded peers, and devices where there are any, are played to our relay with the recorded
/// relay's key; it must do the same, save what the recording calls a defect.
/// </summary>
internal static partial class PeerSessionVectors
{
    private const string EdgeFile = "edge_session.json";

    /// <summary>Plays one case.</summary>
    public static void Run(VectorCase file, VectorCase vector)
    {
        List<string> problems = Compare(file, vector);
        if (problems.Count > 0)
        {
            throw new VectorException(string.Join("; ", problems));
        }
    }

    /// <summary>What our relay does otherwise and should not.</summary>
    public static List<string> Compare(VectorCase file, VectorCase vector)
    {
        VectorCase[] steps = [.. vector.Items("steps").Select(step => new VectorCase(step))];
        bool hasDefect = vector.Items("notes").Any(note => VectorCase.ToText(note).Contains("defect", StringComparison.Ordinal));
        BlockHashLookup blocks = FindBlocks(file);
        using var replay = new PeerReplay(file, vector, blocks, FindKnown(steps), FindMembers(vector, steps));
        ReadMeanwhile(vector, steps, replay);
        foreach (VectorCase step in steps)
        {
            replay.Play(step);
        }

        replay.End();
        List<string> problems = [.. replay.WronglyClosed.Select(name => name + " was closed")];
        problems.AddRange(hasDefect ? [] : replay.LeftOpen.Select(name => name + " should have been closed"));
        foreach (VectorCase step in steps.Where(step => step.Text("event") == "s2c" && step.Has("etf")))
        {
            string name = step.Text("conn");
            BertTerm expected = ReadTerm(step);
            int at = replay.Sent[name].FindIndex(actual => PeerMatch.AreEqual(expected, actual, replay.Key.Address));
            if (at < 0 && IsUnverifiable(expected, steps, blocks))
            {
                at = replay.Sent[name].FindIndex(actual => actual.Items.Count >= 2 && PeerTerms.IsAtom(actual.Items[1], PeerTerms.FindNode));
            }

            if (at < 0)
            {
                problems.Add($"{name} is not sent {PeerMatch.Show(expected)}");
            }
            else
            {
                replay.Sent[name].RemoveAt(at);
            }
        }

        foreach ((string name, List<BertTerm> left) in replay.Sent)
        {
            problems.AddRange(left.Where(term => !(hasDefect && PeerTerms.IsPortAnswer(term)))
                .Select(term => $"{name} is sent {PeerMatch.Show(term)}"));
        }

        problems.AddRange(CompareDevices(steps, replay, hasDefect));
        return problems;
    }

    /// <summary>The term of a step.</summary>
    public static BertTerm ReadTerm(VectorCase step)
    {
        VectorCheck.True(BertDecoder.TryDecode(step.Hex("etf"), BertAtoms.Any, out BertTerm? term), "the recorded term");
        return term!;
    }

    // The block hash that a version 1 ticket is signed with is not part of it, and that of the links' recording is nowhere:
    // such a ticket proves no key, so our relay cannot take it and has nothing to answer.
    private static bool IsUnverifiable(BertTerm expected, VectorCase[] steps, BlockHashLookup blocks)
    {
        if (expected.Items.Count != 3
            || !Ticket.TryReadBert(expected.Items[2].Bytes.Span, out Ticket? ticket)
            || ticket is not TicketV1)
        {
            return false;
        }

        bool isKnown = DhtObject.TryRead(expected.Items[2].Bytes.Span, blocks, out DhtObject? value)
            && steps.Any(step => step.Text("event") == "c2s"
                && step.Has("etf")
                && ReadTerm(step).Items is [_, { Kind: BertKind.Binary } key, ..]
                && key.Bytes.Span.SequenceEqual(value.Key.ToArray()));
        return !isKnown;
    }

    // Frames to devices are equal save ids, which the relay counts; what the defect took with it need not come.
    private static IEnumerable<string> CompareDevices(VectorCase[] steps, PeerReplay replay, bool hasDefect)
    {
        foreach (VectorCase step in steps.Where(step => step.Has("edge_frame") && step.Text("event").EndsWith("s2c", StringComparison.Ordinal)))
        {
            string name = step.Text("conn");
            string expected = PeerReplay.ShowEdge(step.Hex("edge_frame"));
            if (!replay.Told[name].Remove(expected) && !(hasDefect && expected.StartsWith("portclose", StringComparison.Ordinal)))
            {
                yield return $"{name} is not told {expected}";
            }
        }

        foreach ((string name, List<string> left) in replay.Told)
        {
            foreach (string frame in left)
            {
                yield return $"{name} is told {frame}";
            }
        }
    }

    // Whom the recorded relay named in hints it knew before.
    private static ServerObject[] FindKnown(VectorCase[] steps)
    {
        List<ServerObject> known = [];
        foreach (VectorCase step in steps.Where(step => step.Text("event") == "s2c" && step.Has("etf")))
        {
            foreach (BertTerm item in ReadTerm(step).Items)
            {
                if (PeerTerms.TryReadNode(item, out ServerObject? server))
                {
                    known.Add(server);
                }
            }
        }

        return [.. known];
    }

    // A peer that is asked for or given objects is on the ring.
    private static IEnumerable<Address> FindMembers(VectorCase vector, VectorCase[] steps)
    {
        string[] asked =
        [
            .. steps.Where(step => step.Text("event") == "s2c"
                && step.Has("etf")
                && PeerTerms.TryGetTag(ReadTerm(step), out string tag)
                && tag is PeerTerms.Store or PeerTerms.FindValue)
                .Select(step => step.Text("conn")),
        ];
        return vector.Items("connections").Select(connection => new VectorCase(connection))
            .Where(connection => asked.Contains(connection.Text("name")))
            .Select(connection => connection.Address("peer"));
    }

    // What a device did beside the link is told in words; its ticket is seen when the relay hands it on.
    private static void ReadMeanwhile(VectorCase vector, VectorCase[] steps, PeerReplay replay)
    {
        foreach (JsonElement note in vector.Items("notes"))
        {
            Match match = MeanwhileNote().Match(VectorCase.ToText(note));
            if (!match.Success)
            {
                continue;
            }

            foreach (VectorCase step in steps.Where(step => step.Text("event") == "s2c" && step.Has("etf")))
            {
                BertTerm term = ReadTerm(step);
                if (PeerTerms.TryGetTag(term, out string tag)
                    && tag == PeerTerms.Store
                    && Ticket.TryReadBert(term.Items[2].Bytes.Span, out Ticket? ticket))
                {
                    replay.ExpectDevice(
                        new Address(Convert.FromHexString(match.Groups[1].Value)),
                        ticket,
                        Convert.FromHexString(match.Groups[2].Value));
                }
            }
        }
    }

    // Version 1 tickets are signed with a block hash; the recorded chain is the one of the sessions with devices.
    private static BlockHashLookup FindBlocks(VectorCase file)
    {
        string path = Path.Combine(file.Folder, EdgeFile);
        if (!File.Exists(path))
        {
            return static (ulong _, out Hash256 hash) =>
            {
                hash = default;
                return false;
            };
        }

        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        var head = new VectorCase(document.RootElement.Clone());
        var chain = new RecordedChain(new EdgeScenario(head, new VectorCase(head.Items("cases").First())));
        return (ulong number, out Hash256 hash) => chain.TryGetBlockHash(AccountingChain, number, out hash);
    }

    private const ulong AccountingChain = 15;

    [GeneratedRegex("device ([0-9a-f]{40}) logged in with a ticket on Edge, asked getobject for ([0-9a-f]{40})")]
    private static partial Regex MeanwhileNote();
}
