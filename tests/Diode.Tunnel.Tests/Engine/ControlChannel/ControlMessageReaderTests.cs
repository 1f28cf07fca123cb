using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Engine.ControlChannel;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.ControlChannel;

public sealed class ControlMessageReaderTests
{
    private const string Ping = """{"type":"ping","number":5}""";

    private readonly ControlMessageReader _reader = new();

    [Fact]
    public void A_stream_cut_anywhere_gives_the_same_messages()
    {
        byte[] stream = [.. Frame(Ping), .. Frame("""{"type":"goodbye","reason":"end"}"""), .. Frame(Ping)];
        for (int cut = 0; cut <= stream.Length; cut++)
        {
            ControlMessageReader reader = new();
            List<ControlMessage> messages = Feed(reader, stream.AsSpan(0, cut));
            messages.AddRange(Feed(reader, stream.AsSpan(cut)));
            Assert.Equal(["ping", "goodbye", "ping"], messages.Select(static m => m.Type));
            Assert.Null(reader.Failure);
        }
    }

    [Fact]
    public void A_long_message_leaves_no_memory_behind()
    {
        string manifest = "{\"type\":\"manifest\",\"reason\":\"" + new string('x', 100_000) + "\"}";
        Assert.Equal(2, Feed(_reader, [.. Frame(manifest), .. Frame(Ping)]).Count);
        Assert.InRange(_reader.Capacity, 0, ControlMessageReader.KeptBytes);
        Assert.Single(Feed(_reader, Frame(Ping)));
    }

    [Fact]
    public void A_truncated_message_is_never_read()
    {
        byte[] frame = Frame(Ping);
        for (int length = 0; length < frame.Length; length++)
        {
            ControlMessageReader reader = new();
            Assert.Empty(Feed(reader, frame.AsSpan(0, length)));
            Assert.Null(reader.Failure);
        }
    }

    [Theory]
    [InlineData(ControlMessage.MaxLength + 1)]
    [InlineData(uint.MaxValue)]
    [InlineData(0x8000_0000)]
    public void A_length_over_the_limit_ends_the_stream(uint length)
    {
        byte[] head = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(head, length);
        Assert.Single(Feed(_reader, [.. Frame(Ping), .. head]));
        Assert.Contains("limit", _reader.Failure, StringComparison.Ordinal);
        Assert.Empty(Feed(_reader, Frame(Ping)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("{}")]
    [InlineData("{")]
    [InlineData("not json")]
    [InlineData("""{"type":null}""")]
    [InlineData("""{"type":7}""")]
    [InlineData("""{"type":"ping","number":"five"}""")]
    [InlineData("""{"type":"ping","number":99999999999999999999}""")]
    [InlineData("""{"type":"hello","fleets":[null]}""")]
    [InlineData("""{"type":"hello","fleets":[{"version":1}]}""")]
    [InlineData("""{"type":"hello","fleets":[{"fleet":null,"version":1}]}""")]
    [InlineData("""{"type":"hello","exit":{"region":null,"ipv4":true,"ipv6":true}}""")]
    [InlineData("""{"type":"hello","exit":{}}""")]
    [InlineData("""{"type":"exit_grant","resolvers":[null]}""")]
    [InlineData("""{"type":"\ud800"}""")]
    public void What_has_no_known_form_is_skipped(string json)
    {
        Assert.Equal("ping", Assert.Single(Feed(_reader, [.. Frame(json), .. Frame(Ping)])).Type);
        Assert.Equal(1, _reader.Skipped);
        Assert.Null(_reader.Failure);
    }

    [Fact]
    public void Unknown_types_and_members_are_read_and_left_to_the_owner()
    {
        ControlMessage message = Assert.Single(Feed(_reader, Frame("""{"type":"from_the_future","depth":{"a":[1]},"number":3}""")));
        Assert.Equal(("from_the_future", 3L), (message.Type, message.Number));
    }

    [Fact]
    public void Deep_nesting_is_skipped()
    {
        string deep = $$"""{"type":"ping","x":{{new string('[', 100_000)}}{{new string(']', 100_000)}}}""";
        Assert.Empty(Feed(_reader, Frame(deep)));
        Assert.Equal(1, _reader.Skipped);
    }

    [Fact]
    public void Damaged_streams_never_throw()
    {
        byte[][] streams =
        [
            [.. Frame(Ping), .. Frame(Ping)],
            Frame(JsonSerializer.Serialize(
                new ControlMessage
                {
                    Type = ControlMessage.Hello,
                    Version = 1,
                    HostName = "laptop \u00e4\ud83d\ude00",
                    TunnelKey = new string('a', 64),
                    Exit = new ExitOfferPart("de", true, true),
                    Fleets = [new FleetPart("0x0a9b416a66e0ac7561b8f08d21fc774a5c5f00e0", 12)],
                },
                ControlMessageContext.Default.ControlMessage)),
            Frame("""{"type":"exit_grant","ipv4":true,"ipv6":false,"resolvers":["100.64.0.1","fd00::1"]}"""),
            Frame("""{"type":"manifest","fleet":"0x00","document":"{\"a\":1}"}"""),
        ];
        InputMutator mutator = new(41042, streams);
        int messages = 0;
        int failures = 0;
        for (int i = 0; i < 100_000; i++)
        {
            ControlMessageReader reader = new();
            ReadOnlySpan<byte> stream = mutator.Next();
            int cut = mutator.Below(stream.Length);
            messages += Feed(reader, stream[..cut]).Count + Feed(reader, stream[cut..]).Count;
            failures += reader.Failure is null ? 0 : 1;
        }

        Assert.InRange(messages, 1_000, 200_000);
        Assert.InRange(failures, 100, 100_000);
    }

    private static byte[] Frame(string json)
    {
        byte[] body = Encoding.UTF8.GetBytes(json);
        byte[] frame = new byte[4 + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, body.Length);
        body.CopyTo(frame, 4);
        return frame;
    }

    private static List<ControlMessage> Feed(ControlMessageReader reader, ReadOnlySpan<byte> bytes)
    {
        reader.Input.Write(bytes);
        List<ControlMessage> messages = [];
        while (reader.TryRead(out ControlMessage? message))
        {
            messages.Add(message!);
        }

        return messages;
    }
}
