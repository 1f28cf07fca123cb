using System.Net.Sockets;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>What differs between operating systems behind <see cref="UdpChannel"/>.</summary>
internal abstract class DatagramSocket(AddressFamily family) : IDisposable
{
    private long _received;
    private long _sent;
    private long _sendDrops;
    private long _receiveDrops;

    internal AddressFamily Family => family;

    internal abstract int Port { get; }

    internal virtual UdpOffloads Active => UdpOffloads.None;

    internal long Received => Volatile.Read(ref _received);

    internal long ReceiveDrops => Volatile.Read(ref _receiveDrops);

    internal long Sent => Interlocked.Read(ref _sent);

    internal long SendDrops => Interlocked.Read(ref _sendDrops);

    internal Action<EndpointAddress, int>? TooBig { get; set; }

    internal Action<EndpointAddress, SendRefusal, int>? Refused { get; set; }

    internal abstract int Receive(DatagramBatch batch);

    internal abstract bool Send(in EndpointAddress to, ReadOnlySpan<byte> train, int segmentSize);

    internal virtual int Send(ReadOnlySpan<OutgoingTrain> trains)
    {
        int sent = 0;
        foreach (OutgoingTrain train in trains)
        {
            sent += Send(train.To, train.Buffer.Array.AsSpan(train.Offset, train.Length), train.SegmentSize) ? 1 : 0;
        }

        return sent;
    }

    internal abstract void Stop();

    public abstract void Dispose();

    /// <summary>Receiving thread only.</summary>
    protected void CountReceived(int datagrams) => Volatile.Write(ref _received, _received + datagrams);

    /// <summary>Receiving thread only.</summary>
    protected void CountReceiveDrops(long datagrams) => Volatile.Write(ref _receiveDrops, _receiveDrops + datagrams);

    protected void CountSent(int datagrams) => Interlocked.Add(ref _sent, datagrams);

    protected bool CountSendDrops(int datagrams)
    {
        Interlocked.Add(ref _sendDrops, datagrams);
        return false;
    }

    protected static int CountDatagrams(int length, int segmentSize) =>
        segmentSize <= 0 || segmentSize >= length ? 1 : (length + segmentSize - 1) / segmentSize;
}
