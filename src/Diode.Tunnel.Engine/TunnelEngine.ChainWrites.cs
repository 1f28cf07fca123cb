using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Transactions;

namespace Diode.Tunnel.Engine;

/// <content>What a user writes to a chain: fleets, names, the exit directory. Signed by the device's own key or the user's.</content>
public sealed partial class TunnelEngine
{
    private const int MostAddresses = 200;

    // How long a command waits for a block; the transaction goes on without it.
    private static readonly TimeSpan BlockPatience = TimeSpan.FromSeconds(40);

    /// <summary>Prepares something to be written to a chain, and sends it if that is asked for and it costs no more than allowed.</summary>
    /// <exception cref="TunnelException">It is not in form, the chain refuses it, or nobody can be asked.</exception>
    public async Task<ChainActionView> ActOnChainAsync(ChainAction action, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(action);
        (ChainAccess chain, Address? to, byte[] data, string text) = await _loop.InvokeAsync(() => Compose(action), cancellation).ConfigureAwait(false);
        IReadOnlyList<ChainEndpoint> endpoints = _chains.EndpointsOf(chain);
        ChainWriter writer = new(chain, endpoints, _options.ChainQuorum, _time);
        using PrivateKey key = OpenSigner(action.Key);
        if (action.IsMeta)
        {
            return await ActByPermitAsync(action, chain, endpoints, to, data, text, key, cancellation).ConfigureAwait(false);
        }

        if (to is null)
        {
            data = FleetCalls.Create(data, key.Address, key.Address);
        }

        EvmResult<(EthereumTransaction Transaction, BigInteger Balance)> prepared =
            await writer.PrepareAsync(key.Address, to, data, cancellation).ConfigureAwait(false);
        if (!prepared.IsOk)
        {
            throw NotPrepared(chain, key.Address, prepared.Failure, prepared.IsRefusal);
        }

        (EthereumTransaction transaction, BigInteger balance) = prepared.Value;
        Address contract = to ?? SignedTransaction.ContractAddress(key.Address, transaction.Nonce);
        ChainActionView view = new()
        {
            Chain = chain.Prefix,
            ChainId = chain.ChainId,
            Text = text,
            From = key.Address.ToString(),
            Contract = contract.ToString(),
            GasLimit = transaction.GasLimit,
            GasPrice = transaction.GasPrice,
            MostCost = transaction.MostCost,
            Balance = balance,
            Nonce = transaction.Nonce,
            Via = [.. endpoints.Select(static e => e.Name)],
        };
        return action.Send ? await SendAsync(view, action, writer, transaction, key, cancellation).ConfigureAwait(false) : view;
    }

    private async Task<ChainActionView> ActByPermitAsync(
        ChainAction action, ChainAccess chain, IReadOnlyList<ChainEndpoint> endpoints, Address? to, byte[] data, string text, PrivateKey key,
        CancellationToken cancellation)
    {
        if (to is not { } contract)
        {
            throw new TunnelException(
                "A contract can't be created at a relay's expense: only calls can be signed so.",
                "Create it with a key that has coins (--key FILE) and give it away: diode-tunnel fleet transfer", "BAD_REQUEST");
        }

        PermitWriter writer = new(chain, endpoints, _chains.Relays, _options.ChainQuorum, _time);
        EvmResult<CallPermit> prepared = await writer.PrepareAsync(key.Address, contract, data, cancellation).ConfigureAwait(false);
        if (!prepared.IsOk)
        {
            throw NotPrepared(chain, key.Address, prepared.Failure, prepared.IsRefusal);
        }

        CallPermit permit = prepared.Value;
        ChainActionView view = new()
        {
            Chain = chain.Prefix,
            ChainId = chain.ChainId,
            Text = text,
            From = key.Address.ToString(),
            Contract = contract.ToString(),
            GasLimit = permit.GasLimit,
            GasPrice = 0,
            MostCost = 0,
            Balance = 0,
            Nonce = (ulong)permit.Nonce,
            Deadline = DateTimeOffset.FromUnixTimeSeconds((long)permit.Deadline),
            Via = [.. writer.Relays],
        };
        if (!action.Send)
        {
            return view;
        }

        Log.ChainWrite(_logger, view.Chain, view.Text);
        EvmResult<(string Name, bool IsDone)> sent = await writer.SendAsync(permit, key, BlockPatience, cancellation).ConfigureAwait(false);
        if (!sent.IsOk)
        {
            throw new TunnelException(
                $"No relay sends it at its own expense: {sent.Failure}.", "Not every relay does. Pay yourself: leave out --meta", "CONFLICT");
        }

        _loop.TryPost(() => _nextChainPoll = 0);
        return view with { Transaction = sent.Value.Name, IsConfirmed = sent.Value.IsDone };
    }

    private static TunnelException NotPrepared(ChainAccess chain, Address signer, string? failure, bool isRefusal) => new(
        isRefusal ? $"The contract refuses it: {failure}." : $"Chain '{chain.Prefix}' can't be asked: {failure}.",
        isRefusal ? $"It would be signed by {signer}; another signer: --key FILE" : "See: diode-tunnel status",
        isRefusal ? "CONFLICT" : "UNAVAILABLE");

