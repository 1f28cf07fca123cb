using System.Text;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Edge.Sessions;

/// <content>Ports, from this side.</content>
public sealed partial class EdgeClientSession
{
    /// <summary>
    /// Opens a port of another device; answered by OnPortOpened or OnPortOpenFailed. 0 when too many requests are
    /// unanswered or too many ports open.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="portName"><c>tcp:22</c>, <c>tls:41042</c>, <c>udp:53</c>.</param>
    /// <param name="flags">Letters of <c>rwstp</c>, with r or w.</param>
    /// <exception cref="ArgumentException">The name is empty, zero or too long, or the flags are not of the protocol.</exception>
    public uint PortOpen(Address device, ReadOnlySpan<byte> portName, string flags = "rw")
    {
        Span<byte> target = stackalloc byte[Address.Length];
        device.CopyTo(target);
        return PortOpen(target, portName, flags);
    }

    /// <summary>The same for a channel, by its key.</summary>
    public uint PortOpenChannel(in Hash256 channel, ReadOnlySpan<byte> portName, string flags = "rw")
    {
        Span<byte> target = stackalloc byte[Hash256.Length];
        channel.CopyTo(target);
        return PortOpen(target, portName, flags);
    }

    private uint PortOpen(ReadOnlySpan<byte> target, ReadOnlySpan<byte> portName, string flags)
    {
        // A name whose number is 0 reaches the target empty and panics Go clients.
        if (portName.Length > EdgeLimits.MaxPortName || !portName.ContainsAnyExcept((byte)0))
        {
            throw new ArgumentException("a port name has 1 to 64 bytes and is not zero", nameof(portName));
        }

        if (!flags.AsSpan().ContainsAny('r', 'w') || flags.AsSpan().ContainsAnyExcept("rwstp"))
        {
            throw new ArgumentException("flags are letters of rwstp, r or w among them", nameof(flags));
        }

        if (_ports.Count + _requests.PortOpens >= _options.MaxPorts)
        {
            return 0;
        }

        uint id = _requests.Add(RequestKind.PortOpen, _now + (long)_options.PortOpenTimeout.TotalMilliseconds);
        if (id != 0)
        {
            RlpWriter rlp = _writer.Begin(id, EdgeCommands.PortOpen);
            rlp.WriteBytes(target);
            rlp.WriteBytes(portName);
            rlp.WriteText(flags);
            _writer.End();
        }

        return id;
    }

    /// <summary>
    /// Asks for a physical port on the relay to meet another device at; answered by OnResponse, see
    /// <see cref="EdgeAnswers.TryReadPhysicalPort"/>. The answer comes before the other device agreed, and its refusal is never told.
    /// 0 when too many requests are unanswered.
    /// </summary>
    /// <param name="device">The device to meet.</param>
    /// <param name="portName">Passed on as it is.</param>
    /// <param name="flags">With <c>u</c> UDP, else TCP.</param>
    public uint PortOpen2(Address device, ReadOnlySpan<byte> portName, string flags)
    {
        uint id = AddRequest();
        if (id != 0)
        {
            _writer.WritePortOpen2(id, device, portName, Encoding.ASCII.GetBytes(flags));
        }

        return id;
    }

    /// <summary>Takes a requested port. False when it is gone or already answered.</summary>
    public bool AcceptPort(in IncomingPort port)
    {
        if (!IsAsked(port.Port))
        {
            return false;
        }

        _ports[port.Port] = PortState.Open;
        _writer.WritePortAccept(port.RequestId, port.Port);
        return true;
    }

    /// <summary>Refuses a requested port. False when it is gone or already answered.</summary>
    public bool RejectPort(in IncomingPort port, string reason)
    {
        if (!IsAsked(port.Port))
        {
            return false;
        }

        _ports.Remove(port.Port);
        _writer.WritePortReject(port.RequestId, port.Port, reason);
        return true;
    }

    /// <summary>
    /// Sends data on an open port, in pieces of at most 65,000 bytes. False when the port is not open. No allocation.
    /// </summary>
    public bool PortSend(PortRef port, ReadOnlySpan<byte> data)
    {
        if (!IsOpen(port))
        {
            return false;
        }

        while (!data.IsEmpty)
        {
            int length = Math.Min(data.Length, EdgeLimits.MaxPortData);
            _writer.WritePortSend(PortRequestId, port, data[..length]);
            data = data[length..];
        }

        CheckTicketMark();
        return true;
    }

    /// <summary>Closes an open port. False when it is not open.</summary>
    public bool PortClose(PortRef port)
    {
        if (!IsOpen(port))
        {
            return false;
        }

        _ports.Remove(port);
        _lastStray = port;
        _writer.WritePortClose(PortRequestId, port);
        return true;
    }

    /// <summary>Takes a physical port that the relay offered. False when it is gone or already answered.</summary>
    public bool AcceptPhysicalPort(ulong requestId, ushort physicalPort)
    {
        if (!_physicalAsked.Remove(physicalPort))
        {
            return false;
        }

        _writer.WritePortAccept2(requestId, physicalPort);
        return true;
    }

    /// <summary>Refuses a physical port that the relay offered. False when it is gone or already answered.</summary>
    public bool RejectPhysicalPort(ulong requestId, ushort physicalPort, string reason)
    {
        if (!_physicalAsked.Remove(physicalPort))
        {
            return false;
        }

        _writer.WritePortReject2(requestId, physicalPort, reason);
        return true;
    }

    /// <summary>Ends a physical port on the relay.</summary>
    public void PortClose2(ushort physicalPort)
    {
        _physicalAsked.Remove(physicalPort);
        _writer.WritePortClose2(PortRequestId, physicalPort);
    }
}
