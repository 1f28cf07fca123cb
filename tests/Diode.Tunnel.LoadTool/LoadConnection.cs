using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Diode.Tunnel.Edge;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.LoadTool;

/// <summary>One blocking connection of a device. One thread reads while another one sends, under a lock for TLS only.</summary>
internal sealed class LoadConnection : IDisposable
{
    private const int BufferSize = 256 * 1024;

    private readonly Lock _gate = new();
    private readonly Socket _socket;
    private readonly TlsEngine _tls;
    private readonly LoadDevice _device;
    private readonly ArrayBufferWriter<byte> _plaintext = new();
    private readonly byte[] _received;
    private readonly byte[] _sending;
    private int _read;
    private ulong _requestId = 100;

    /// <summary>Connects and shakes hands; with <paramref name="source"/> from that loopback address.</summary>
    public LoadConnection(RelayUri relay, LoadDevice device, IPAddress? source = null, int bufferSize = BufferSize)
    {
        _device = device;
        _received = new byte[bufferSize];
        _sending = new byte[bufferSize];
        _tls = device.TakeEngine();
        _socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (source is not null)
        {
            _socket.Bind(new IPEndPoint(source, 0));
        }

        _socket.Connect(IPAddress.Parse(relay.Host), relay.Port);
        Flush();
        while (!_tls.IsHandshakeComplete)
        {
            ReceiveMore();
            Flush();
        }
    }

    public Address Address => _device.Address;

    public Socket Socket => _socket;

    /// <summary>Hello and ticket, up to the accepted ticket.</summary>
    public void LogIn()
    {
        Send(_device.Greeting.Span);
        while (true)
        {
            if (EdgeEnvelope.TryRead(ReadFrame(), out EdgeEnvelope envelope) && EdgeReply.TryRead(envelope, out EdgeReply reply))
            {
                RlpReader values = reply.Values;
                if (reply.IsError || !values.TryReadBytes(out ReadOnlySpan<byte> word))
                {
                    throw new IOException(reply.GetErrorMessage());
                }

                if (word.SequenceEqual(EdgeCommands.Thanks))
                {
                    return;
                }

                if (!word.SequenceEqual("ok"u8))
                {
                    throw new IOException($"ticket: {Encoding.ASCII.GetString(word)}");
                }
            }
        }
    }

    /// <summary>Opens a port at <paramref name="target"/>, which accepts it. Both ends use the same ref.</summary>
    public PortRef OpenPort(LoadConnection target)
    {
        Write((writer, id) => writer.WritePortOpen(id, target.Address, "tcp:80"u8, "rw"u8));
        while (true)
        {
            if (EdgeEnvelope.TryRead(target.ReadFrame(), out EdgeEnvelope envelope)
                && envelope.Command == EdgeCommand.PortOpen
                && PortOpenRequestMessage.TryRead(envelope.Arguments, out PortOpenRequestMessage message))
            {
                PortRef port = message.Port;
                ulong id = envelope.RequestId;
                target.Write((writer, _) => writer.WritePortAccept(id, port));
                ReadReply();
                return port;
            }
        }
    }

    /// <summary>Opens a port of the relay's host that <paramref name="target"/> agrees to.</summary>
    public ushort OpenPhysicalPort(LoadConnection target, bool udp)
    {
        Write((writer, id) => writer.WritePortOpen2(id, target.Address, "tcp:80"u8, udp ? "rwu"u8 : "rw"u8));
        while (true)
        {
            if (EdgeEnvelope.TryRead(target.ReadFrame(), out EdgeEnvelope envelope)
                && PortOpen2RequestMessage.TryRead(envelope.Arguments, out PortOpen2RequestMessage message))
            {
                ushort port = message.PhysicalPort;
                ulong id = envelope.RequestId;
                target.Write((writer, _) => writer.WritePortAccept2(id, port));
                ReadReply();
                return port;
            }
        }
    }

