using System.Security.Cryptography;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.IntegrationTests.Mesh;
using Diode.Tunnel.IntegrationTests.Namespaces;

namespace Diode.Tunnel.IntegrationTests.PlainPeers;

/// <summary>A laptop with our daemon, and a plain Diode device ("sensor") that is a member of its fleet but has no tunnel key.</summary>
public sealed class PlainWorld : IDisposable
{
    private readonly PrivateKey _key = PrivateKey.Generate();

    public PlainWorld()
    {
        Net = new MeshWorld();
        try
        {
            Laptop = Net.AddDevice("laptop");
            Sensor = Net.AddDevice("sensor");
            Laptop.Start();
            Laptop.Check("fleet", "create", MeshWorld.Fleet, "--label", "laptop");
            Laptop.Check("fleet", "add", SensorAddress.ToString(), "sensor");
        }
        catch
        {
            Net.Dispose();
            throw;
        }
    }

    internal MeshWorld Net { get; }

    internal MeshDevice Laptop { get; }

    /// <summary>The host of the plain device; it has no daemon.</summary>
    internal MeshDevice Sensor { get; }

    internal Address SensorAddress => _key.Address;

    /// <summary>Starts the plain device and waits until it is connected.</summary>
    internal HostedProcess StartPlain(params string[] arguments) => StartPlain(_key, Net.RelayUri, arguments);

    /// <summary>Starts a plain device on the sensor's host.</summary>
    internal HostedProcess StartPlain(PrivateKey key, string relay, params string[] arguments)
    {
        byte[] secret = new byte[PrivateKey.Length];
        key.CopyTo(secret);
        HostedProcess process = Net.Net.Start(
            "sensor", [Programs.PlainDevice, relay, "--key", Convert.ToHexString(secret), .. arguments]);
        CryptographicOperations.ZeroMemory(secret);
        Net.Net.WaitUntil("the plain device is ready", TimeSpan.FromSeconds(20), () => process.Output.Contains("ready", StringComparison.Ordinal));
        return process;
    }

    public void Dispose()
    {
        Net.Dispose();
        _key.Dispose();
    }
}