    /// <summary>What a name service says about a name.</summary>
    /// <param name="name">The name, in any case, with or without an ending such as <c>.diode</c>.</param>
    /// <param name="chainName">Prefix or id of the chain; null for the only one, or that of the tickets.</param>
    /// <param name="contract">Another name service than the chain's usual one.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task<BnsView> LookUpNameAsync(string name, string? chainName, string? contract, CancellationToken cancellation)
    {
        string normal = ParseBnsName(name);
        ChainAccess chain = FindChain(chainName, "…");
        Address bns = BnsOf(chain, contract);
        EvmResult<(byte[] Data, string Assurance)> answer =
            await _chains.ReaderOf(chain).CallAsync(bns, BnsCalls.ResolveEntry(normal), cancellation).ConfigureAwait(false);
        if (!answer.IsOk)
        {
            throw new TunnelException($"'{normal}' can't be looked up on chain '{chain.Prefix}': {answer.Failure}.", "See: diode-tunnel status", "UNAVAILABLE");
        }

        return BnsCalls.TryReadEntry(answer.Value.Data, out BnsEntry? entry)
            ? new BnsView(
                normal, chain.Prefix, entry.Owner.IsZero ? null : entry.Owner.ToString(), [.. entry.Destinations.Select(static d => d.ToString())],
                entry.Properties, $"{chain.Prefix}: {answer.Value.Assurance}")
            : throw new TunnelException($"{bns} on chain '{chain.Prefix}' is no name service.", "Another one: --contract 0x…", "BAD_REQUEST");
    }

    private async Task<ChainActionView> SendAsync(
        ChainActionView view, ChainAction action, ChainWriter writer, EthereumTransaction transaction, PrivateKey key, CancellationToken cancellation)
    {
        if (view.Balance < view.MostCost)
        {
            throw new TunnelException(
                $"{view.From} has too little on chain '{view.Chain}': it may cost {FormatCoins(view.MostCost)}, there are {FormatCoins(view.Balance)}.",
                "Send it some coins, or sign with another key: --key FILE", "CONFLICT");
        }

        if (action.MostCost is { } most && view.MostCost > most)
        {
            throw new TunnelException(
                $"It has become more expensive: now at most {FormatCoins(view.MostCost)} instead of {FormatCoins(most)}.", "Look again and decide.", "CONFLICT");
        }

        Log.ChainWrite(_logger, view.Chain, view.Text);
        EvmResult<(Hash256 Name, bool? Succeeded)> sent = await writer.SendAsync(transaction, key, BlockPatience, cancellation).ConfigureAwait(false);
        if (!sent.IsOk)
        {
            throw new TunnelException($"Chain '{view.Chain}' does not take the transaction: {sent.Failure}.", "", "CONFLICT");
        }

        _loop.TryPost(() => _nextChainPoll = 0);
        return sent.Value.Succeeded != false
            ? view with { Transaction = sent.Value.Name.ToString(), IsConfirmed = sent.Value.Succeeded == true }
            : throw new TunnelException($"The contract refused it: transaction {sent.Value.Name} failed.", "", "CONFLICT");
    }

    private (ChainAccess Chain, Address? To, byte[] Data, string Text) Compose(ChainAction action)
    {
        Address[] addresses = [.. action.Addresses.Select(ParseDevice)];
        if (addresses.Length > MostAddresses)
        {
            throw new TunnelException($"At most {MostAddresses} addresses at a time.", code: "BAD_REQUEST");
        }

        switch (action.Kind)
        {
            case ChainActionKind.FleetCreate:
                return (FindChain(action.Chain, "…"), null, ChainContracts.FleetBytecode(), "create a fleet contract");
            case ChainActionKind.FleetAdd or ChainActionKind.FleetRemove or ChainActionKind.FleetTransfer:
                return ComposeForFleet(action, addresses);
            case ChainActionKind.ExitRegister or ChainActionKind.ExitUnregister:
                return ComposeForExits(action);
            default:
                break;
        }

        ChainAccess chain = FindChain(action.Chain, "…");
        Address bns = BnsOf(chain, action.Contract);
        string name = ParseBnsName(action.Name ?? "");
        return action.Kind switch
        {
            ChainActionKind.BnsRegister when addresses.Length > BnsCalls.MaxDestinations =>
                throw new TunnelException($"A name stands for at most {BnsCalls.MaxDestinations} devices.", code: "BAD_REQUEST"),
            ChainActionKind.BnsRegister when addresses.Length > 0 =>
                (chain, bns, BnsCalls.Register(name, addresses), $"register {name} for {string.Join(", ", addresses)}"),
            ChainActionKind.BnsTransfer => (chain, bns, BnsCalls.TransferOwner(name, Only(addresses)), $"give {name} to {addresses[0]}"),
            ChainActionKind.BnsReverse => (chain, bns, BnsCalls.RegisterReverse(Only(addresses), name), $"call {addresses[0]} {name}"),
            ChainActionKind.BnsUnregister => (chain, bns, BnsCalls.Unregister(name), $"give the name {name} back"),
            _ => throw new TunnelException("No address is given.", "For example this device's own: diode-tunnel whoami", "BAD_REQUEST"),
        };
    }

