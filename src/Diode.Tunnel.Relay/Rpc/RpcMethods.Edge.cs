using System.Text;
using System.Text.Json;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Relay.Rpc;

/// <content>Edge commands without a session (<c>dio_edgev2</c>), and requests for other relays.</content>
internal sealed partial class RpcMethods
{
    private const ulong BadInputCode = 401;

    private async ValueTask<RpcResult> ExecuteEdgeAsync(JsonElement[] parameters, CancellationToken cancel)
    {
        if (parameters.Length == 0
            || !RpcJson.TryReadHex(parameters[0], out byte[]? encoded)
            || !RlpItem.TryDecode(encoded, out RlpItem? command)
            || !command.IsList
            || command.Items.Count == 0)
        {
            return RpcResult.BadParameters;
        }

        byte[] answer = await ExecuteEdgeAsync(command, cancel);
        return RpcResult.FromText(EthereumJson.Data(answer));
    }

    private async ValueTask<byte[]> ExecuteEdgeAsync(RlpItem command, CancellationToken cancel)
    {
        string name = Encoding.ASCII.GetString(command.Items[0].Bytes.Span);
        int colon = name.IndexOf(':', StringComparison.Ordinal);
        string prefix = colon < 0 ? "" : name[..colon];
        string method = name[(colon + 1)..];
        if (colon >= 0 && !_chains.IsActive(Encoding.ASCII.GetBytes(prefix)))
        {
            return BadInput();
        }

        byte[]? argument = command.Items.Count == 2 && !command.Items[1].IsList ? command.Items[1].Bytes.ToArray() : null;
        switch (method)
        {
            case "ping" when command.Items.Count == 1:
                return Respond(writer => writer.WriteBytes("pong"u8));
            case "getobject" when argument is not null:
                byte[]? found = await FindObjectAsync(argument, cancel);
                return Respond(writer => WriteOrEmpty(writer, found));
            case "getnode" when argument is not null:
                byte[]? node = await FindNodeAsync(argument, cancel);
                return Respond(writer => WriteOrEmpty(writer, node));
            case "getnodes" when argument is not null:
                return Respond(writer =>
                {
                    writer.BeginList();
                    foreach (byte[] near in _core.Network?.NearestNodes(argument) ?? [])
                    {
                        writer.WriteRaw(near);
                    }

                    writer.EndList();
                });
            case "isonline" when argument is not null:
                bool online = Address.TryRead(argument, out Address device) && _core.Directory.FindOldest(device) is not null;
                return Respond(writer => writer.WriteUInt64(online ? 1UL : 0));
        }

        bool isChain = colon >= 0
            || method is "getblock" or "getblockpeak" or "getblockheader" or "getblockheader2" or "getblockquick"
                or "getblockquick2" or "getstateroots" or "getaccount" or "getaccountroot" or "getaccountroots"
                or "getaccountvalue" or "getaccountvalues" or "sendtransaction" or "rpc";
        if (!isChain)
        {
            return BadInput();
        }

        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteText(method);
        foreach (RlpItem item in command.Items.Skip(1))
        {
            item.WriteTo(writer);
        }

        writer.EndList();
        return await _chains.HandleCommandAsync(prefix, writer.ToArray(), cancel);
    }

    private static void WriteOrEmpty(RlpWriter writer, byte[]? encoded)
    {
        if (encoded is null)
        {
            writer.WriteBytes([]);
        }
        else
        {
            writer.WriteRaw(encoded);
        }
    }

    private static byte[] Respond(Action<RlpWriter> write) => Chains.ChainAnswer.Response(write);

    private static byte[] BadInput()
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteBytes("error"u8);
        writer.WriteUInt64(BadInputCode);
        writer.WriteBytes("bad input"u8);
        writer.EndList();
        return writer.ToArray();
    }

    private async ValueTask<RpcResult> ProxyAsync(
        string method, JsonElement[] parameters, bool isSigned, CancellationToken cancel)
    {
        if (parameters.Length == 0
            || parameters[0].ValueKind == JsonValueKind.Null
            || !RpcProxy.IsAllowed(method)
            || !RpcJson.TryReadAddress(parameters[0], out Address relay))
        {
            return RpcResult.Empty(400);
        }

        JsonElement[] inner = parameters[1..];
        if (relay == _core.Address)
        {
            RpcResult own = await ExecuteAsync(method, inner, new RpcCaller(), cancel);
            return own.Result is null ? RpcResult.Done : RpcResult.From(own.Result.Value);
        }

        return await FindNodeAsync(relay.ToArray(), cancel) is byte[] found
            && Edge.Objects.ServerObject.TryReadRlp(found, out Edge.Objects.ServerObject? server)
                ? await _proxy.AskAsync(server, method, inner, isSigned, cancel)
                : RpcResult.NotFound;
    }
}
