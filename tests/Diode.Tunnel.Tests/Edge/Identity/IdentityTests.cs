using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.Edge.Identity;

public sealed class IdentityTests
{
    private const string Relay = "0x37e71eefd3265d5589f906a0ce2621a95df3b047";

    [Theory]
    [InlineData("diode://" + Relay + "@relay.example:443", "relay.example", 443)]
    [InlineData("diode://" + Relay + "@192.0.2.7", "192.0.2.7", 41046)]
    [InlineData("DIODE://" + Relay + "@[2001:db8::1]:443", "2001:db8::1", 443)]
    [InlineData("diode://" + Relay + "@[2001:db8::1]", "2001:db8::1", 41046)]
    [InlineData("diode://" + Relay + "@2001:db8::1:443", "2001:db8::1", 443)]
    public void Relay_uris_are_read(string text, string host, int port)
    {
        Assert.True(RelayUri.TryParse(text, out RelayUri? uri));
        Assert.Equal((Address.Parse(Relay), host, port), (uri.Address, uri.Host, (int)uri.Port));
        Assert.Equal(uri, RelayUri.Parse(uri.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("diode://")]
    [InlineData("https://" + Relay + "@relay.example:443")]
    [InlineData("diode://" + Relay + "@")]
    [InlineData("diode://" + Relay + "@:443")]
    [InlineData("diode://" + Relay + "@relay.example:65536")]
    [InlineData("diode://" + Relay + "@relay.example:-1")]
    [InlineData("diode://" + Relay + "@relay example:443")]
    [InlineData("diode://" + Relay + "@[relay.example]:443")]
    [InlineData("diode://" + Relay + "@[2001:db8::1")]
    [InlineData("diode://" + Relay + "relay.example:443")]
    [InlineData("diode://0x37e7@relay.example:443")]
    public void Other_texts_are_refused(string text)
    {
        Assert.False(RelayUri.TryParse(text, out _));
        Assert.Throws<FormatException>(() => RelayUri.Parse(text));
    }

    [Fact]
    public void A_certificate_of_ours_shows_its_key()
    {
        using PrivateKey key = PrivateKey.Generate();
        byte[] certificate = DeviceCertificate.Create(key);
        Assert.True(DeviceCertificate.TryParse(certificate, out PublicKey? read));
        Assert.Equal(key.PublicKey, read);
        Assert.False(DeviceCertificate.TryParse([.. certificate, 0], out _));
        Assert.False(DeviceCertificate.TryParse([.. certificate, .. certificate], out _));
        Assert.False(DeviceCertificate.TryParse(new byte[9000], out _));
    }
}
