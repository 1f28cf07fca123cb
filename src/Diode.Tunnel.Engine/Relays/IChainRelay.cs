using System.Net;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Engine.Relays;

/// <summary>What reading a chain needs of a relay session; implemented by <see cref="RelayConnection"/> and by tests.</summary>
internal interface IChainRelay
{
    /// <summary>Who the relay is.</summary>
    Address Relay { get; }

    /// <summary>Where it is; null before it was connected to.</summary>
    IPEndPoint? Endpoint { get; }

    /// <summary>Calls a JSON-RPC method of a chain (<c>PREFIX:rpc</c>, diode-edge §3.5).</summary>
    /// <param name="prefix">Prefix of the chain.</param>
    /// <param name="method">Name of the method.</param>
    /// <param name="parameters">The JSON text of an array.</param>
    /// <param name="done">Gets the JSON text of the answer, or why there is none; runs on another thread.</param>
    /// <returns>False: not asked.</returns>
    bool CallChain(string prefix, string method, string parameters, Action<string?, byte[]?> done);

    /// <summary>Asks the relay to send what somebody signed at its own expense (diode-contracts §11.9).</summary>
    /// <param name="prefix">Prefix of the chain.</param>
    /// <param name="request">The signed request, RLP.</param>
    /// <param name="done">Gets why not, or the name of the transaction as text; runs on another thread.</param>
    /// <returns>False: not asked.</returns>
    bool SendMetaTransaction(string prefix, byte[] request, Action<string?, byte[]?> done);

    /// <summary>Asks to be told about the new blocks of a chain, as long as the session lasts (diode-edge §3.13).</summary>
    /// <param name="prefix">Prefix of the chain.</param>
    /// <param name="chainId">Its id.</param>
    /// <param name="block">Gets the number of each, null when the session ends; runs on another thread.</param>
    /// <returns>False: not asked.</returns>
    bool SubscribeBlocks(string prefix, ulong chainId, Action<ulong?> block);

    /// <summary>Sends a command without prefix, which Diode L1 answers (diode-edge §3.4).</summary>
    /// <param name="command">Name of the command.</param>
    /// <param name="arguments">Writes what follows the name.</param>
    /// <param name="done">Gets the encoded items that follow the word <c>response</c>, or why there are none; runs on another thread.</param>
    /// <returns>False: not asked.</returns>
    bool CallDiode(string command, Action<RlpWriter> arguments, Action<string?, byte[]?> done) => false;
}
