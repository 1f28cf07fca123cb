using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Relay;
using Diode.Tunnel.Relay.Chains;
using Diode.Tunnel.Testing.Relay;
using Microsoft.Extensions.Logging.Abstractions;

namespace Diode.Tunnel.Tests.Relay.Chains;

/// <summary>A relay core with chains behind it, all without sockets.</summary>
internal sealed class ChainWorld : IDisposable
{
    public ChainWorld(params (string Prefix, IJsonRpcTransport[] Endpoints)[] chains)
    {
        Gateway = new ChainGateway(
            [
                .. chains.Select(chain => new ChainSource
                {
                    Chain = ChainDefinition.Find(chain.Prefix)!,
                    Endpoints = chain.Endpoints,
                }),
            ],
            Counters,
            TimeProvider.System,
            NullLogger.Instance);
        World = new RelayWorld(chain: new ChainClock(Gateway));
        World.Core.Chains = Gateway;
        Peer = World.Connect();
    }

    public RelayCounters Counters { get; } = new();

    public ChainGateway Gateway { get; }

    public RelayWorld World { get; }

    public RelayPeer Peer { get; }

    /// <summary>Sends a command and waits for the answer, which may come from another thread.</summary>
    public async Task<string> AskAsync(params object[] command)
    {
        string answer = Peer.Ask(command);
        for (int i = 0; answer.Length == 0 && i < 500; i++)
        {
            await Task.Delay(10);
            answer = Peer.ReadTexts().FirstOrDefault() ?? "";
        }

        return answer;
    }

    /// <summary>Waits until the relay sent so many frames.</summary>
    public async Task<List<string>> ReadAsync(int count)
    {
        var texts = new List<string>();
        for (int i = 0; texts.Count < count && i < 500; i++)
        {
            texts.AddRange(Peer.ReadTexts());
            await Task.Delay(10);
        }

        return texts;
    }

    public long Count(string counter) => Counters.Read().First(pair => pair.Key == counter).Value;

    public void Dispose()
    {
        Gateway.Dispose();
    }
}
