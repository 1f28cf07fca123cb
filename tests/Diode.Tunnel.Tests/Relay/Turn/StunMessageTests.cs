using System.Text;
using Diode.Tunnel.Relay.Turn;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Turn;

/// <summary>The codec against the published vectors (RFC 5769), and damaged messages.</summary>
public sealed class StunMessageTests
{
    private const string ShortTermRequest =
        "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36"
        + "000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";

    private const string Response =
        "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
        + "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";

    private const string LongTermRequest =
        "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900000015001c662f2f3439396b393534643"
        + "64f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca89666";

    private static readonly byte[] Password = "VOkJxbRl1RmTxUk/WvJxBt"u8.ToArray();

    [Fact]
    public void Reads_the_request_with_fingerprint()
    {
        Assert.True(StunMessage.TryRead(Convert.FromHexString(ShortTermRequest), out StunMessage message));
        Assert.Equal((StunMethod.Binding, StunClass.Request, true), (message.Method, message.Class, message.HasFingerprint));
        Assert.Equal(0x0024, message.UnknownRequired);
        Assert.True(message.HasIntegrityOf(Password));
        Assert.False(message.HasIntegrityOf("other"u8));
        Assert.True(message.TryFind(StunAttribute.Username, out ReadOnlySpan<byte> name));
        Assert.Equal("evtj:h6vY", Encoding.ASCII.GetString(name));
    }

    [Fact]
    public void Reads_the_response()
    {
        Assert.True(StunMessage.TryRead(Convert.FromHexString(Response), out StunMessage message));
        Assert.Equal(StunClass.Success, message.Class);
        Assert.True(message.HasIntegrityOf(Password));
        Assert.True(message.TryFind(StunAttribute.XorMappedAddress, out ReadOnlySpan<byte> value));
        Assert.True(StunMessage.TryReadXorIpv4(value, out TurnPeer peer));
        Assert.Equal(new TurnPeer(0xc0000201, 32853), peer);
    }

    [Fact]
    public void Reads_the_request_with_long_term_credentials()
    {
        Assert.True(StunMessage.TryRead(Convert.FromHexString(LongTermRequest), out StunMessage message));
        Assert.True(message.HasIntegrityOf(TurnUser.DeriveKey("マトリックス", "example.org", "TheMatrIX")));
    }

    [Fact]
    public void Writes_what_it_reads()
    {
        byte[] buffer = new byte[512];
        var writer = new StunWriter(buffer, StunMethod.CreatePermission, StunClass.Error, new byte[12]);
        writer.Write(StunError.Forbidden);
        writer.WriteXorAddress(StunAttribute.XorMappedAddress, System.Net.IPAddress.Parse("2001:db8::7").GetAddressBytes(), 4711);
        writer.WriteIntegrity(Password);
        writer.WriteFingerprint();
        Assert.True(StunMessage.TryRead(writer.Finish(), out StunMessage message));
        Assert.Equal((StunMethod.CreatePermission, StunClass.Error, (ushort)0), (message.Method, message.Class, message.UnknownRequired));
        Assert.True(message.HasIntegrityOf(Password));
        Assert.True(message.HasFingerprint);
        Assert.True(message.TryFind(StunAttribute.ErrorCode, out ReadOnlySpan<byte> error));
        Assert.Equal([0, 0, 4, 3, .. "Forbidden"u8], error.ToArray());
        Assert.True(message.TryFind(StunAttribute.XorMappedAddress, out ReadOnlySpan<byte> address));
        Assert.False(StunMessage.TryReadXorIpv4(address, out _));
    }

    [Fact]
    public void Damaged_messages_are_refused_or_read_within_bounds()
    {
        var mutator = new InputMutator(
            3, Convert.FromHexString(ShortTermRequest), Convert.FromHexString(Response), Convert.FromHexString(LongTermRequest));
        int read = 0;
        for (int i = 0; i < 150_000; i++)
        {
            byte[] input = mutator.Next().ToArray();
            if (i % 2 == 0 && input.Length >= 20)
            {
                // Half of them with a right length, so that more than the header is looked at.
                input = input[..(input.Length & ~3)];
                System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(input.AsSpan(2), (ushort)(input.Length - 20));
            }

            if (StunMessage.TryRead(input, out StunMessage message))
            {
                read++;
                message.TryFind(StunAttribute.XorPeerAddress, out ReadOnlySpan<byte> value);
                StunMessage.TryReadXorIpv4(value, out _);
                message.TryFind(StunAttribute.Nonce, out _);
                _ = i % 16 == 0 && message.HasIntegrityOf(Password);
            }
        }

        Assert.InRange(read, 1000, 140_000);
    }
}
