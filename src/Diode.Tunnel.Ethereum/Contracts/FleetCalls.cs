using System.Diagnostics.CodeAnalysis;
using Diode.Tunnel.Ethereum.Abi;

namespace Diode.Tunnel.Ethereum.Contracts;

/// <summary>Calls of a fleet contract (v400; perimeters are fleets, too) and what they return. Pure; answers never throw.</summary>
public static class FleetCalls
{
    /// <summary>Whether a device is in.</summary>
    public static byte[] IsAllowed(Address device) =>
        new AbiWriter("DeviceAllowlist(address)").WriteAddress(device).ToArray();

    /// <summary>Lets a device in or takes it out.</summary>
    public static byte[] SetAllowed(Address device, bool allowed) =>
        new AbiWriter("SetDeviceAllowlist(address,bool)").WriteAddress(device).WriteBool(allowed).ToArray();

    /// <summary>Lets devices in.</summary>
    public static byte[] Add(IReadOnlyCollection<Address> devices) =>
        new AbiWriter("AddDeviceBatch(address[])").WriteAddresses(devices).ToArray();

    /// <summary>Takes devices out.</summary>
    public static byte[] Remove(IReadOnlyCollection<Address> devices) =>
        new AbiWriter("RemoveDeviceBatch(address[])").WriteAddresses(devices).ToArray();

    /// <summary>Number of devices that can be listed.</summary>
    public static byte[] Count() => new AbiWriter("GetDeviceCount()").ToArray();

    /// <summary>A page of the devices.</summary>
    public static byte[] List(int offset, int limit) =>
        new AbiWriter("GetDeviceList(uint256,uint256)").WriteUInt(offset).WriteUInt(limit).ToArray();

    /// <summary>Who manages the devices.</summary>
    public static byte[] Operator() => new AbiWriter("operator()").ToArray();

    /// <summary>Makes somebody operator and accountant.</summary>
    public static byte[] TransferOperator(Address next) =>
        new AbiWriter("transferOperator(address)").WriteAddress(next).ToArray();

    /// <summary>Creation code of a fleet with its operator and accountant.</summary>
    public static byte[] Create(ReadOnlySpan<byte> bytecode, Address fleetOperator, Address accountant) =>
        [.. bytecode, .. AbiWriter.Values().WriteAddress(fleetOperator).WriteAddress(accountant).ToArray()];

    /// <summary>Reads what <see cref="IsAllowed"/> returned.</summary>
    public static bool TryReadAllowed(ReadOnlySpan<byte> data, out bool allowed) => new AbiReader(data).TryReadBool(out allowed);

    /// <summary>Reads what <see cref="Count"/> returned.</summary>
    public static bool TryReadCount(ReadOnlySpan<byte> data, out ulong count) => new AbiReader(data).TryReadUInt64(out count);

    /// <summary>Reads a page of at most <paramref name="most"/> devices.</summary>
    public static bool TryReadList(ReadOnlySpan<byte> data, int most, [NotNullWhen(true)] out Address[]? devices) =>
        new AbiReader(data).TryReadAddresses(most, out devices);

    /// <summary>Reads what <see cref="Operator"/> returned.</summary>
    public static bool TryReadOperator(ReadOnlySpan<byte> data, out Address fleetOperator) =>
        new AbiReader(data).TryReadAddress(out fleetOperator);
}
