using Diode.Tunnel.Engine;
using Diode.Tunnel.Engine.Identity;
using Diode.Tunnel.Ethereum.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Identity;

public sealed class DeviceKeysTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("keys").FullName;

    [Fact]
    public void Keys_are_made_once_for_the_owner_alone()
    {
        using DeviceKeys first = DeviceKeys.LoadOrCreate(_folder);
        using DeviceKeys second = DeviceKeys.LoadOrCreate(_folder);
        Assert.Equal(first.Device, second.Device);
        Assert.Equal(first.TunnelPublicKey, second.TunnelPublicKey);
        foreach (string name in new[] { "identity.key", "tunnel.key" })
        {
            string path = Path.Combine(_folder, name);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            Assert.Matches("^[0-9a-f]{64}\n$", File.ReadAllText(path));
        }

        Assert.NotEqual(File.ReadAllText(Path.Combine(_folder, "identity.key")), File.ReadAllText(Path.Combine(_folder, "tunnel.key")));
    }

    [Theory]
    [InlineData("identity.key", "")]
    [InlineData("identity.key", "0102")]
    [InlineData("identity.key", "0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("identity.key", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")]
    [InlineData("identity.key", "zz00000000000000000000000000000000000000000000000000000000000001")]
    [InlineData("tunnel.key", "")]
    [InlineData("tunnel.key", "00000000000000000000000000000000000000000000000000000000000000010")]
    public void A_damaged_key_is_refused_and_not_overwritten(string name, string content)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, content);
        TunnelException e = Assert.Throws<TunnelException>(() => DeviceKeys.LoadOrCreate(_folder));
        Assert.Contains(path, e.Message, StringComparison.Ordinal);
        Assert.True(content.Length == 0 || !e.ToString().Contains(content, StringComparison.Ordinal), "key material in an error text");
        Assert.Equal(content, File.ReadAllText(path));
    }

    [Fact]
    public void An_operator_key_follows_the_same_rules()
    {
        string path = Path.Combine(_folder, "operator.key");
        using PrivateKey first = DeviceKeys.LoadOrCreateOperator(path);
        using PrivateKey second = DeviceKeys.LoadOrCreateOperator(path);
        Assert.Equal(first.Address, second.Address);
        File.WriteAllText(path, "x");
        Assert.Throws<TunnelException>(() => DeviceKeys.LoadOrCreateOperator(path));
        Assert.Equal("x", File.ReadAllText(path));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_an_error_with_a_hint()
    {
        TunnelException e = Assert.Throws<TunnelException>(() => DeviceKeys.LoadOrCreate(Path.Combine(_folder, "none")));
        Assert.NotEmpty(e.Hint);
    }

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
    }
}
