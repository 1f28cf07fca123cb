using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.ControlChannel;

/// <summary>A stream of bytes to one device: reliable and in order while it is open. What carries a control channel.</summary>
internal interface IControlPort
{
    /// <summary>The device at the far end, as the carrier says; the channel proves it.</summary>
    Address Device { get; }

    /// <summary>True if this device opened the port.</summary>
    bool Opener { get; }

    /// <summary>Queues bytes. If the port has gone they are lost; the owner hears of that by its own event.</summary>
    void Send(ReadOnlySpan<byte> data);

    /// <summary>Closes the port from this side. Harmless when repeated.</summary>
    void Close();
}
