using System.Numerics;
using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Abi;
using Diode.Tunnel.Ethereum.Contracts;

namespace Diode.Tunnel.Testing.Vectors;

/// <summary>abi.json</summary>
internal static class AbiVectors
{
    private const int MostItems = 1 << 16;

    public static void Run(VectorCase vector)
    {
        switch (vector.Kind)
        {
            case "selector":
                VectorCheck.Bytes(vector.Hex("selector"), AbiWriter.Selector(vector.Text("signature")), "selector");
                break;
            case "name_hash":
                VectorCheck.Equal(vector.Hash("keccak256"), BnsName.Hash(vector.Text("text")), "hash");
                break;
            case "name_validity":
                RunName(vector);
                break;
            case "storage":
                RunStorage(vector);
                break;
            case "call" or "transaction":
                RunCall(vector);
                break;
            default:
                throw new VectorException("unknown kind " + vector.Kind);
        }
    }

    // Capital letters are lower-cased by clients and refused by the contract.
    private static void RunName(VectorCase vector)
    {
        bool valid = BnsName.TryNormalize(vector.Text("text"), out string? name, out string? problem);
        VectorCheck.Equal(vector.Bool("valid"), valid && name == vector.Text("text"), "valid");
        if (!valid)
        {
            VectorCheck.Equal(vector.Text("error_message"), problem, "error");
        }
    }

    private static void RunStorage(VectorCase vector)
    {
        Hash256 slot = vector.Hash("slot");
        Hash256 word = vector.Hash("value");
        switch (vector.Text("meaning"))
        {
            case "operator":
                VectorCheck.Equal(StorageSlots.FleetOperator, slot, "slot");
                VectorCheck.True(StorageSlots.TryReadAddress(word, out Address held) && !held.IsZero, "address in the word");
                break;
            case "accountant":
                VectorCheck.Equal(StorageSlots.FleetAccountant, slot, "slot");
                break;
            case "change tracker block":
                VectorCheck.Equal(StorageSlots.ChangeTracker, slot, "slot");
                VectorCheck.True(StorageSlots.TryReadUInt64(word, out ulong block) && block > 0, "number in the word");
                break;
            case "namesIndex.length":
                VectorCheck.Equal(StorageSlots.BnsIndex, slot, "slot");
                break;
            case "namesIndex[0]":
                VectorCheck.Equal(StorageSlots.Element(StorageSlots.BnsIndex, 0), slot, "slot");
                break;
            case string meaning when meaning.StartsWith("names[", StringComparison.Ordinal):
                string name = meaning[6..meaning.IndexOf(']', StringComparison.Ordinal)];
                VectorCheck.Equal(StorageSlots.BnsEntry(BnsName.Hash(name)), slot, "slot");
                break;
        }
    }

    private static void RunCall(VectorCase vector)
    {
        string signature = vector.Text("function");
        var writer = new AbiWriter(signature);
        string types = signature[(signature.IndexOf('(', StringComparison.Ordinal) + 1)..^1];
        JsonElement[] arguments = [.. vector.Items("args")];
        string[] names = types.Length == 0 ? [] : types.Split(',');
        for (int i = 0; i < arguments.Length; i++)
        {
            Write(writer, names[i], VectorValue.Single(arguments[i]));
        }

        VectorCheck.Bytes(vector.Hex("calldata"), writer.ToArray(), "calldata");
        CheckTyped(vector, signature, arguments);
        if (vector.Has("return_data") && vector.Has("decoded") && !vector.IsNull("return_data"))
        {
            var reader = new AbiReader(vector.Hex("return_data"));
            foreach (JsonElement expected in vector.Items("decoded"))
            {
                Check(ref reader, VectorValue.Single(expected));
            }
        }
    }

