using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.Engine.ControlChannel;

/// <summary>What a control link tells its owner, on the engine loop.</summary>
internal interface IControlLinkEvents
{
    /// <summary>Both ends have proven their keys.</summary>
    void OnLinkOpen(ControlLink link);

    /// <summary>A message of a known form has arrived.</summary>
    void OnLinkMessage(ControlLink link, ControlMessage message);

    /// <summary>The link is over; called once. The owner closes the port.</summary>
    void OnLinkClosed(ControlLink link, string reason);
}

/// <summary>
/// The control channel of one peer: E2E TLS with both device certificates (diode-protocol §1.7) inside one port, messages on top.
/// The peer's certificate must carry exactly the expected device's key; a relay's word does not count. Lives on the engine loop.
/// </summary>
internal sealed class ControlLink : IDisposable
{
    private const int ReadBytes = 16 * 1024;

    /// <summary>What TLS has opened, until the reader has it: of one link at a time, so that links at rest hold no such buffer.</summary>
    [ThreadStatic]
    private static ArrayBufferWriter<byte>? _plain;

    private readonly TlsEngine _tls;
    private readonly IControlLinkEvents _events;
    private readonly ControlMessageReader _reader = new();
    private bool _closed;

    /// <summary>Begins the handshake: the opener of the port is the TLS client.</summary>
    public ControlLink(IControlPort port, TlsIdentity identity, IControlLinkEvents events)
    {
        Port = port;
        Peer = port.Device;
        _events = events;
        Address expected = port.Device;
        _tls = TlsEngineFactory.Create(
            port.Opener ? TlsRole.Client : TlsRole.Server,
            identity,
            der => DeviceCertificate.TryParse(der, out PublicKey? key) && key.Address == expected);
    }

    /// <summary>The port that carries the link.</summary>
    public IControlPort Port { get; }

    /// <summary>The device at the far end; proven once <see cref="IsOpen"/>.</summary>
    public Address Peer { get; }

    /// <summary>Both ends have proven their keys and the link still lives.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>When the last message arrived, as a timestamp of the owner's clock.</summary>
    public long LastHeard { get; set; }

    /// <summary>Sends the first handshake flight.</summary>
    public void Start()
    {
        Flush();
    }

    /// <summary>Takes bytes of the port.</summary>
    public void Receive(byte[] data)
    {
        if (_closed)
        {
            return;
        }

        ArrayBufferWriter<byte> plain = _plain ??= new ArrayBufferWriter<byte>(ReadBytes);
        plain.ResetWrittenCount();
        TlsResult result = _tls.Receive(data, plain);
        _reader.Input.Write(plain.WrittenSpan);
        Flush();
        if (result == TlsResult.Failed)
        {
            Close(IsOpen ? $"TLS failed: {_tls.Error}" : $"the peer did not prove to be {Peer}: {_tls.Error}");
            return;
        }

        if (!IsOpen && _tls.IsHandshakeComplete)
        {
            IsOpen = true;
            _events.OnLinkOpen(this);
        }

        ReadMessages();
        if (result == TlsResult.Closed)
        {
            Close("the peer closed the channel");
        }
    }

    /// <summary>Sends a message; ignored unless <see cref="IsOpen"/>.</summary>
    public void Send(ControlMessage message)
    {
        if (!IsOpen || _closed)
        {
            return;
        }

        byte[] body = JsonSerializer.SerializeToUtf8Bytes(message, ControlMessageContext.Default.ControlMessage);
        byte[] frame = new byte[sizeof(uint) + body.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)body.Length);
        body.CopyTo(frame.AsSpan(sizeof(uint)));
        _tls.Send(frame);
        Flush();
    }

    /// <summary>Ends the link; the first reason wins.</summary>
    public void Close(string reason)
    {
        if (_closed)
        {
            return;
        }

        _closed = true;
        IsOpen = false;
        _events.OnLinkClosed(this, reason);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _closed = true;
        IsOpen = false;
        _tls.Dispose();
    }

    private void Flush()
    {
        byte[] cipher = ArrayPool<byte>.Shared.Rent(ReadBytes);
        int length;
        while ((length = _tls.ReadOutput(cipher)) > 0)
        {
            Port.Send(cipher.AsSpan(0, length));
        }

        ArrayPool<byte>.Shared.Return(cipher);
    }

    private void ReadMessages()
    {
        while (!_closed && _reader.TryRead(out ControlMessage? message))
        {
            _events.OnLinkMessage(this, message!);
        }

        if (_reader.Failure is { } failure)
        {
            Close(failure);
        }
    }
}
