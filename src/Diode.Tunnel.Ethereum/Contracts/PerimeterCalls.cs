using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Ethereum.Abi;

namespace Diode.Tunnel.Ethereum.Contracts;

/// <summary>Calls of a perimeter contract (v806) that a device makes (diode-contracts §11.8). Pure; answers never throw.</summary>
public static class PerimeterCalls
{
    /// <summary>What a device is to apply under a key: its own, its tags' and the default tag's value.</summary>
    public static byte[] GetPropertyValue(Address device, string key) => Keyed("getPropertyValue(address,string)", device, key);

    /// <summary>The device's own value.</summary>
    public static byte[] GetPropertyValueDirect(Address device, string key) =>
        Keyed("getPropertyValueDirect(address,string)", device, key);

    /// <summary>Tunnel key of a device; the caller must be a user.</summary>
    public static byte[] GetDevicePublicKey(Address device) => Of("getDevicePublicKey(address)", device);

    /// <summary>Secret tunnel key of a device; only for itself, by a signed query.</summary>
    public static byte[] GetDevicePrivateKey(Address device) => Of("getDevicePrivateKey(address)", device);

    /// <summary>What is written about a device; the caller must be a user or a device.</summary>
    public static byte[] GetDevice(Address device) => Of("getDevice(address)", device);

    /// <summary>Name of the perimeter.</summary>
    public static byte[] Label() => new AbiWriter("label()").ToArray();

    /// <summary>Adds a device.</summary>
    public static byte[] CreateDevice(Address device, string name, string description, string type, string location) =>
        new AbiWriter("createDevice(address,string,string,string,string)").WriteAddress(device)
            .WriteString(name).WriteString(description).WriteString(type).WriteString(location).ToArray();

    /// <summary>Sets a property of a device.</summary>
    public static byte[] SetDeviceProperty(Address device, string key, string value) =>
        new AbiWriter("setDeviceProperty(address,string,string)").WriteAddress(device).WriteString(key).WriteString(value).ToArray();

    /// <summary>Reads a returned text.</summary>
    public static bool TryReadText(ReadOnlySpan<byte> data, [NotNullWhen(true)] out string? text) =>
        new AbiReader(data).TryReadString(out text);

    /// <summary>Reads a returned key; zero when the device has none.</summary>
    public static bool TryReadKey(ReadOnlySpan<byte> data, out Hash256 key) => new AbiReader(data).TryReadWord(out key);

    /// <summary>Reads the name of a device from what <see cref="GetDevice"/> returned.</summary>
    public static bool TryReadDeviceName(ReadOnlySpan<byte> data, [NotNullWhen(true)] out string? name)
    {
        name = null;
        var reader = new AbiReader(data);
        return reader.TryReadTuple(out AbiReader members)
            && members.TryReadAddress(out _)
            && members.TryReadAddress(out _)
            && members.TryReadString(out name);
    }

    private static byte[] Of(string signature, Address device) => new AbiWriter(signature).WriteAddress(device).ToArray();

    private static byte[] Keyed(string signature, Address device, string key) =>
        new AbiWriter(signature).WriteAddress(device).WriteString(key).ToArray();
}
