using Diode.Tunnel.Engine.Addressing;
using Diode.Tunnel.Engine.Packets;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Engine.Peers;
using Diode.Tunnel.Engine.PlainPeers;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Engine;

/// <content>
/// Plain Diode devices as peers: which devices they are, and whether their ports may be used in clear text. Plain are members of a fleet
/// whose ticket carries no tunnel key, and devices of no fleet that somebody asked the resolver for by address.
/// </content>
public sealed partial class TunnelEngine
{
    /// <summary>Devices of no fleet that are known at the same time; the one that was met first gives way.</summary>
    private const int MaxAddressed = 256;

    /// <summary>New ones in a second: each costs a new address book, and any program can ask for names.</summary>
    private const int MaxMetPerSecond = 16;

    /// <summary>Longest time a name question waits for the engine.</summary>
    private static readonly TimeSpan MeetTimeout = TimeSpan.FromMilliseconds(500);

    private readonly List<Address> _addressed = [];
    private readonly Dictionary<Address, PlainTarget> _plainTargets = [];
    private long _metSecond;
    private int _metInSecond;

    /// <summary>Allows or forbids clear text (tcp and udp ports) towards a device. In force when it returns, for new connections.</summary>
    /// <param name="device">Address, label or <c>label.fleet</c>.</param>
    /// <param name="allow">Whether it is allowed.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="TunnelException">No device is called so.</exception>
    public Task SetClearTextAsync(string device, bool allow, CancellationToken cancellation)
    {
        return _loop.InvokeAsync(
            () =>
            {
                Address address = FindDevice(device);
                List<string> devices = [.. _state.Current.ClearText.Where(d => d != address.ToString())];
                if (allow)
                {
                    devices.Add(address.ToString());
                }
                else if (devices.Count == _state.Current.ClearText.Count)
                {
                    throw new TunnelException($"Clear text to '{device}' was not allowed.", "See: diode-tunnel cleartext list", "NOT_FOUND");
                }

                _state.Update(_state.Current with { ClearText = devices });
                PublishSnapshot();
                NotifyChanged();
            },
            cancellation);
    }

    /// <summary>A device by address or name.</summary>
    /// <exception cref="TunnelException">Nobody, or several.</exception>
    private Address FindDevice(string text)
    {
        string name = text.EndsWith(".diode", StringComparison.Ordinal) ? text[..^".diode".Length] : text;
        if (Address.TryParse(name, out Address address))
        {
            return address;
        }

        IReadOnlyCollection<Address> devices = Lookup(name);
        return devices.Count == 1
            ? devices.First()
            : throw new TunnelException(
                devices.Count == 0 ? $"No device is called '{text}'." : $"'{text}' is several devices.", "See: diode-tunnel status", "NOT_FOUND");
    }

    private PlainOpener MakeOpener()
    {
        return new PlainOpener(FindRelaysAsync, _time);
    }

    /// <summary>The connected relays in the order to try a device at, member or not. Any thread.</summary>
    private async Task<RelayConnection[]> FindRelaysAsync(Address device, CancellationToken cancellation) =>
        await _loop.InvokeAsync(() => _mesh.CandidatesFor(device)?.ToArray(), cancellation).ConfigureAwait(false)
        ?? await _relayFinder.FindAsync(device, cancellation).ConfigureAwait(false);

    /// <summary>The resolver was asked for a device of no fleet. Listener thread of the resolver.</summary>
    private void MeetDevice(Address device)
    {
#pragma warning disable VSTHRD002 // bounded: the loop may be stopping the resolver at this moment
        try
        {
            _loop.InvokeAsync(() => AddAddressed(device)).Wait(MeetTimeout);
        }
        catch (Exception e) when (e is AggregateException or TunnelException)
        {
            // Stopping or overloaded: the name is not known then.
        }
#pragma warning restore VSTHRD002
    }

    private void AddAddressed(Address device)
    {
        if (_up is null || device == _keys.Device || _mesh.Peers.ContainsKey(device) || _addressed.Contains(device))
        {
            return;
        }

        long second = _time.GetTimestamp() / _time.TimestampFrequency;
        _metInSecond = second == _metSecond ? _metInSecond + 1 : 1;
        _metSecond = second;
        if (_metInSecond > MaxMetPerSecond)
        {
            return;
        }

        NoteAddressed(device);
        ApplyAddressed();
    }

    private void NoteAddressed(Address device)
    {
        if (_addressed.Count >= MaxAddressed)
        {
            _addressed.RemoveAt(0);
        }

        _addressed.Add(device);
    }

    private void ApplyAddressed()
    {
        _book = BuildBook(_book);
        UpdateNames();
        PublishSnapshot();
        NotifyChanged();
    }

    /// <summary>The plain devices in the order of the book; those that are plain no longer lose their connections.</summary>
    private PlainTarget?[] MakePlainTargets(UpState up, AddressBook book)
    {
        PlainTarget?[] targets = new PlainTarget?[book.Entries.Length];
        HashSet<Address> plain = [];
        for (int i = 0; i < targets.Length; i++)
        {
            Address device = book.Entries[i].Device;
            bool isPlain = !_mesh.Peers.TryGetValue(device, out TunnelPeer? peer) || (peer.IsPlain && peer.TunnelKey is null);
            if (!isPlain)
            {
                continue;
            }

            plain.Add(device);
            if (!_plainTargets.TryGetValue(device, out PlainTarget? target))
            {
                target = new PlainTarget(device);
                _plainTargets.Add(device, target);
            }

            target.AllowsClearText = _state.Current.ClearText.Contains(device.ToString());
            targets[i] = target;
        }

        foreach (PlainTarget gone in _plainTargets.Values.Where(t => !plain.Contains(t.Device)).ToArray())
        {
            _plainTargets.Remove(gone.Device);
            up.Gateway.Forget(gone);
        }

        return targets;
    }

    /// <summary>What was sent before it was known that the device is plain.</summary>
    private void SendWaitingToPlain(TunnelPeer peer)
    {
        while (peer.TryTakeWaiting(out PacketBuffer? buffer))
        {
            // A packet that was translated for the tunnel is left to the system, which repeats it.
            if (_up is { } up
                && _book is { } book
                && _plainTargets.TryGetValue(peer.Device, out PlainTarget? target)
                && IpPacket.TryParse(buffer!.Span, out IpPacket packet)
                && book.IsSelf(packet.Source)
                && book.TryFind(packet.Destination, out int index)
                && book.Entries[index].Device == peer.Device)
            {
                up.Gateway.Take(buffer, packet, target);
            }

            _pool.Return(buffer!);
        }
    }

    private PeerView MakePlainView(Address device, TunnelPeer? peer)
    {
        AddressBookEntry? entry = _book?.Find(device);
        PlainTarget? target = _plainTargets.GetValueOrDefault(device);
        bool online = peer?.IsPlainOnline ?? target is { LastProblem: "", Via: not "" };
        return new PeerView
        {
            Device = device.ToString(),
            Label = peer?.Label ?? "",
            Fleet = peer?.FleetName ?? "",
            Ipv4 = entry?.LocalIpv4.ToString() ?? "",
            Ipv6 = entry?.Ipv6.ToString() ?? "",
            Alias = entry is { IsAliased: true } ? entry.AliasReason.ToString() : null,
            Online = online,
            Path = PathKind.PlainPorts,
            Via = target?.Via ?? "",
            PathReason = target?.Describe() ?? "plain Diode",
            RxBytes = target?.Received ?? 0,
            TxBytes = target?.Sent ?? 0,
        };
    }
}
