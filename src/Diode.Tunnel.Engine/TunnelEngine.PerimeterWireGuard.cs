using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Engine.Perimeters;
using Diode.Tunnel.Engine.PerimeterWireGuard;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.WireGuard;
using Diode.Tunnel.WireGuard.Crypto;

namespace Diode.Tunnel.Engine;

/// <content>
/// The WireGuard interface that a perimeter sets for this device (diode-client §14.4): whose key it has, which devices its peers are, and when it
/// is there: while the tunnel is up and the property is in force.
/// </content>
public sealed partial class TunnelEngine : IPerimeterInterfaceOwner
{
    private const string PerimeterAdapterPrefix = "wg-diode-";
    private const ulong SapphireMainnet = 23294;
    private const ulong SapphireTestnet = 23295;

    /// <summary>Keys of peers that are asked for in a round.</summary>
    private const int MostKeysInRound = 8;

    /// <summary>A key that is known is asked for again: its operator may have made a new one.</summary>
    private static readonly TimeSpan KeyInterval = TimeSpan.FromMinutes(10);

    private readonly Dictionary<string, Address> _perimeterDevices = [];
    private IReadOnlyList<string> _perimeterPeerProblems = [];
    private InterfaceWish? _interfaceWish;
    private long _keyAsked;

    IReadOnlyCollection<IPNetwork> IPerimeterInterfaceOwner.MeshRanges =>
    [
        _addressPool.Network, VirtualAddresses.Ipv6Prefix, .. ResolverAddresses.Select(static a => new IPNetwork(a, PrefixOf(a))),
    ];

    IEnumerable<(IPAddress Address, string What)> IPerimeterInterfaceOwner.NeededAddresses
    {
        get
        {
            foreach (RelayUri uri in OwnRelays())
            {
                if ((IPAddress.TryParse(uri.Host, out IPAddress? address) ? address : RecallAddress(uri)) is { } known)
                {
                    yield return (known, $"the relay {known}");
                }
            }

            foreach (IPAddress address in _relays.Entries.SelectMany(static e => new[] { e.LastAddress, (e.Connection as RelayConnection)?.Endpoint?.Address }).OfType<IPAddress>())
            {
                IPAddress plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
                yield return (plain, $"the relay {plain}");
            }

            foreach (IPEndPoint resolver in _systemUpstreams)
            {
                yield return (resolver.Address, $"the resolver {resolver.Address}");
            }
        }
    }

    bool IPerimeterInterfaceOwner.Post(Action action) => _loop.TryPost(action);

    Task<RelayConnection[]> IPerimeterInterfaceOwner.FindRelaysAsync(Address device, CancellationToken cancellation) => FindRelaysAsync(device, cancellation);

    void IPerimeterInterfaceOwner.NeedRelay(RelayConnection relay) => _relays.Need(relay.Uri.Address);

    /// <summary>Makes the interface what the property says. Engine loop.</summary>
    private void ApplyPerimeterInterface()
    {
        InterfaceWish? wish = _up is null ? null : MakeInterfaceWish();
        InterfaceWish? before = _interfaceWish;
        _interfaceWish = wish;
        _perimeterInterface.Set(wish);
        CryptographicOperations.ZeroMemory(before?.PrivateKey);
    }

    private InterfaceWish? MakeInterfaceWish()
    {
        if (_perimeter is not { } joined || _perimeterSettings.WireGuard is not { Key: not WgQuickKey.Missing } config)
        {
            return null;
        }

        (byte[] Key, string Origin)? key;
        try
        {
            key = FindInterfaceKey(joined, config);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _perimeterKeyProblem = $"its key can't be kept: {e.Message}";
            return null;
        }

        if (key is not { } found)
        {
            return null;
        }

        Dictionary<Address, TunnelPublicKey> keys = [];
        foreach ((string device, string text) in joined.PeerKeys)
        {
            if (Address.TryParse(device, out Address address) && TunnelPublicKey.TryParse(text, out TunnelPublicKey peer))
            {
                keys[address] = peer;
            }
        }

        return new InterfaceWish(InterfaceNameOf(joined), config, found.Key, found.Origin, keys, new Dictionary<string, Address>(_perimeterDevices));
    }

