using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Xunit;

namespace Diode.Tunnel.Tests.Edge.Messages;

public sealed class EdgeMessageTests : IDisposable
{
    private static readonly Address Device = Address.Parse("0x960c3362c86aac83b6f67907e4f0736ee48d9a81");
    private static readonly PortRef Port = PortRef.FromUInt32(0x2abbccdd);

    private readonly OutputBuffer _output = new();

    public void Dispose()
    {
        _output.Dispose();
    }

    /// <summary>The published frames of the protocol reference.</summary>
    [Fact]
    public void Frames_are_written_as_published()
    {
        Check(w => w.WriteHello(1, 1001), "000ccb01c98568656c6c6f8203e9");
        Check(w => w.WriteHello(1, 1001, zlib: true), "0011d001ce8568656c6c6f8203e9847a6c6962");
        Check(w => w.WriteResponse(1, "ok"u8), "000fce01cc88726573706f6e7365826f6b");
        Check(w => w.WriteCommand(2, "ping"u8), "0008c702c58470696e67");
        Check(w => w.WriteGetObject(3, Device.ToArray()), "0022e103df896765746f626a65637494960c3362c86aac83b6f67907e4f0736ee48d9a81");
        Check(w => w.WriteResponse(3, ""u8), "000dcc03ca88726573706f6e736580");
        Check(
            w => w.WritePortOpen(4, Device, "tls:22"u8, "rw"u8),
            "002bea04e888706f72746f70656e94960c3362c86aac83b6f67907e4f0736ee48d9a8186746c733a3232827277");
        Check(
            w => w.WritePortOpen(4, Device, [0, 80], "rw"u8),
            "0027e604e488706f72746f70656e94960c3362c86aac83b6f67907e4f0736ee48d9a81820050827277");
        Check(
            w => w.WritePortOpenRequest(0x12345678, [80], Port, Device),
            "002bea8412345678e488706f72746f70656e50842abbccdd94960c3362c86aac83b6f67907e4f0736ee48d9a81");
        Check(w => w.WritePortOpened(4, Port), "0014d304d188726573706f6e7365826f6b842abbccdd");
        Check(w => w.WritePortAccept(0x12345678, Port), "0018d78412345678d188726573706f6e7365842abbccdd826f6b");
        Check(w => w.WritePortSend(5, Port, "hello"u8), "0017d605d488706f727473656e64842abbccdd8568656c6c6f");
        Check(w => w.WritePortClose(6, Port), "0012d106cf89706f7274636c6f7365842abbccdd");
        Check(w => w.WriteCommand(7, "bytes"u8), "0009c807c6856279746573");
        Check(
            w => w.WritePortOpen2(9, Device, "51820"u8, "rwu"u8),
            "002ceb09e989706f72746f70656e3294960c3362c86aac83b6f67907e4f0736ee48d9a8185353138323083727775");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(55)]
    [InlineData(56)]
    [InlineData(256)]
    [InlineData(65_000)]
    public void Portsend_of_any_length_is_read_back(int length)
    {
        byte[] data = new byte[length];
        data.AsSpan().Fill(0x42);
        Assert.True(new EdgeMessageWriter(_output).WritePortSend(ulong.MaxValue, Port, data));
        using var reader = new FrameReader();
        ReadOnlySpan<byte> input = _output.WrittenMemory.Span;
        Assert.True(reader.TryRead(ref input, out ReadOnlySpan<byte> payload));
        Assert.True(EdgeEnvelope.TryRead(payload, out EdgeEnvelope envelope));
        Assert.Equal((ulong.MaxValue, EdgeCommand.PortSend), (envelope.RequestId, envelope.Command));
        Assert.True(PortSendMessage.TryRead(envelope.Arguments, out PortSendMessage message));
        Assert.Equal(Port, message.Port);
        Assert.True(message.Data.SequenceEqual(data));
        Assert.True(input.IsEmpty);
    }

    [Fact]
    public void What_does_not_fit_a_frame_is_not_written()
    {
        var writer = new EdgeMessageWriter(_output);
        Assert.False(writer.WritePortSend(1, Port, new byte[65_530]));
        writer.Begin(1, "response"u8).WriteBytes(new byte[65_530]);
        Assert.False(writer.End());
        Assert.Equal(0, _output.Length);
    }

    [Fact]
    public void A_third_element_is_skipped_and_other_shapes_are_refused()
    {
        Assert.True(EdgeEnvelope.TryRead(Convert.FromHexString("c801c58470696e67c0"), out EdgeEnvelope envelope));
        Assert.Equal(EdgeCommand.Ping, envelope.Command);
        foreach (string refused in new[] { "", "01", "c0", "c101", "c20102", "c201c0", "c901c58470696e67c0c0", "c702c58470696e6700" })
        {
            Assert.False(EdgeEnvelope.TryRead(Convert.FromHexString(refused), out _), refused);
        }
    }

    [Fact]
    public void Errors_are_read_with_and_without_code()
    {
        Assert.Equal((0UL, "too bad"), ReadError(w => w.WriteError(1, "too bad")));
        Assert.Equal((401UL, "bad input"), ReadError(w => w.WriteError(1, 401, "bad input")));
    }

    [Fact]
    public void Port_references_keep_their_length()
    {
        Assert.True(PortRef.TryRead([0, 1], out PortRef two));
        Assert.True(PortRef.TryRead([1], out PortRef one));
        Assert.NotEqual(two, one);
        Assert.Equal("0001", two.ToString());
        Assert.False(PortRef.TryRead([], out _));
        Assert.False(PortRef.TryRead(new byte[9], out _));
        byte[] bytes = new byte[2];
        two.CopyTo(bytes);
        Assert.Equal([0, 1], bytes);
    }

    private (ulong Code, string Text) ReadError(Action<EdgeMessageWriter> write)
    {
        _output.Dispose();
        write(new EdgeMessageWriter(_output));
        Assert.True(EdgeEnvelope.TryRead(_output.WrittenMemory.Span[2..], out EdgeEnvelope envelope));
        Assert.True(EdgeReply.TryRead(envelope, out EdgeReply reply));
        Assert.True(reply.IsError);
        return (reply.ErrorCode, reply.GetErrorMessage());
    }

    private void Check(Action<EdgeMessageWriter> write, string expected)
    {
        _output.Dispose();
        write(new EdgeMessageWriter(_output));
        Assert.Equal(expected, Convert.ToHexStringLower(_output.WrittenMemory.Span));
        Assert.True(RlpReader.IsWellFormed(_output.WrittenMemory.Span[2..]));
    }
}
