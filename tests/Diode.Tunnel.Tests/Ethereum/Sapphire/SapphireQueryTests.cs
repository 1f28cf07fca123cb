using System.Numerics;
using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Sapphire;
using Xunit;

namespace Diode.Tunnel.Tests.Ethereum.Sapphire;

/// <summary>The recorded query of the Elixir client, to the byte; and answers, honest and not.</summary>
public sealed class SapphireQueryTests
{
    private const string Peer = "4e0c4c5a0399453a9d3e858290dcd2483ef2b0afc9d87ba71aed140e96f27b5f";
    private const string Ephemeral = "a91df693eb664b5e2d56d3d979fee99ba3507f0a24e26e2a4a485b12d2fa148b";
    private const string Nonce = "f4070095899c96c4e767d329f526b4";
    private const string Pack =
        "a36464617461a264626f6479a462706b5820774605fdf528dfa0cc7da0c92daf2a6cc711bc45a422311b378d031c82c19c506464617461581b344d40cf5152fa41f385b1f938f74c6d3bf4936e"
        + "4435757ff762af6565706f6368199ed6656e6f6e63654ff4070095899c96c4e767d329f526b466666f726d617401656c65617368a4656e6f6e6365006a626c6f636b5f6861736858204a90b69a"
        + "09be2bc87c7b6371f6c78be8aeb42d001341ffa98ac993811527ae606b626c6f636b5f72616e67650f6c626c6f636b5f6e756d6265721a0084aada697369676e617475726558414a45b184c2fe"
        + "aecde6246feabae2e9843d8c7b1ac448af3223c15b6d4b9e768619089e1178ac87f13a75f1db74ad266c12ab8656639741e93c16f16cff6ded461c";

    [Fact]
    public void Recorded_query_comes_out_to_the_byte()
    {
        using PrivateKey key = Key();
        Assert.Equal("0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a", key.Address.ToString());
        SapphireQuery query = new()
        {
            ChainId = 23294,
            From = key.Address,
            To = Address.Parse("0xbc07ef1b0b79e2d41d82cd940c1e79dcf3f1a0f9"),
            Data = Convert.FromHexString("bb62860d"),
            GasLimit = 30_000_000,
            GasPrice = BigInteger.Pow(10, 11),
            Leash = new SapphireLeash(0, 8_694_490, Hash256.Parse("0x4a90b69a09be2bc87c7b6371f6c78be8aeb42d001341ffa98ac993811527ae60"), 15),
        };
        Assert.Equal("0xfc691ad7b50da3661affcf23814b8dc1e3b6717e8c1ba365f2722d64b1dfc9c6", query.Digest().ToString());
        using SapphireEnvelope envelope = Envelope();
        Assert.Equal(Pack, Convert.ToHexStringLower(query.Pack(key, envelope.Encrypt(query.Data))));
    }

    [Fact]
    public void Answers_are_decrypted_with_the_nonce_they_bring()
    {
        using SapphireEnvelope envelope = Envelope();
        SapphireReply reply = envelope.ReadReply(Answer("ok", new CborWriter().BeginMap(1).WriteText("ok").WriteBytes([7, 8]).ToArray()));
        Assert.Equal([7, 8], reply.Data);
        Assert.True(reply.IsOk);
        Assert.True(envelope.ReadReply(Answer("unknown", new CborWriter().BeginMap(1).WriteText("ok").WriteBytes([]).ToArray())).IsOk);

        reply = envelope.ReadReply(Answer("ok", new CborWriter().BeginMap(1).WriteText("fail").BeginMap(3)
            .WriteText("code").WriteUInt(8).WriteText("module").WriteText("evm").WriteText("message").WriteText("reverted:\u0007 AUTH").ToArray()));
        Assert.Equal(("reverted:  AUTH", true, false), (reply.Failure, reply.IsRefusal, reply.IsOk));
    }

