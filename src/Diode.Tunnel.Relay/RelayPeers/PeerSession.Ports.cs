using System.Collections.Concurrent;
using System.Numerics;
using System.Security.Cryptography;
using Diode.Tunnel.Edge.Bert;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Relay.RelayPeers;

/// <content>Ports between devices of both relays (reference §7.6, in a form that works between relays of this kind).</content>
internal sealed partial class PeerSession
{
    private const int FirstRef = 0x1_0000;

    private readonly ConcurrentDictionary<ulong, RemotePort> _ports = new();
    private readonly PeerCalls _calls;
    private TokenBucket _portBudget = new(PeerLimits.PortBurst, PeerLimits.PortsPerSecond);
    private int _held;

    /// <summary>Ports of the link, both ways.</summary>
    public int PortCount => _ports.Count;

    /// <summary>Calls of the link.</summary>
    public PeerCalls Calls => _calls;

    /// <summary>
    /// Asks the other relay for a port to one of its devices; it must know this form of <c>portopen</c>
    /// (<see cref="PeerCalls.AskAbilities"/>). False: not possible, and the end hears nothing.
    /// </summary>
    public bool TryOpenPort(Address device, Address opener, ReadOnlySpan<byte> name, IRemotePortEnd end, long nowMs)
    {
        if (!IsUsable || _ports.Count >= PeerLimits.MaxPorts || !Output.HasRoom)
        {
            return false;
        }

        RemotePort port;
        do
        {
            ulong portRef = (ulong)RandomNumberGenerator.GetInt32(FirstRef, int.MaxValue);
            port = new RemotePort(this, portRef, isOpener: true, hasWindow: true, end, nowMs);
        }
        while (!_ports.TryAdd(port.Ref, port));

        Write(BertTerm.FromList(
            PeerTerms.Atom(PeerTerms.PortOpen),
            BertTerm.FromNumber(new BigInteger(name, isUnsigned: true, isBigEndian: true)),
            PeerTerms.OfRef(port.Ref),
            PeerTerms.Binary(device.ToArray()),
            PeerTerms.Binary(opener.ToArray())));
        if (Failure != PeerCloseReason.None)
        {
            // The link failed meanwhile and may have missed this port.
            AbandonPorts();
        }

        return true;
    }

    internal void AnswerPort(ulong portRef, ReadOnlySpan<byte> error)
    {
        BertTerm reference = PeerTerms.OfRef(portRef);
        Write(error.IsEmpty
            ? PeerTerms.OfResponse(PeerTerms.PortOpen, reference, PeerTerms.Binary("ok"u8))
            : PeerTerms.OfResponse(PeerTerms.PortOpen, reference, PeerTerms.Binary("error"u8), PeerTerms.Binary(error)));
        if (error.IsEmpty)
        {
            _core.Counters.PortOpened();
        }
        else
        {
            _core.Counters.PortRefused();
        }
    }

    internal void TellPortClosed(ulong portRef)
    {
        Write(BertTerm.FromList(PeerTerms.Atom(PeerTerms.PortClose), PeerTerms.OfRef(portRef)));
    }

    internal void TellPortTaken(ulong portRef, int count)
    {
        Write(BertTerm.FromList(
            PeerTerms.Atom(PeerTerms.PortTaken), PeerTerms.OfRef(portRef), BertTerm.FromNumber(count)));
    }

    internal void CountPortBytes(int count)
    {
        _core.Counters.PortBytes(count);
    }

    internal bool TryHold(int count)
    {
        if (Interlocked.Add(ref _held, count) <= PeerLimits.MaxHeld)
        {
            return true;
        }

        Interlocked.Add(ref _held, -count);
        return false;
    }

    internal void ReleaseHeld(int count)
    {
        Interlocked.Add(ref _held, -count);
    }

    internal void Forget(RemotePort port)
    {
        _ports.TryRemove(new KeyValuePair<ulong, RemotePort>(port.Ref, port));
    }

