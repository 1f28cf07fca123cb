using System.Net;
using System.Text;
using Diode.Tunnel.Edge;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Relays;

/// <content>
/// UDP ports on the relay's host (<c>portopen2</c> with <c>u</c>, diode-edge §3.9). Anybody may send to them, and the first two that do
/// are the pair: what is to be believed must prove itself.
/// </content>
internal sealed partial class RelayConnection
{
    /// <summary>Name by which tunnel devices know the port (design §4): the number of their other ports.</summary>
    public const string MeshUdpPort = "41042";

    private const int LongestPortName = 5;

    /// <summary>
    /// Asks for a port to meet a device at; <paramref name="done"/> gets where it is, or null and the reason, on the receive thread. The
    /// answer comes before the other device agreed, and its refusal is never told. False: not asked.
    /// </summary>
    public bool OpenUdpPort(Address device, string name, Action<IPEndPoint?, string> done)
    {
        lock (_gate)
        {
            uint id = IsReady ? _session.PortOpen2(device, Encoding.ASCII.GetBytes(name), "rwu") : 0;
            if (id == 0)
            {
                return false;
            }

            _requests[id] = reply => done(PlaceOf(reply.PhysicalPort), reply.Error ?? "the relay gave no port");
        }

        Flush();
        return true;
    }

    /// <summary>Answers a request for a UDP port.</summary>
    /// <returns>Where it is; null if it was refused or is gone.</returns>
    public IPEndPoint? AnswerUdpPort(RelayUdpRequest request, bool accept)
    {
        bool isOpen;
        lock (_gate)
        {
            isOpen = IsReady && (accept
                ? _session.AcceptPhysicalPort(request.RequestId, request.Port)
                : _session.RejectPhysicalPort(request.RequestId, request.Port, EdgeErrors.PortNotPublished));
        }

        Flush();
        return accept && isOpen ? PlaceOf(request.Port) : null;
    }

    /// <summary>So many bytes went through UDP ports of the relay: they are charged, so tickets must cover them.</summary>
    public void CountUdpBytes(long bytes)
    {
        lock (_gate)
        {
            if (IsReady)
            {
                _session.AddExternalUsage(bytes);
            }
        }

        Flush();
    }

    /// <summary>Ends a UDP port.</summary>
    public void CloseUdpPort(ushort port)
    {
        lock (_gate)
        {
            if (IsReady)
            {
                _session.PortClose2(port);
            }
        }

        Flush();
    }

    void IEdgeClientEvents.OnPhysicalPortRequested(
        ulong requestId, ushort physicalPort, Address source, ReadOnlySpan<byte> name, bool isUdp)
    {
        // A decimal number: the mesh's, or the port of a WireGuard interface (diode-client §14.4).
        if (!isUdp || name.Length is 0 or > LongestPortName || name.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            // Silence would hold the port for ten seconds.
            _session.RejectPhysicalPort(requestId, physicalPort, EdgeErrors.PortNotPublished);
            return;
        }

        RelayUdpRequest request = new(requestId, physicalPort, source, Encoding.ASCII.GetString(name));
        _callbacks.Add(() => _events.OnUdpPortRequested(this, request));
    }

    // Physical ports are IPv4 (diode-edge §3.9).
    private IPEndPoint? PlaceOf(ushort? port)
    {
        IPAddress? address = Endpoint?.Address;
        address = address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;
        return port is { } number && address?.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork
            ? new IPEndPoint(address, number)
            : null;
    }
}
