using System.Collections.Immutable;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Engine.Names;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.JsonRpc;

namespace Diode.Tunnel.Engine;

/// <content>
/// Names of chains: somebody asks the resolver for <c>NAME.diode</c>, the name services are asked, and what the name stands for gets virtual
/// addresses like any other device. A name lets nobody in: it only says whom one means.
/// </content>
public sealed partial class TunnelEngine
{
    /// <summary>Look-ups under way at the same time: programs can ask for anything.</summary>
    private const int MaxNameLookUps = 32;

    /// <summary>Longest time a question waits; resolvers ask again after five seconds.</summary>
    private static readonly TimeSpan NameTimeout = TimeSpan.FromSeconds(4);

    private readonly List<(ChainAccess Chain, Address Contract)> _bns = [];
    private readonly Dictionary<string, Task<bool>> _nameLookUps = [];
    private BnsNameCache _bnsNames = null!;
    private DateTimeOffset _namesChecked;

    private void OpenNameServices()
    {
        _bnsNames = new BnsNameCache(_options.ChainStaleness);
        foreach (string text in _options.NameServices)
        {
            string[] parts = text.Split('=', 2);
            ChainAccess chain = FindChain(parts[0], "…");
            _bns.Add((chain, BnsOf(chain, parts.Length == 2 ? parts[1] : null)));
        }
    }

    /// <summary>The name service of a chain: the configured one, else the usual one.</summary>
    private Address? NameServiceOf(string chain)
    {
        foreach ((ChainAccess access, Address contract) in _bns)
        {
            if (access.Prefix == chain)
            {
                return contract;
            }
        }

        return _chains.Find(chain) is { } known ? ChainContracts.Bns(known.ChainId) : null;
    }

    /// <summary>The resolver was asked for a name. Any thread. False: it can't be found out now.</summary>
    private async Task<bool> MeetNameAsync(string name, CancellationToken cancellation)
    {
        try
        {
            Task<bool> lookUp = await _loop.InvokeAsync(() => LookUpNameOnceAsync(name), cancellation).ConfigureAwait(false);
            return await lookUp.WaitAsync(NameTimeout, _time, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or TunnelException or OperationCanceledException)
        {
            // Slow, stopping or overloaded: whoever asks, asks again.
            return false;
        }
    }

    /// <summary>The device that a name of a chain stands for: of several one that is met now, else the first. Null: nobody, or not known now.</summary>
    /// <param name="text">The name, with or without <c>.diode</c>.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task<string?> FindNamedAsync(string text, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(text);
        return (await FindNamedDeviceAsync(text, cancellation).ConfigureAwait(false))?.ToString();
    }

    private async Task<Address?> FindNamedDeviceAsync(string text, CancellationToken cancellation)
    {
        string label = text.EndsWith(ChainFleetId.NameEnding, StringComparison.OrdinalIgnoreCase) ? text[..^ChainFleetId.NameEnding.Length] : text;
        if (_bns.Count == 0 || !BnsName.TryNormalize(label, out string? name, out _) || !await MeetNameAsync(name, cancellation).ConfigureAwait(false))
        {
            return null;
        }

        return await _loop.InvokeAsync(
            () => (_bnsNames.Find(name, _time.GetUtcNow())?.Devices ?? [])
                .Where(d => d != _keys.Device)
                .OrderByDescending(d => _mesh.Peers.TryGetValue(d, out TunnelPeer? peer) && peer.Link is { IsOpen: true })
                .Select(static d => (Address?)d)
                .FirstOrDefault(),
            cancellation).ConfigureAwait(false);
    }

    // Engine loop. Who asks for the same name at the same time shares the answer.
    private Task<bool> LookUpNameOnceAsync(string name)
    {
        if (_bnsNames.Find(name, _time.GetUtcNow()) is not null)
        {
            return Task.FromResult(true);
        }

        // A look-up takes itself out when it ends, unless the loop had no room for that.
        if (_nameLookUps.TryGetValue(name, out Task<bool>? running) && !running.IsCompleted)
        {
            return running;
        }

        if (_nameLookUps.Count >= MaxNameLookUps)
        {
            foreach (string ended in _nameLookUps.Where(static l => l.Value.IsCompleted).Select(static l => l.Key).ToArray())
            {
                _nameLookUps.Remove(ended);
            }
        }

        if (_nameLookUps.Count >= MaxNameLookUps || _up is null)
        {
            return Task.FromResult(false);
        }

        Task<bool> lookUp = Task.Run(() => AskNameServicesAsync(name, _chainsStopped.Token));
        _nameLookUps[name] = lookUp;
        return lookUp;
    }

    private async Task<bool> AskNameServicesAsync(string name, CancellationToken cancel)
    {
        BnsReading? found = null;
        bool failed = false;
        try
        {
            foreach ((ChainAccess chain, Address contract) in _bns)
            {
                EvmResult<(byte[] Data, string Assurance)> answer =
                    await _chains.ReaderOf(chain).CallAsync(contract, BnsCalls.ResolveEntry(name), cancel).ConfigureAwait(false);
                if (!answer.IsOk || !BnsCalls.TryReadEntry(answer.Value.Data, out BnsEntry? entry))
                {
                    failed = true;
                    Log.NameNotRead(_logger, name, chain.Prefix, answer.Failure ?? "it is no name service");
                    continue;
                }

                ImmutableArray<Address> devices = [.. entry.Destinations.Where(static d => !d.IsZero).Distinct()];
                if (!devices.IsEmpty)
                {
                    found = new BnsReading(devices, $"{chain.Prefix}: {answer.Value.Assurance}", _time.GetUtcNow());
                    break;
                }
            }

            return await _loop.InvokeAsync(() => TakeName(name, found, failed), cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or TunnelException)
        {
            return false;
        }
        finally
        {
            _loop.TryPost(() => _nameLookUps.Remove(name));
        }
    }

    // A name that one service has is not taken for free because another can't be asked, nor the other way round.
    private bool TakeName(string name, BnsReading? found, bool failed)
    {
        DateTimeOffset now = _time.GetUtcNow();
        if (found is null && failed)
        {
            found = _bnsNames.Prolong(name, now);
            if (found is null)
            {
                return false;
            }
        }
        else
        {
            found ??= new BnsReading([], "", now);
            _bnsNames.Put(name, found);
        }

        foreach (Address device in found.Devices)
        {
            if (_up is not null && device != _keys.Device && !_mesh.Peers.ContainsKey(device) && !_addressed.Contains(device))
            {
                NoteAddressed(device);
            }
        }

        ApplyAddressed();
        return true;
    }

    // What a minute has passed over is asked for anew when somebody wants it.
    private void EndNames()
    {
        DateTimeOffset now = _time.GetUtcNow();
        if (_bnsNames.HasEnded(_namesChecked, now))
        {
            UpdateNames();
        }

        _namesChecked = now;
    }
}
