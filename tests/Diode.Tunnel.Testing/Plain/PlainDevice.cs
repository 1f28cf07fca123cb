using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.Testing.Plain;

/// <summary>
/// A device as plain Diode clients are: one relay session, ports, no tunnel key in its ticket. Written on the Edge session and the TLS
/// engine alone, so that it shares nothing with the engine that is tested against it.
/// </summary>
public sealed class PlainDevice : IAsyncDisposable, IEdgeClientEvents
{
    private readonly Socket _socket;
    private readonly TlsEngine _tls;
    private readonly EdgeClientSession _session;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _send = new(1);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Dictionary<uint, (Address Device, string Name, TaskCompletionSource<PlainPort> Opened)> _opening = [];
    private readonly ConcurrentDictionary<PortRef, PlainPort> _ports = new();
    private readonly Func<string, Address, string?> _admit;
    private readonly Action<PlainPort> _accepted;
    private Task _loop = Task.CompletedTask;

    private PlainDevice(
        Socket socket, PrivateKey device, RelayUri relay, Func<string, Address, string?>? admit, Action<PlainPort>? accepted)
    {
        _socket = socket;
        _admit = admit ?? ((_, _) => "port was not published");
        _accepted = accepted ?? (_ => { });
        Device = device;
        byte[] secret = new byte[PrivateKey.Length];
        device.CopyTo(secret);
        Identity = new TlsIdentity(DeviceCertificate.Create(device), secret);
        _tls = TlsEngineFactory.Create(
            TlsRole.Client, Identity, der => DeviceCertificate.TryParse(der, out PublicKey? key) && key.Address == relay.Address);
        _session = new EdgeClientSession(device, relay.Address, new EdgeClientOptions(), this);
    }

    public PrivateKey Device { get; }

    public TlsIdentity Identity { get; }

    public Address Address => Device.Address;

    /// <summary>Completes with the reason when the session is over.</summary>
    public Task<string> Ended => _ended.Task;

    /// <summary>Connects and waits for the accepted ticket.</summary>
    /// <param name="relay">The relay.</param>
    /// <param name="device">Its key; null for a new one.</param>
    /// <param name="admit">Asked for each port another opens here: null admits, a text refuses.</param>
    /// <param name="accepted">Called for each admitted port.</param>
    public static async Task<PlainDevice> ConnectAsync(
        RelayUri relay, PrivateKey? device, Func<string, Address, string?>? admit, Action<PlainPort>? accepted)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Parse(relay.Host), relay.Port);
        var plain = new PlainDevice(socket, device ?? PrivateKey.Generate(), relay, admit, accepted);
        plain._loop = plain.RunAsync();
        if (await Task.WhenAny(plain._ready.Task, plain.Ended).WaitAsync(TimeSpan.FromSeconds(60)) != plain._ready.Task)
        {
            throw new IOException(await plain.Ended);
        }

        return plain;
    }

    /// <summary>Opens a port; <see cref="IOException"/> with the other device's or the relay's reason.</summary>
    public async Task<PlainPort> OpenAsync(Address device, byte[] name)
    {
        var opened = new TaskCompletionSource<PlainPort>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _opening[_session.PortOpen(device, name)] = (device, Encoding.Latin1.GetString(name), opened);
        }

        await FlushAsync();
        return await opened.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _loop;
        _tls.Dispose();
        _session.Dispose();
        Identity.Dispose();
    }

    public void OnReady() => _ready.TrySetResult();

    public void OnResponse(uint requestId, in EdgeReply reply)
    {
    }

    public void OnPortOpened(uint requestId, PortRef port)
    {
        (Address device, string name, TaskCompletionSource<PlainPort> opened) = _opening[requestId];
        _opening.Remove(requestId);
        _ports[port] = new PlainPort(this, port, device, name);
        opened.TrySetResult(_ports[port]);
    }

    public void OnPortOpenFailed(uint requestId, string reason)
    {
        _opening.Remove(requestId, out (Address Device, string Name, TaskCompletionSource<PlainPort> Opened) opening);
        opening.Opened.TrySetException(new IOException(reason));
    }

    public void OnPortOpenRequested(in IncomingPort port)
    {
        string name = Encoding.Latin1.GetString(port.Name.Span);
        if (_admit(name, port.Source) is { } reason)
        {
            _session.RejectPort(port, reason);
            return;
        }

        var opened = new PlainPort(this, port.Port, port.Source, name);
        _ports[port.Port] = opened;
        _session.AcceptPort(port);
        _accepted(opened);
    }

    public void OnPortData(PortRef port, ReadOnlySpan<byte> data)
    {
        if (_ports.TryGetValue(port, out PlainPort? open))
        {
            open.Add(data.ToArray());
        }
    }

    public void OnPortClosed(PortRef port)
    {
        if (_ports.TryRemove(port, out PlainPort? open))
        {
            open.Complete();
        }
    }

    public void OnTicketRejected(string reason) => _ended.TrySetResult("ticket: " + reason);

    internal async Task SendAsync(PlainPort port, ReadOnlyMemory<byte> data)
    {
        lock (_gate)
        {
            if (!_session.PortSend(port.Reference, data.Span))
            {
                throw new IOException("the port is closed");
            }
        }

        await FlushAsync();
    }

    internal async Task CloseAsync(PlainPort port)
    {
        lock (_gate)
        {
            _ports.TryRemove(port.Reference, out _);
            _session.PortClose(port.Reference);
            port.Complete();
        }

        await FlushAsync();
    }

    private async Task RunAsync()
    {
        byte[] buffer = new byte[64 * 1024];
        var plaintext = new ArrayBufferWriter<byte>(64 * 1024);
        bool started = false;
        string? reason = null;
        try
        {
            await FlushAsync();
            while (reason is null)
            {
                int count = await _socket.ReceiveAsync(buffer);
                lock (_gate)
                {
                    reason = count == 0 ? "the relay closed" : Take(buffer.AsSpan(0, count), plaintext, ref started);
                }

                await FlushAsync();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            reason = e.Message;
        }

        _socket.Dispose();
        _ended.TrySetResult(reason ?? "over");
        lock (_gate)
        {
            _session.Close("the session ended");
        }
    }

    private string? Take(ReadOnlySpan<byte> ciphertext, ArrayBufferWriter<byte> plaintext, ref bool started)
    {
        TlsResult result = _tls.Receive(ciphertext, plaintext);
        long now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        if (_tls.IsHandshakeComplete && !started)
        {
            started = true;
            _session.Start(now);
        }

        bool alive = _session.Receive(plaintext.WrittenSpan, now);
        plaintext.ResetWrittenCount();
        return alive && result == TlsResult.Ok ? null : _session.Failure ?? _tls.Error ?? result.ToString();
    }

    private async Task FlushAsync()
    {
        await _send.WaitAsync();
        try
        {
            while (true)
            {
                byte[] ciphertext;
                lock (_gate)
                {
                    if (_tls.IsHandshakeComplete && _session.PendingOutput > 0)
                    {
                        _tls.Send(_session.Output.Span);
                        _session.ConsumeOutput(_session.PendingOutput);
                    }

                    ciphertext = new byte[_tls.PendingOutput];
                    _tls.ReadOutput(ciphertext);
                }

                if (ciphertext.Length == 0)
                {
                    return;
                }

                for (int sent = 0; sent < ciphertext.Length;)
                {
                    sent += await _socket.SendAsync(ciphertext.AsMemory(sent));
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            _ended.TrySetResult(e.Message);
        }
        finally
        {
            _send.Release();
        }
    }
}