    // "auto" without a key of the contract's waits until it was asked for: two keys one after the other would cut the sessions.
    private (byte[] Key, string Origin)? FindInterfaceKey(PerimeterState joined, WgQuickConfig config)
    {
        if (config.Key == WgQuickKey.Given)
        {
            return ([.. config.PrivateKey], "given");
        }

        if (joined.WireGuardKey is { } known && WireGuardKeyFile.TryLoad(_options.StateDirectory, WireGuardKeyFile.ContractName) is { } kept)
        {
            if (PublicHalf(kept) == known)
            {
                return (kept, "contract");
            }

            CryptographicOperations.ZeroMemory(kept);
        }

        return joined.OwnWireGuardKey ? (WireGuardKeyFile.LoadOrCreateOwn(_options.StateDirectory), "own") : null;
    }

    private string InterfaceNameOf(PerimeterState joined) => PerimeterAdapterPrefix + _chains.Find(joined.Chain)?.ChainId switch
    {
        SapphireMainnet => "prod",
        SapphireTestnet => "dev",
        _ => "local",
    };

    private static string PublicHalf(ReadOnlySpan<byte> secret)
    {
        byte[] key = new byte[TunnelPublicKey.Length];
        X25519.Managed.GetPublicKey(secret, key);
        return Convert.ToBase64String(key);
    }

    /// <summary>What the interface needs to know besides the property: keys that the contract keeps, and devices behind names.</summary>
    /// <returns>What could not be found out about this device's own key; null if all could, or none is wanted.</returns>
    private async Task<string?> FollowPerimeterInterfaceAsync(ChainAccess chain, CancellationToken cancel)
    {
        string? problem = await AskForKeyAsync(chain, cancel).ConfigureAwait(false);
        IReadOnlyList<string> peerProblems = await AskForPeersAsync(chain, cancel).ConfigureAwait(false);
        await _loop.InvokeAsync(
            () =>
            {
                _perimeterPeerProblems = peerProblems;
                ApplyPerimeterInterface();
            },
            cancel).ConfigureAwait(false);
        return problem;
    }

    private async Task<string?> AskForKeyAsync(ChainAccess chain, CancellationToken cancel)
    {
        (bool isWanted, string? known, bool isFresh, string effective) = await _loop.InvokeAsync(
            () => (
                _perimeterSettings.WireGuard is { Key: WgQuickKey.Auto },
                _perimeter?.WireGuardKey,
                _keyAsked != 0 && _time.GetElapsedTime(_keyAsked) < KeyInterval,
                _perimeter?.Effective ?? ""),
            cancel).ConfigureAwait(false);
        if (!Address.TryParse(effective, out Address contract) || (isWanted && known is not null && isFresh))
        {
            return null;
        }

        if (!isWanted)
        {
            await _loop.InvokeAsync(ForgetInterfaceKey, cancel).ConfigureAwait(false);
            return null;
        }

        using PrivateKey signer = OpenSigner(null);
        EvmResult<byte[]> answer = await _chains.ReaderOf(chain).QueryAsync(
            chain.ChainId, contract, PerimeterCalls.GetDevicePrivateKey(_keys.Device), signer, cancel).ConfigureAwait(false);
        string? problem =
            !answer.IsOk || !PerimeterCalls.TryReadKey(answer.Value, out Hash256 secret)
                ? $"the key that the contract keeps for this device can't be asked for: {answer.Failure ?? "malformed answer"}"
            : secret.IsZero ? "the contract keeps no key for this device; its operator makes one by generateDeviceKeyPair"
            : null;
        if (problem is null)
        {
            byte[] key = answer.Value![..TunnelPublicKey.Length];
            CryptographicOperations.ZeroMemory(answer.Value);
            await _loop.InvokeAsync(() => KeepInterfaceKey(effective, key), cancel).ConfigureAwait(false);
            return null;
        }

        if (known is not null)
        {
            return $"{problem}; the one that was asked for before counts";
        }

        await _loop.InvokeAsync(() => KeepPerimeter(p => p.OwnWireGuardKey ? p : p with { OwnWireGuardKey = true }), cancel).ConfigureAwait(false);
        return $"{problem}; a key made on this device is used";
    }