    /// <summary>Opens the relay's WireGuard exit for a public key; what the relay says about it, JSON.</summary>
    public string OpenExit(byte[] publicKey)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteUInt64(++_requestId);
        writer.BeginList();
        writer.WriteText("wireguard");
        writer.WriteText("open");
        writer.WriteBytes(publicKey);
        writer.EndList();
        writer.EndList();
        byte[] payload = writer.ToArray();
        Send([(byte)(payload.Length >> 8), (byte)payload.Length, .. payload]);
        while (true)
        {
            if (EdgeEnvelope.TryRead(ReadFrame(), out EdgeEnvelope envelope)
                && envelope.RequestId == _requestId
                && EdgeReply.TryRead(envelope, out EdgeReply reply))
            {
                RlpReader values = reply.Values;
                return !reply.IsError && values.TryReadBytes(out ReadOnlySpan<byte> text)
                    ? Encoding.UTF8.GetString(text)
                    : throw new IOException(reply.GetErrorMessage());
            }
        }
    }

    /// <summary>Encrypts and sends whole frames.</summary>
    public void Send(ReadOnlySpan<byte> frames)
    {
        while (!frames.IsEmpty)
        {
            // Pieces that fit the buffer with their TLS overhead.
            ReadOnlySpan<byte> piece = frames[..Math.Min(frames.Length, _sending.Length / 2)];
            frames = frames[piece.Length..];
            lock (_gate)
            {
                _tls.Send(piece);
            }

            Flush();
        }
    }

    /// <summary>The next frame; the span stays until the next call.</summary>
    public ReadOnlySpan<byte> ReadFrame()
    {
        while (true)
        {
            ReadOnlySpan<byte> waiting = _plaintext.WrittenSpan[_read..];
            if (waiting.Length >= 2)
            {
                int length = BinaryPrimitives.ReadUInt16BigEndian(waiting);
                if (waiting.Length - 2 >= length)
                {
                    _read += 2 + length;
                    return waiting.Slice(2, length);
                }
            }

            if (_read == _plaintext.WrittenCount)
            {
                _plaintext.ResetWrittenCount();
                _read = 0;
            }

            ReceiveMore();
        }
    }

    /// <summary>Reads port data until so many bytes of it came.</summary>
    public void ReadPortData(long bytes)
    {
        while (bytes > 0)
        {
            if (EdgeEnvelope.TryRead(ReadFrame(), out EdgeEnvelope envelope)
                && envelope.Command == EdgeCommand.PortSend
                && PortSendMessage.TryRead(envelope.Arguments, out PortSendMessage message))
            {
                bytes -= message.Data.Length;
            }
        }
    }

    /// <summary>Bytes that arrived, without looking at them; afterwards nothing else can be read. 0 at the end.</summary>
    public ReadOnlySpan<byte> ReceiveRaw()
    {
        try
        {
            return _received.AsSpan(0, _socket.Receive(_received));
        }
        catch (SocketException)
        {
            return default;
        }
    }

    public void Dispose()
    {
        _socket.Dispose();
        lock (_gate)
        {
            _tls.Dispose();
        }

        _device.Dispose();
    }

    private void Write(Action<EdgeMessageWriter, ulong> write)
    {
        using var output = new OutputBuffer();
        write(new EdgeMessageWriter(output), ++_requestId);
        Send(output.WrittenMemory.Span);
    }

    private void ReadReply()
    {
        while (true)
        {
            if (EdgeEnvelope.TryRead(ReadFrame(), out EdgeEnvelope envelope)
                && envelope.RequestId == _requestId
                && EdgeReply.TryRead(envelope, out EdgeReply reply))
            {
                if (reply.IsError)
                {
                    throw new IOException(reply.GetErrorMessage());
                }

                return;
            }
        }
    }

    private void ReceiveMore()
    {
        int count = _socket.Receive(_received);
        lock (_gate)
        {
            if (count == 0 || _tls.Receive(_received.AsSpan(0, count), _plaintext) != TlsResult.Ok)
            {
                throw new IOException(_tls.Error ?? "the relay closed the connection");
            }
        }
    }

    private void Flush()
    {
        while (true)
        {
            int count;
            lock (_gate)
            {
                count = _tls.ReadOutput(_sending);
            }

            if (count == 0)
            {
                return;
            }

            _socket.Send(_sending.AsSpan(0, count));
        }
    }
}
