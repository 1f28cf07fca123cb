using Diode.Tunnel.Platform.Buffers;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>A train that is to be sent with others in one call.</summary>
/// <param name="To">Receiver.</param>
/// <param name="Buffer">Where the datagrams lie; the caller stays the owner.</param>
/// <param name="Offset">Where they begin in <see cref="PacketBuffer.Array"/>.</param>
/// <param name="Length">Length of all together.</param>
/// <param name="SegmentSize">Size of each but the last, which may be shorter; 0: a single datagram.</param>
public readonly record struct OutgoingTrain(EndpointAddress To, PacketBuffer Buffer, int Offset, int Length, int SegmentSize);
