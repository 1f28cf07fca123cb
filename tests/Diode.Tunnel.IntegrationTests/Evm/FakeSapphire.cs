using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Sapphire;
using Org.BouncyCastle.Math.EC.Rfc7748;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>
/// A gateway of Oasis Sapphire in front of a real EVM node: it has the runtime's X25519 key, decrypts confidential calls, checks signature and
/// leash, calls the node as whoever has signed, and encrypts the answer. Calls without a signature come from nobody, as there. Blocks have names of
/// their own and nothing is proven. Several gateways share a <see cref="Runtime"/>; some can be told to lie.
/// </summary>
internal sealed class FakeSapphire : IDisposable
{
    private readonly AnvilNode _node;
    private readonly Runtime _runtime;
    private readonly HttpListener _listener = new();
    private readonly Thread _thread;

    public FakeSapphire(AnvilNode node, Runtime runtime)
    {
        (_node, _runtime) = (node, runtime);
        Endpoint = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{FreePort()}/"));
        _listener.Prefixes.Add(Endpoint.ToString());
        _listener.Start();
        _thread = new Thread(Serve) { IsBackground = true };
        _thread.Start();
    }

    public Uri Endpoint { get; }

    /// <summary>It answers nothing but errors.</summary>
    public bool IsDown { get; set; }

    /// <summary>The key it tells instead of the runtime's, and decrypts with if it can.</summary>
    public byte[]? OwnSecret { get; set; }

    /// <summary>Changes what goes back; gets method, parameters and answer.</summary>
    public Action<string, JsonArray, JsonObject>? Change { get; set; }

    /// <summary>Confidential calls that were carried out.</summary>
    public int Queries { get; private set; }

    public static Hash256 BlockName(ulong number) => Keccak256.Hash(Encoding.ASCII.GetBytes($"oasis {number}"));