    // What the program itself calls goes through its own wrappers.
    private static void CheckTyped(VectorCase vector, string signature, JsonElement[] arguments)
    {
        string Text(int i) => VectorValue.Single(arguments[i]).Value.GetString()!;
        Address Of(int i) => VectorCase.ToAddress(VectorValue.Single(arguments[i]).Value);
        Address[] All(int i) => [.. VectorValue.Single(arguments[i]).Value.EnumerateArray().Select(static v => VectorCase.ToAddress(VectorValue.Single(v).Value))];
        byte[]? call = signature switch
        {
            "ResolveEntry(string)" => BnsCalls.ResolveEntry(Text(0)),
            "ResolveAll(string)" => BnsCalls.ResolveAll(Text(0)),
            "ResolveOwner(string)" => BnsCalls.ResolveOwner(Text(0)),
            "ResolveReverse(address)" => BnsCalls.ResolveReverse(Of(0)),
            "RegisterMultiple(string,address[])" => BnsCalls.Register(Text(0), All(1)),
            "Unregister(string)" => BnsCalls.Unregister(Text(0)),
            "TransferOwner(string,address)" => BnsCalls.TransferOwner(Text(0), Of(1)),
            "Rename(string,string)" => BnsCalls.Rename(Text(0), Text(1)),
            "SetPropertyKV(string,string,string)" => BnsCalls.SetProperty(Text(0), Text(1), Text(2)),
            "RegisterReverse(address,string)" => BnsCalls.RegisterReverse(Of(0), Text(1)),
            "UnregisterReverse(address)" => BnsCalls.UnregisterReverse(Of(0)),
            "DeviceAllowlist(address)" => FleetCalls.IsAllowed(Of(0)),
            "AddDeviceBatch(address[])" => FleetCalls.Add(All(0)),
            "RemoveDeviceBatch(address[])" => FleetCalls.Remove(All(0)),
            "GetDeviceCount()" => FleetCalls.Count(),
            "operator()" => FleetCalls.Operator(),
            "transferOperator(address)" => FleetCalls.TransferOperator(Of(0)),
            "getPropertyValue(address,string)" => PerimeterCalls.GetPropertyValue(Of(0), Text(1)),
            "getPropertyValueDirect(address,string)" => PerimeterCalls.GetPropertyValueDirect(Of(0), Text(1)),
            "getDevicePublicKey(address)" => PerimeterCalls.GetDevicePublicKey(Of(0)),
            "getDevicePrivateKey(address)" => PerimeterCalls.GetDevicePrivateKey(Of(0)),
            "label()" => PerimeterCalls.Label(),
            "createDevice(address,string,string,string,string)" => PerimeterCalls.CreateDevice(Of(0), Text(1), Text(2), Text(3), Text(4)),
            "setDeviceProperty(address,string,string)" => PerimeterCalls.SetDeviceProperty(Of(0), Text(1), Text(2)),
            _ => null,
        };
        if (call is not null)
        {
            VectorCheck.Bytes(vector.Hex("calldata"), call, "calldata of the typed call");
        }

        if (signature == "ResolveEntry(string)" && vector.Text("status") == "ok")
        {
            VectorCheck.True(BnsCalls.TryReadEntry(vector.Hex("return_data"), out BnsEntry? entry), "typed entry");
            VectorCheck.True(entry!.Owner.IsZero || entry.Name == Text(0), "name of the entry");
        }
    }

    private static void Write(AbiWriter writer, string type, JsonProperty value)
    {
        switch (type)
        {
            case "address":
                writer.WriteAddress(VectorCase.ToAddress(value.Value));
                break;
            case "bool":
                writer.WriteBool(value.Value.GetBoolean());
                break;
            case "bytes32":
                writer.WriteWord(new Hash256(VectorCase.ToBytes(value.Value)));
                break;
            case "string":
                writer.WriteString(value.Value.GetString()!);
                break;
            case "address[]":
                writer.WriteAddresses([.. value.Value.EnumerateArray().Select(static v => VectorCase.ToAddress(VectorValue.Single(v).Value))]);
                break;
            case "string[]":
                writer.WriteStrings([.. value.Value.EnumerateArray().Select(static v => VectorValue.Single(v).Value.GetString()!)]);
                break;
            default:
                VectorCheck.True(type.StartsWith("uint", StringComparison.Ordinal), "type " + type);
                writer.WriteUInt(VectorCase.ToInteger(value.Value));
                break;
        }
    }

    private static void Check(ref AbiReader reader, JsonProperty expected)
    {
        switch (expected.Name)
        {
            case "address":
                VectorCheck.True(reader.TryReadAddress(out Address address), "address");
                VectorCheck.Equal(VectorCase.ToAddress(expected.Value), address, "address");
                break;
            case "int":
                VectorCheck.True(reader.TryReadUInt(out BigInteger number), "number");
                VectorCheck.Equal(VectorCase.ToInteger(expected.Value), number, "number");
                break;
            case "bool":
                VectorCheck.True(reader.TryReadBool(out bool truth), "bool");
                VectorCheck.Equal(expected.Value.GetBoolean(), truth, "bool");
                break;
            case "text":
                VectorCheck.True(reader.TryReadBytes(out ReadOnlySpan<byte> text), "text");
                VectorCheck.Equal(expected.Value.GetString(), Encoding.UTF8.GetString(text), "text");
                break;
            case "bytes":
                VectorCheck.True(reader.TryReadWord(out Hash256 word), "word");
                VectorCheck.Bytes(VectorCase.ToBytes(expected.Value), word.ToArray(), "word");
                break;
            case "tuple":
                VectorCheck.True(reader.TryReadTuple(out AbiReader members), "tuple");
                foreach (JsonElement member in expected.Value.EnumerateArray())
                {
                    Check(ref members, VectorValue.Single(member));
                }

                break;
            case "list":
                VectorCheck.True(reader.TryReadList(MostItems, out int count, out AbiReader items), "list");
                VectorCheck.Equal(expected.Value.GetArrayLength(), count, "length of the list");
                foreach (JsonElement item in expected.Value.EnumerateArray())
                {
                    Check(ref items, VectorValue.Single(item));
                }

                break;
            default:
                throw new VectorException("unknown value " + expected.Name);
        }
    }
}
