using System.Text;
using System.Text.Json;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Testing.Vectors;
using Xunit;
using Xunit.Abstractions;

namespace Diode.Tunnel.Tests.Edge.Sessions;

/// <summary>
/// The recorded sessions from the client's side: our session is asked for what the recorded client did and must write the same
/// messages, and what the real relay answered is played to it and must be understood. Commands that our client cannot be made to send
/// (bad input on purpose) are left out; tickets are its own.
/// </summary>
public sealed class ClientTranscriptTests(ITestOutputHelper output)
{
    [Fact]
    public void Recorded_sessions_are_spoken_and_understood()
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(VectorSuite.FindFolder(), "edge_session.json")));
        int same = 0;
        int left = 0;
        int understood = 0;
        List<string> problems = [];
        foreach (JsonElement scenario in file.RootElement.GetProperty("cases").EnumerateArray())
        {
            Dictionary<string, Player> players = [];
            foreach (JsonElement connection in scenario.GetProperty("connections").EnumerateArray())
            {
                players[connection.GetProperty("name").GetString()!] = new Player(connection);
            }

            foreach (JsonElement step in scenario.GetProperty("steps").EnumerateArray())
            {
                Player player = players[step.GetProperty("conn").GetString()!];
                byte[] payload = ReadPayload(step);
                if (payload.Length == 0)
                {
                    continue;
                }

                string? problem = step.GetProperty("event").GetString() == "c2s" ? player.Say(payload) : player.Hear(payload);
                if (problem is not null)
                {
                    problems.Add($"{scenario.GetProperty("name").GetString()}: {problem}");
                }
            }

            foreach (Player player in players.Values)
            {
                same += player.Same;
                left += player.LeftOut;
                understood += player.Understood;
                player.Dispose();
            }
        }

        output.WriteLine($"{same} messages are the same, {left} are never sent by our client, {understood} of the relay were understood");
        Assert.True(problems.Count == 0, string.Join('\n', problems.Take(40)));
        Assert.True(same > 250 && understood > 500);
    }

    private static byte[] ReadPayload(JsonElement step)
    {
        // Inflated by the recorder, where the session was compressed.
        if (step.TryGetProperty("rlp", out JsonElement rlp) && rlp.ValueKind == JsonValueKind.String)
        {
            return Convert.FromHexString(rlp.GetString()!);
        }

        return step.TryGetProperty("frame", out JsonElement frame) && frame.GetString() is { Length: > 4 } hex
            ? Convert.FromHexString(hex)[2..]
            : [];
    }

    /// <summary>One connection of a recording.</summary>
    private sealed class Player : IDisposable
    {
        private readonly OutputBuffer _toClient = new();
        private readonly EdgeMessageWriter _writer;
        private readonly FrameReader _frames = new();
        private readonly PrivateKey _device;
        private readonly EdgeClientSession _session;
        private readonly RecordingEvents _events = new();
        private readonly Dictionary<ulong, ulong> _ids = [];
        private readonly HashSet<ulong> _tickets = [];
        private ulong? _ownTicket;
        private ulong? _ownHello;

        public Player(JsonElement connection)
        {
            Assert.True(PrivateKey.TryFromBytes(
                Convert.FromHexString(connection.GetProperty("device_private").GetString()!), out PrivateKey? device));
            _device = device;
            _writer = new EdgeMessageWriter(_toClient);
            _session = new EdgeClientSession(
                device, new Address(Convert.FromHexString(connection.GetProperty("node").GetString()!)), new EdgeClientOptions(), _events);
            _session.Start(ScriptedRelay.Now);
            foreach ((ulong id, RlpItem message) in Take())
            {
                bool isTicket = Text(message.Items[0]) == "ticketv2";
                _ownTicket = isTicket ? id : _ownTicket;
                _ownHello = isTicket ? _ownHello : id;
            }
        }

        public int Same { get; private set; }

        public int LeftOut { get; private set; }

        public int Understood { get; private set; }

        /// <summary>Does what the recorded client did.</summary>
        public string? Say(byte[] payload)
        {
            if (!RlpItem.TryDecode(payload, out RlpItem? envelope)
                || envelope is not { IsList: true, Items: [{ IsList: false }, { IsList: true, Items: [{ IsList: false }, ..] }] }
                || !RlpEncoding.TryReadInteger(envelope.Items[0].Bytes.Span, out ulong id))
            {
                LeftOut++;
                return null;
            }

            RlpItem wanted = envelope.Items[1];
            string word = Text(wanted.Items[0]);
            if (word == "hello" && wanted.Items is [_, { } version] && version.Bytes.Span.SequenceEqual((byte[])[0x03, 0xe9]) && _ownHello is ulong hello)
            {
                _ids[id] = hello;
                _ownHello = null;
                Same++;
                return null;
            }

            if (word.StartsWith("ticket", StringComparison.Ordinal))
            {
                _tickets.Add(id);
                return null;
            }

            bool isAnswer = word is "response" or "error";
            if (!Act(word, wanted.Items))
            {
                LeftOut++;
                Take();
                return null;
            }

            List<(ulong Id, RlpItem Message)> written = Take();
            if (written is not [var one])
            {
                return $"{word}: {written.Count} messages were written instead of one";
            }

            if (!isAnswer && word is not "portsend" and not "portclose" and not "portclose2" and not "message")
            {
                _ids[id] = one.Id;
            }

            if (!one.Message.Encode().AsSpan().SequenceEqual(Complete(word, wanted).Encode()))
            {
                return $"{word}: {Convert.ToHexStringLower(one.Message.Encode())} instead of {Convert.ToHexStringLower(wanted.Encode())}";
            }

            Same++;
            return null;
        }

        /// <summary>Plays what the recorded relay sent.</summary>
        public string? Hear(byte[] payload)
        {
            if (!RlpItem.TryDecode(payload, out RlpItem? item) || item.Items[0].Bytes.Length > sizeof(ulong))
            {
                // An answer to an odd request with an id that our client never makes.
                return item is null ? "the relay's frame is no RLP" : null;
            }

            if (!EdgeEnvelope.TryRead(payload, out EdgeEnvelope envelope))
            {
                return $"the relay's frame cannot be read: {Convert.ToHexStringLower(payload)}";
            }

            ulong id = envelope.RequestId;
            if (envelope.Command is EdgeCommand.Response or EdgeCommand.Error)
            {
                if (_tickets.Contains(id))
                {
                    if (_ownTicket is not ulong ticket || !Text(item.Items[1].Items[1]).StartsWith("thanks", StringComparison.Ordinal))
                    {
                        return null;
                    }

                    id = ticket;
                    _ownTicket = null;
                }
                else if (!_ids.Remove(id, out id))
                {
                    return null;
                }
            }

            long ignored = _session.IgnoredMessages;
            _writer.Begin(id, envelope.Word).WriteRaw(envelope.Arguments.Remaining);
            _writer.End();
            byte[] bytes = new byte[_toClient.Length];
            _toClient.Read(bytes);
            if (!_session.Receive(bytes, ScriptedRelay.Now))
            {
                return $"the session ended: {_session.Failure}";
            }

            foreach ((ulong own, RlpItem message) in Take())
            {
                _ownTicket = Text(message.Items[0]) == "ticketv2" ? own : _ownTicket;
            }

            // Data of ports that this client never opened (it was not made to send those commands) is rightly dropped.
            if (_session.IgnoredMessages != ignored && envelope.Command is not EdgeCommand.PortSend and not EdgeCommand.PortClose)
            {
                return $"not understood: {Encoding.Latin1.GetString(envelope.Word)}";
            }

            Understood++;
            return null;
        }

        public void Dispose()
        {
            _session.Dispose();
            _toClient.Dispose();
            _frames.Dispose();
            _device.Dispose();
        }

        private static string Text(RlpItem item)
        {
            return item.IsList ? "" : Encoding.Latin1.GetString(item.Bytes.Span);
        }

        /// <summary>The recorded client leaves the flags out where ours says what they are.</summary>
        private static RlpItem Complete(string word, RlpItem wanted)
        {
            return word == "portopen" && wanted.Items.Count == 3
                ? RlpItem.FromItems([.. wanted.Items, RlpItem.FromBytes("rw"u8)])
                : wanted;
        }

        private bool Act(string word, IReadOnlyList<RlpItem> items)
        {
            if (items.Skip(1).Any(static i => i.IsList) && word is not "message" and not "channel")
            {
                return false;
            }

            try
            {
                return word switch
                {
                    "ping" => items.Count == 1 && _session.Ping() != 0,
                    "bytes" => items.Count == 1 && _session.GetBytes() != 0,
                    "version" => items.Count == 1 && _session.GetVersion() != 0,
                    "turnopen" => items.Count == 1 && _session.OpenTurn() != 0,
                    "getobject" => items.Count == 2 && _session.GetObject(items[1].Bytes.Span) != 0,
                    "getnodes" => items.Count == 2 && items[1].Bytes.Length is 20 or 32 && _session.GetNodes(items[1].Bytes.Span) != 0,
                    "getnode" => items.Count == 2 && Device(items[1], out Address node) && _session.GetNode(node) != 0,
                    "isonline" => items.Count == 2 && Device(items[1], out Address device) && _session.IsOnline(device) != 0,
                    "subscribe" => items.Count == 1 && _session.Subscribe("") != 0,
                    "wireguard" => items switch
                    {
                        [_, _] when Text(items[1]) == "close" => _session.CloseWireGuard() != 0,
                        [_, _, _] when Text(items[1]) == "open" => _session.OpenWireGuard(items[2].Bytes) != 0,
                        _ => false,
                    },
                    "portopen" => items.Count is 3 or 4 && Open(items) != 0,
                    "portsend" => items.Count == 3 && !items[2].Bytes.IsEmpty && Port(items[1], out PortRef sent)
                        && _session.PortSend(sent, items[2].Bytes.Span),
                    "portclose" => items.Count == 2 && Port(items[1], out PortRef closed) && _session.PortClose(closed),
                    "portopen2" => items.Count == 4 && Device(items[1], out Address target)
                        && _session.PortOpen2(target, items[2].Bytes.Span, Text(items[3])) != 0,
                    "response" or "error" => items.Count == 3 && Answer(word == "response", items),
                    "message" => items is [_, _, _, { IsList: true }] && Device(items[1], out Address to)
                        && _session.SendMessage(to, items[2].Bytes.Span, Pairs(items[3])),
                    _ => word.Contains(':', StringComparison.Ordinal) && _session.Request(
                        Encoding.Latin1.GetBytes(word),
                        rlp =>
                        {
                            foreach (RlpItem item in items.Skip(1))
                            {
                                rlp.WriteBytes(item.Bytes.Span);
                            }
                        }) != 0,
                };
            }
            catch (ArgumentException)
            {
                // Our client refuses to send it.
                return false;
            }
        }

        private uint Open(IReadOnlyList<RlpItem> items)
        {
            string flags = items.Count == 4 ? Text(items[3]) : "rw";
            return items[1].Bytes.Length switch
            {
                20 => _session.PortOpen(new Address(items[1].Bytes.Span), items[2].Bytes.Span, flags),
                32 => _session.PortOpenChannel(new Hash256(items[1].Bytes.Span), items[2].Bytes.Span, flags),
                _ => 0,
            };
        }

        private bool Answer(bool accept, IReadOnlyList<RlpItem> items)
        {
            if (!Port(items[1], out PortRef port))
            {
                return false;
            }

            IncomingPort incoming = _events.Incoming.Find(i => i.Port == port);
            return incoming.Port == port
                && (accept ? Text(items[2]) == "ok" && _session.AcceptPort(incoming) : _session.RejectPort(incoming, Text(items[2])));
        }

        private static List<KeyValuePair<string, byte[]>> Pairs(RlpItem list)
        {
            return [.. list.Items.Select(static p => KeyValuePair.Create(Text(p.Items[0]), p.Items[1].Bytes.ToArray()))];
        }

        private static bool Device(RlpItem item, out Address device)
        {
            return Address.TryRead(item.Bytes.Span, out device);
        }

        private static bool Port(RlpItem item, out PortRef port)
        {
            return PortRef.TryRead(item.Bytes.Span, out port);
        }

        private List<(ulong Id, RlpItem Message)> Take()
        {
            byte[] bytes = new byte[_session.PendingOutput];
            _session.ReadOutput(bytes);
            ReadOnlySpan<byte> input = bytes;
            List<(ulong, RlpItem)> messages = [];
            while (_frames.TryRead(ref input, out ReadOnlySpan<byte> payload))
            {
                Assert.True(EdgeEnvelope.TryRead(payload, out EdgeEnvelope envelope));
                Assert.True(RlpItem.TryDecode(payload, out RlpItem? item));
                messages.Add((envelope.RequestId, item.Items[1]));
            }

            return messages;
        }
    }
}