    public void Dispose()
    {
        _listener.Close();

        // The listener does not always wake up who waits for it; nobody asks any more, and the thread ends with the process.
        _thread.Join(TimeSpan.FromMilliseconds(100));
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private void Serve()
    {
        while (true)
        {
            try
            {
                HttpListenerContext context = _listener.GetContext();
                JsonNode request = JsonNode.Parse(context.Request.InputStream)!;
                context.Response.StatusCode = IsDown ? 503 : 200;
                byte[] answer = IsDown ? [] : Encoding.UTF8.GetBytes(Answer(request).ToJsonString());
                context.Response.ContentType = "application/json";
                context.Response.Close(answer, willBlock: true);
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                if (!_listener.IsListening)
                {
                    return;
                }
            }
        }
    }

    private JsonObject Answer(JsonNode request)
    {
        string method = request["method"]!.GetValue<string>();
        JsonArray parameters = request["params"]!.AsArray();
        JsonObject answer = new() { ["jsonrpc"] = "2.0", ["id"] = request["id"]!.GetValue<long>() };
        try
        {
            answer["result"] = Run(method, parameters);
        }
        catch (RefusedException e)
        {
            answer["error"] = JsonNode.Parse(e.Message);
        }

        Change?.Invoke(method, parameters, answer);
        return answer;
    }

    private JsonNode? Run(string method, JsonArray parameters)
    {
        switch (method)
        {
            case "oasis_callDataPublicKey":
                return new JsonObject
                {
                    ["key"] = DeployedContract.Hex(Runtime.PublicOf(OwnSecret ?? _runtime.Secret)),
                    ["checksum"] = "0x00",
                    ["signature"] = "0x00",
                    ["epoch"] = _runtime.Epoch,
                };
            case "eth_getProof":
                throw Refused("Method not found");
            case "eth_getBlockByNumber":
                JsonNode block = Ask(method, parameters)!;
                ulong number = AnvilNode.ParseQuantity(block["number"]);
                block["hash"] = BlockName(number).ToString();
                block["parentHash"] = BlockName(number - 1).ToString();
                return block;
            case "eth_call":
                JsonObject call = parameters[0]!.AsObject();
                byte[] data = Convert.FromHexString(call["data"]!.GetValue<string>().AsSpan(2));
                if (data is [0xa3, ..])
                {
                    return RunQuery(call, data);
                }

                // Who seems to call counts only with a signature.
                JsonObject plain = (JsonObject)call.DeepClone();
                plain["from"] = Address.Zero.ToString();
                return Ask(method, [plain, parameters[1]!.DeepClone()]);
            default:
                return Ask(method, parameters);
        }
    }

    private string RunQuery(JsonObject call, byte[] data)
    {
        (byte[] publicKey, byte[] encrypted, byte[] nonce, ulong epoch, SapphireLeash leash, byte[] signature) = Unpack(data);
        if (!SapphireEnvelope.TryAgree(OwnSecret ?? _runtime.Secret, publicKey, out byte[]? shared))
        {
            throw Refused("core: malformed public key");
        }

        using DeoxysII cipher = SapphireEnvelope.OpenCipher(shared);
        byte[] plain = cipher.Open(nonce, encrypted) ?? throw Refused("core: invalid call format: bad call data");
        var reader = new CborReader(plain);
        if (epoch != _runtime.Epoch || !reader.TryReadMap(out int members) || members != 1 || !reader.TryReadText(out string? body) || body != "body"
            || !reader.TryReadBytes(out ReadOnlySpan<byte> callData))
        {
            throw Refused("core: invalid call format");
        }

        // The signature: r, s, v.
        SapphireQuery query = new()
        {
            ChainId = AnvilNode.ParseQuantity(_node.Call("eth_chainId")),
            From = Address.Parse(call["from"]!.GetValue<string>()),
            To = Address.Parse(call["to"]!.GetValue<string>()),
            Data = callData.ToArray(),
            Leash = leash,
            GasLimit = AnvilNode.ParseQuantity(call["gas"]),
            GasPrice = AnvilNode.ParseQuantity(call["gasPrice"]),
            Value = AnvilNode.ParseQuantity(call["value"]),
        };
        byte[] recoverable = [(byte)(signature[64] - 27), .. signature[..64]];
        if (!Signature65.TryFromBytes(recoverable, out Signature65 signed) || !signed.TryRecoverAddress(query.Digest(), out Address signer) || signer != query.From)
        {
            throw Refused("evm: signed query: invalid signature");
        }

        ulong peak = _node.BlockNumber();
        BigInteger sent = AnvilNode.ParseQuantity(_node.Call("eth_getTransactionCount", signer.ToString(), "latest"));
        if (leash.BlockHash != BlockName(leash.BlockNumber) || leash.BlockNumber > peak || peak - leash.BlockNumber > leash.BlockRange || leash.Nonce < sent)
        {
            throw Refused("evm: signed query: expired leash");
        }

        Queries++;
        CborWriter inner = new CborWriter().BeginMap(1);
        try
        {
            JsonNode? result = Ask("eth_call", [new JsonObject { ["from"] = signer.ToString(), ["to"] = query.To.ToString(), ["data"] = DeployedContract.Hex(query.Data) }, "latest"]);
            inner.WriteText("ok").WriteBytes(Convert.FromHexString(result!.GetValue<string>().AsSpan(2)));
        }
        catch (RefusedException)
        {
            inner.WriteText("fail").BeginMap(3).WriteText("code").WriteUInt(8).WriteText("module").WriteText("evm").WriteText("message").WriteText("reverted");
        }

        byte[] replyNonce = RandomNumberGenerator.GetBytes(DeoxysII.NonceLength);
        return DeployedContract.Hex(new CborWriter().BeginMap(1).WriteText("ok").BeginMap(2)
            .WriteText("data").WriteBytes(cipher.Seal(replyNonce, inner.ToArray())).WriteText("nonce").WriteBytes(replyNonce).ToArray());
    }

    private static (byte[] PublicKey, byte[] Encrypted, byte[] Nonce, ulong Epoch, SapphireLeash Leash, byte[] Signature) Unpack(byte[] data)
    {
        var reader = new CborReader(data);
        bool good = reader.TryReadMap(out _) & Key(ref reader, "data") & reader.TryReadMap(out _) & Key(ref reader, "body") & reader.TryReadMap(out _)
            & Key(ref reader, "pk") & reader.TryReadBytes(out ReadOnlySpan<byte> key)
            & Key(ref reader, "data") & reader.TryReadBytes(out ReadOnlySpan<byte> encrypted)
            & Key(ref reader, "epoch") & reader.TryReadUInt(out ulong epoch)
            & Key(ref reader, "nonce") & reader.TryReadBytes(out ReadOnlySpan<byte> nonce)
            & Key(ref reader, "format") & reader.TryReadUInt(out ulong format)
            & Key(ref reader, "leash") & reader.TryReadMap(out _)
            & Key(ref reader, "nonce") & reader.TryReadUInt(out ulong count)
            & Key(ref reader, "block_hash") & reader.TryReadBytes(out ReadOnlySpan<byte> hash)
            & Key(ref reader, "block_range") & reader.TryReadUInt(out ulong range)
            & Key(ref reader, "block_number") & reader.TryReadUInt(out ulong number)
            & Key(ref reader, "signature") & reader.TryReadBytes(out ReadOnlySpan<byte> signature);
        return good && reader.IsAtEnd && format == 1 && hash.Length == 32 && signature.Length == 65
            ? (key.ToArray(), encrypted.ToArray(), nonce.ToArray(), epoch, new SapphireLeash(count, number, new Hash256(hash), range), signature.ToArray())
            : throw Refused("core: malformed signed query");

        static bool Key(ref CborReader reader, string expected) => reader.TryReadText(out string? text) && text == expected;
    }

    private JsonNode? Ask(string method, JsonArray parameters) =>
        _node.TryCall(method, [.. parameters.Select(static p => (object?)p?.DeepClone())], out JsonNode? result, out string error)
            ? result?.DeepClone()
            : throw new RefusedException(error);

    private static RefusedException Refused(string message) => new(new JsonObject { ["code"] = -32000, ["message"] = message }.ToJsonString());

    /// <summary>The confidential runtime that gateways lead to.</summary>
    internal sealed class Runtime
    {
        public byte[] Secret { get; } = RandomNumberGenerator.GetBytes(32);

        public ulong Epoch { get; init; } = 40662;

        public static byte[] PublicOf(byte[] secret)
        {
            byte[] key = new byte[32];
            X25519.ScalarMultBase(secret, 0, key, 0);
            return key;
        }
    }

    private sealed class RefusedException(string json) : Exception(json);
}