    // A file comes before the state that names it: after a crash between the two it is asked for again.
    private void KeepInterfaceKey(string effective, byte[] key)
    {
        string half = PublicHalf(key);
        if (_perimeter is { } joined && joined.Effective == effective)
        {
            _keyAsked = _time.GetTimestamp();
            if (joined.WireGuardKey != half || WireGuardKeyFile.TryLoad(_options.StateDirectory, WireGuardKeyFile.ContractName) is null)
            {
                WireGuardKeyFile.Save(_options.StateDirectory, WireGuardKeyFile.ContractName, key);
                KeepPerimeter(p => p with { WireGuardKey = half, OwnWireGuardKey = false });
            }
        }

        CryptographicOperations.ZeroMemory(key);
    }

    private void ForgetInterfaceKey()
    {
        if (_perimeter is { WireGuardKey: null, OwnWireGuardKey: false })
        {
            return;
        }

        _keyAsked = 0;
        WireGuardKeyFile.Remove(_options.StateDirectory, WireGuardKeyFile.ContractName);
        if (_perimeter is not null)
        {
            KeepPerimeter(static p => p with { WireGuardKey = null, OwnWireGuardKey = false, PeerKeys = PerimeterState.NoValues });
        }
    }

    /// <summary>Keys of peers with <c>PublicKey = auto</c>, by signed queries as only members are told, and devices that are named.</summary>
    private async Task<IReadOnlyList<string>> AskForPeersAsync(ChainAccess chain, CancellationToken cancel)
    {
        (WgQuickPeer[] peers, IReadOnlyDictionary<string, string> known, string effective) = await _loop.InvokeAsync(
            () => (_perimeterSettings.WireGuard?.Peers.ToArray() ?? [], _perimeter?.PeerKeys ?? PerimeterState.NoValues, _perimeter?.Effective ?? ""), cancel).ConfigureAwait(false);
        var problems = new List<string>();
        if (!Address.TryParse(effective, out Address contract))
        {
            return problems;
        }

        foreach (string name in peers.Select(static p => p.DeviceName).OfType<string>().Distinct().Take(MostKeysInRound))
        {
            Address? device = await FindNamedDeviceAsync(name, cancel).ConfigureAwait(false);
            if (device is { } found)
            {
                await _loop.InvokeAsync(() => _perimeterDevices[name] = found, cancel).ConfigureAwait(false);
            }
            else if (await _loop.InvokeAsync(() => !_perimeterDevices.ContainsKey(name), cancel).ConfigureAwait(false))
            {
                problems.Add($"peer {name}: no device is known by that name");
            }
        }

        Dictionary<string, string> keys = [];
        int asked = 0;
        foreach (Address device in peers.Where(static p => p.PublicKey is null).Select(static p => p.Device).OfType<Address>())
        {
            if (known.TryGetValue(device.ToString(), out string? key))
            {
                keys[device.ToString()] = key;
            }
            else if (++asked <= MostKeysInRound)
            {
                using PrivateKey signer = OpenSigner(null);
                EvmResult<byte[]> answer = await _chains.ReaderOf(chain).QueryAsync(
                    chain.ChainId, contract, PerimeterCalls.GetDevicePublicKey(device), signer, cancel).ConfigureAwait(false);
                if (answer.IsOk && PerimeterCalls.TryReadKey(answer.Value, out Hash256 read) && !read.IsZero)
                {
                    keys[device.ToString()] = Convert.ToBase64String(read.ToArray());
                }
                else
                {
                    problems.Add(string.Create(
                        CultureInfo.InvariantCulture,
                        $"peer {device}: the contract does not tell its public key ({(answer.IsOk ? "it has none" : answer.Failure)}); write the key itself instead of auto"));
                }
            }
        }

        if (keys.Count != known.Count || keys.Any(k => known.GetValueOrDefault(k.Key) != k.Value))
        {
            await _loop.InvokeAsync(() => KeepPerimeter(p => p.Effective == effective ? p with { PeerKeys = keys } : p), cancel).ConfigureAwait(false);
        }

        return problems;
    }
}
