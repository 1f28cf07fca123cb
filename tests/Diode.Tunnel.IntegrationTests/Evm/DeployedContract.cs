using System.Diagnostics;
using System.Numerics;
using System.Text.Json.Nodes;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Abi;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>A contract on an <see cref="AnvilNode"/>, called by signatures: <c>Send(operator, "SetX(address,bool)", a, true)</c>.</summary>
internal sealed class DeployedContract(AnvilNode node, Address address)
{
    /// <summary>Enough for every function and constructor here.</summary>
    private const string GasLimit = "0x1c9c380";

    private static readonly TimeSpan ReceiptLimit = TimeSpan.FromSeconds(20);

    public Address Address { get; } = address;

    /// <summary>Creates a contract by its constructor.</summary>
    public static DeployedContract Deploy(AnvilNode node, string name, Address from, string types = "", params object[] arguments)
    {
        ContractArtifact artifact = ContractArtifact.Load(name);
        JsonNode receipt = Submit(node, from, null, [.. artifact.Bytecode, .. AbiText.Encode(types, arguments)]);
        Assert.Equal("0x1", receipt["status"]!.GetValue<string>());
        return new DeployedContract(node, Address.Parse(receipt["contractAddress"]!.GetValue<string>()));
    }

    /// <summary>Puts a contract's code at a given address, without a constructor.</summary>
    public static DeployedContract Place(AnvilNode node, string name, Address at)
    {
        node.Call("anvil_setCode", at.ToString(), Hex(ContractArtifact.Load(name).Runtime));
        return new DeployedContract(node, at);
    }

    /// <summary>Call data of a function.</summary>
    public static byte[] Encode(string signature, params object[] arguments) =>
        [.. AbiWriter.Selector(signature), .. AbiText.Encode(AbiText.TypesOf(signature), arguments)];

    /// <summary>Sends a transaction that has to succeed; returns the number of its block.</summary>
    public ulong Send(Address from, string signature, params object[] arguments)
    {
        JsonNode receipt = Submit(node, from, Address, Encode(signature, arguments));
        if (receipt["status"]!.GetValue<string>() != "0x1")
        {
            _ = TryCall(from, Encode(signature, arguments), out _, out string refusal);
            Assert.Fail($"{signature}: {refusal}");
        }

        return AnvilNode.ParseQuantity(receipt["blockNumber"]);
    }

    /// <summary>Reads; <paramref name="returns"/> are the types that come back.</summary>
    public object[] Read(string signature, string returns, params object[] arguments) => ReadAs(null, signature, returns, arguments);

    /// <summary>Reads as somebody.</summary>
    public object[] ReadAs(Address? from, string signature, string returns, params object[] arguments)
    {
        Assert.True(TryCall(from, Encode(signature, arguments), out byte[] data, out string error), $"{signature}: {error}");
        return AbiText.Decode(returns, data);
    }

    /// <summary>Reads one value.</summary>
    public T Get<T>(string signature, string returns, params object[] arguments) => (T)Read(signature, returns, arguments)[0];

    /// <summary>Reads one number.</summary>
    public BigInteger Number(string signature, params object[] arguments) => Get<BigInteger>(signature, "uint256", arguments);

    /// <summary>Reads one list.</summary>
    public T[] List<T>(string signature, string element, params object[] arguments) =>
        [.. Get<object[]>(signature, element + "[]", arguments).Cast<T>()];

    /// <summary>Checks that the call is refused with this text, and that a transaction with it fails and changes nothing.</summary>
    public void Refuses(string text, Address from, string signature, params object[] arguments)
    {
        Assert.Equal(text, Refusal(from, signature, arguments));
        JsonNode receipt = Submit(node, from, Address, Encode(signature, arguments));
        Assert.Equal("0x0", receipt["status"]!.GetValue<string>());
    }

    /// <summary>One word of storage.</summary>
    public Hash256 Slot(Hash256 slot) =>
        Hash256.Parse(node.Call("eth_getStorageAt", Address.ToString(), slot.ToString(), "latest")!.GetValue<string>());

    /// <summary>Runs a call; false with the refusal's text.</summary>
    public bool TryCall(Address? from, byte[] input, out byte[] data, out string refusal)
    {
        var call = new JsonObject { ["to"] = Address.ToString(), ["data"] = Hex(input) };
        if (from is { } sender)
        {
            call["from"] = sender.ToString();
        }

        data = [];
        refusal = "";
        if (node.TryCall("eth_call", [call, "latest"], out JsonNode? result, out string error))
        {
            data = Convert.FromHexString(result!.GetValue<string>().AsSpan(2));
            return true;
        }

        // Error(string), if the contract gave a reason.
        string? reason = JsonNode.Parse(error)!["data"]?.GetValue<string>();
        refusal = reason is { Length: > 10 } && reason.StartsWith("0x08c379a0", StringComparison.Ordinal)
            ? (string)AbiText.Decode("string", Convert.FromHexString(reason.AsSpan(10)))[0]
            : "";
        return false;
    }

    internal static string Hex(byte[] bytes) => "0x" + Convert.ToHexStringLower(bytes);

    internal static JsonNode Submit(AnvilNode node, Address from, Address? to, byte[] data)
    {
        var transaction = new JsonObject { ["from"] = from.ToString(), ["data"] = Hex(data), ["gas"] = GasLimit };
        if (to is { } target)
        {
            transaction["to"] = target.ToString();
        }

        string hash = node.Call("eth_sendTransaction", transaction)!.GetValue<string>();
        for (long started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started) < ReceiptLimit; Thread.Sleep(2))
        {
            if (node.Call("eth_getTransactionReceipt", hash) is { } receipt)
            {
                return receipt;
            }
        }

        throw new TimeoutException($"{node.Endpoint} mines no block");
    }

    private string Refusal(Address from, string signature, object[] arguments)
    {
        Assert.False(TryCall(from, Encode(signature, arguments), out _, out string refusal), $"{signature} is not refused");
        return refusal;
    }
}