    // [portopen, name, ref, target] of a real relay, whose devices are told the target's own address as the opener's, as
    // real relays do; [portopen, name, ref, target, opener] of ours.
    private void HandlePortOpen(IReadOnlyList<BertTerm> items, long nowMs)
    {
        if (!PeerTerms.TryGetRef(items[2], out ulong portRef))
        {
            _core.Counters.Ignored();
            return;
        }

        bool isOurs = items.Count == 5;
        string error = TryAskDevice(items, portRef, isOurs, nowMs);
        if (error.Length > 0)
        {
            AnswerPort(portRef, System.Text.Encoding.UTF8.GetBytes(error));
        }
    }

    private string TryAskDevice(IReadOnlyList<BertTerm> items, ulong portRef, bool isOurs, long nowMs)
    {
        if (!PeerTerms.TryGetPortName(items[1], out ReadOnlySpan<byte> name))
        {
            return "invalid port";
        }

        Address opener = default;
        if (!PeerTerms.TryGetAddress(items[3], out Address device)
            || (isOurs && !PeerTerms.TryGetAddress(items[4], out opener))
            || _core.Devices is not IRemoteDevices devices)
        {
            return "not found";
        }

        if (_ports.Count >= PeerLimits.MaxPorts || !_portBudget.TryTake(nowMs))
        {
            return "too many open ports";
        }

        var port = new RemotePort(this, portRef, isOpener: false, isOurs, null, nowMs);
        if (!_ports.TryAdd(portRef, port))
        {
            return "already opening";
        }

        string error = devices.OpenPort(port, device, isOurs ? opener : device, name, nowMs, out IRemotePortEnd? end);
        if (error.Length > 0 || end is null)
        {
            Forget(port);
            return error.Length > 0 ? error : "not found";
        }

        port.SetEnd(end);
        return "";
    }

    private void HandlePortAnswer(IReadOnlyList<BertTerm> items)
    {
        if (!PeerTerms.TryGetRef(items[2], out ulong portRef)
            || !_ports.TryGetValue(portRef, out RemotePort? port)
            || items[3].Kind != BertKind.Binary)
        {
            _core.Counters.Ignored();
            return;
        }

        bool opened = items.Count == 4 && items[3].Bytes.Span.SequenceEqual("ok"u8);
        ReadOnlySpan<byte> reason = items.Count == 5 && items[4].Kind == BertKind.Binary ? items[4].Bytes.Span : default;
        port.OnAnswer(opened, reason.Length is 0 or > 256 ? "unknown"u8 : reason);
    }

    private bool HandlePortSend(ulong portRef, ReadOnlySpan<byte> data, long nowMs)
    {
        if (!_ports.TryGetValue(portRef, out RemotePort? port))
        {
            // It was closed while this was under way.
            return true;
        }

        if (!port.OnData(data, nowMs))
        {
            _core.Counters.Violation();
            port.OnClosed("unknown"u8);
            TellPortClosed(portRef);
        }

        return true;
    }

    private bool HandlePortClose(ulong portRef)
    {
        if (_ports.TryGetValue(portRef, out RemotePort? port))
        {
            port.OnClosed("unknown"u8);
            return true;
        }

        return false;
    }

    private bool HandlePortTaken(ulong portRef, BigInteger count)
    {
        bool known = _ports.TryGetValue(portRef, out RemotePort? port) && count.Sign > 0 && count <= PeerLimits.PortWindow;
        if (known)
        {
            port!.OnTaken((int)count);
        }

        return known;
    }

    private void TickPorts(long nowMs)
    {
        if (_ports.IsEmpty)
        {
            return;
        }

        foreach ((_, RemotePort port) in _ports)
        {
            if (port.IsOpening && nowMs >= port.AnswerUntilMs)
            {
                TellPortClosed(port.Ref);
                port.OnAnswer(false, "unknown"u8);
            }
        }
    }

    private void AbandonPorts()
    {
        foreach ((_, RemotePort port) in _ports)
        {
            port.OnClosed("unknown"u8);
        }
    }
}