    [Fact]
    public void Answers_that_are_not_from_the_runtime_are_refused()
    {
        using SapphireEnvelope envelope = Envelope();
        byte[] plain = new CborWriter().BeginMap(1).WriteText("ok").WriteBytes([7, 8]).ToArray();
        byte[] good = Answer("ok", plain);
        for (int i = 0; i < good.Length; i++)
        {
            byte[] changed = [.. good];
            changed[i] ^= 1;
            Assert.False(envelope.ReadReply(changed).IsOk, $"byte {i}");
            Assert.False(envelope.ReadReply(good.AsSpan(0, i)).IsOk, $"length {i}");
        }

        // In clear text; encrypted by somebody with another key; encrypted nonsense.
        Assert.Contains("not encrypted", envelope.ReadReply(plain).Failure, StringComparison.Ordinal);
        using DeoxysII other = new(new byte[32]);
        Assert.Contains("can't be decrypted", envelope.ReadReply(Answer("ok", plain, other)).Failure, StringComparison.Ordinal);
        Assert.Contains("not in form", envelope.ReadReply(Answer("ok", [0xf6])).Failure, StringComparison.Ordinal);
        Assert.Contains("in clear text", envelope.ReadReply(new CborWriter().BeginMap(1).WriteText("fail").WriteUInt(1).ToArray()).Failure, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_that_leads_to_no_secret_is_refused()
    {
        byte[] secret = Convert.FromHexString(Ephemeral);
        Assert.False(SapphireEnvelope.TryCreate(new byte[32], 1, secret, Convert.FromHexString(Nonce), out _));
        Assert.False(SapphireEnvelope.TryCreate(new byte[31], 1, secret, Convert.FromHexString(Nonce), out _));
    }

    [Theory]
    [InlineData("""{"key":"0x4e0c4c5a0399453a9d3e858290dcd2483ef2b0afc9d87ba71aed140e96f27b5f","checksum":"0x00","signature":"0x00","epoch":40662}""", 40662UL)]
    [InlineData("""{"key":"0x4e0c4c5a0399453a9d3e858290dcd2483ef2b0afc9d87ba71aed140e96f27b5f","epoch":"0x9ed6"}""", 40662UL)]
    [InlineData("""{"key":"0x0000000000000000000000000000000000000000000000000000000000000000","epoch":1}""", null)]
    [InlineData("""{"key":"0x4e","epoch":1}""", null)]
    [InlineData("""{"epoch":1}""", null)]
    [InlineData("""{"key":"0x4e0c4c5a0399453a9d3e858290dcd2483ef2b0afc9d87ba71aed140e96f27b5f","epoch":-1}""", null)]
    [InlineData("""[]""", null)]
    [InlineData("""{""", null)]
    public void Keys_are_read(string json, ulong? epoch)
    {
        Assert.Equal(epoch is not null, CallDataKey.TryRead(Encoding.UTF8.GetBytes(json), out CallDataKey key));
        Assert.Equal(epoch ?? 0, key.Epoch);
    }

    private static PrivateKey Key() => PrivateKey.TryFromBytes(Enumerable.Repeat((byte)0x11, 32).ToArray(), out PrivateKey? key)
        ? key
        : throw new InvalidOperationException();

    private static SapphireEnvelope Envelope() => SapphireEnvelope.TryCreate(
        Convert.FromHexString(Peer), 40662, Convert.FromHexString(Ephemeral), Convert.FromHexString(Nonce), out SapphireEnvelope? envelope)
        ? envelope
        : throw new InvalidOperationException();

    // Whoever knows the ephemeral secret can answer like the runtime.
    private static byte[] Answer(string kind, byte[] plain, DeoxysII? cipher = null)
    {
        Assert.True(SapphireEnvelope.TryAgree(Convert.FromHexString(Ephemeral), Convert.FromHexString(Peer), out byte[]? shared));
        using DeoxysII own = SapphireEnvelope.OpenCipher(shared);
        byte[] nonce = [.. Enumerable.Range(1, 15).Select(static i => (byte)i)];
        return new CborWriter().BeginMap(1).WriteText(kind).BeginMap(2)
            .WriteText("data").WriteBytes((cipher ?? own).Seal(nonce, plain)).WriteText("nonce").WriteBytes(nonce).ToArray();
    }
}