    private (ChainAccess Chain, Address? To, byte[] Data, string Text) ComposeForFleet(ChainAction action, Address[] addresses)
    {
        ChainFleetSource? held = _chainFleets.FirstOrDefault(f => action.Contract is null ? _chainFleets.Count == 1 : f.Name == action.Contract);
        bool isAddress = ChainFleetId.TryParse(action.Contract, out ChainFleetId id);
        if ((held?.Members.Name ?? id.Name) is { } name)
        {
            throw new TunnelException(
                $"The members of this fleet are what the name {name} stands for.", $"Give all of them: diode-tunnel bns register {name} 0x…", "BAD_REQUEST");
        }

        if (held is null && !isAddress)
        {
            throw new TunnelException(
                action.Contract is null ? "Which fleet?" : $"This device holds no fleet '{action.Contract}' of a contract.",
                "Name the contract: --fleet 0x… or --fleet CHAIN:0x…",
                "NOT_FOUND");
        }

        Address fleet = held?.Fleet ?? id.Contract;
        held ??= _chainFleets.FirstOrDefault(f => f.Fleet == fleet);
        ChainAccess chain = FindChain(action.Chain ?? id.Chain ?? held?.Chain, fleet.ToString());
        return action.Kind switch
        {
            ChainActionKind.FleetTransfer => (chain, fleet, FleetCalls.TransferOperator(Only(addresses)), $"give fleet {fleet} to {addresses[0]}"),
            ChainActionKind.FleetAdd when addresses.Length == 1 => (chain, fleet, FleetCalls.SetAllowed(addresses[0], true), $"add {addresses[0]} to fleet {fleet}"),
            ChainActionKind.FleetRemove when addresses.Length == 1 => (chain, fleet, FleetCalls.SetAllowed(addresses[0], false), $"remove {addresses[0]} from fleet {fleet}"),
            _ => throw new TunnelException("One device at a time.", code: "BAD_REQUEST"),
        };
    }

    private (ChainAccess Chain, Address? To, byte[] Data, string Text) ComposeForExits(ChainAction action)
    {
        ChainAccess chain = FindChain(action.Chain, "…");
        Address directory = _directories.FirstOrDefault(d => d.Chain.ChainId == chain.ChainId).Contract;
        if (action.Contract is null ? directory.IsZero : !Address.TryParse(action.Contract, out directory))
        {
            throw new TunnelException(
                "Which exit directory?", $"Name its contract: --contract 0x…, or for good: diode-tunneld --exit-directories {chain.Prefix}=0x…", "BAD_REQUEST");
        }

        if (action.Kind == ChainActionKind.ExitUnregister)
        {
            return (chain, directory, ExitDirectoryCalls.Unregister(), $"remove this exit from directory {directory}");
        }

        string region = action.Region?.ToLowerInvariant() ?? "";
        return (
            chain,
            directory,
            ExitDirectoryCalls.Register(region, action.Ipv4, action.Ipv6, action.PolicyUrl ?? "", action.Lifetime),
            string.Create(CultureInfo.InvariantCulture, $"list an exit in region {region} in directory {directory} for {action.Lifetime.TotalHours:0} hours"));
    }

    private static Address Only(Address[] addresses) => addresses.Length == 1
        ? addresses[0]
        : throw new TunnelException("One address is needed.", code: "BAD_REQUEST");

    private static Address BnsOf(ChainAccess chain, string? contract)
    {
        if (contract is not null)
        {
            return ParseDevice(contract);
        }

        return ChainContracts.Bns(chain.ChainId) ?? throw new TunnelException(
            $"No name service is known on chain '{chain.Prefix}'.", "Name its contract: --contract 0x…", "BAD_REQUEST");
    }

    private static string ParseBnsName(string text)
    {
        string label = text.EndsWith(".diode", StringComparison.OrdinalIgnoreCase) ? text[..^".diode".Length] : text;
        return BnsName.TryNormalize(label, out string? name, out string? problem)
            ? name
            : throw new TunnelException($"'{text}' cannot be a name: {problem}.", code: "BAD_REQUEST");
    }

    private static string FormatCoins(BigInteger wei) => string.Create(CultureInfo.InvariantCulture, $"{(double)wei / 1e18:0.##################} coins");

    // A copy of its own, so that each signer can be disposed of alike.
    private PrivateKey OpenSigner(string? hex)
    {
        byte[] bytes = new byte[32];
        try
        {
            if (hex is null)
            {
                _keys.Identity.CopyTo(bytes);
            }
            else if (hex.Length != 2 * bytes.Length || !hex.All(char.IsAsciiHexDigit))
            {
                throw new TunnelException("The key is not 64 hexadecimal digits.", "A key file is one line of them, mode 0600.", "BAD_REQUEST");
            }
            else
            {
                Convert.FromHexString(hex, bytes, out _, out _);
            }

            return PrivateKey.TryFromBytes(bytes, out PrivateKey? key) ? key : throw new TunnelException("The key is no key.", code: "BAD_REQUEST");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }
}
