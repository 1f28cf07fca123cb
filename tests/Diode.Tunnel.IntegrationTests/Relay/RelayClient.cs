using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>A device: <see cref="EdgeClientSession"/> over real TLS over a real socket.</summary>
internal sealed class RelayClient : IEdgeClientEvents, IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly Socket _socket;
    private readonly TlsEngine _tls;
    private readonly EdgeClientSession _session;
    private readonly TlsIdentity _identity;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<PortRef>> _opens = new();
    private readonly Channel<PortRef> _accepted = Channel.CreateUnbounded<PortRef>();
    private readonly Channel<PortRef> _closed = Channel.CreateUnbounded<PortRef>();
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<int>> _physicalOpens = new();
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<byte[]>> _questions = new();
    private readonly Channel<ushort> _physicalAccepted = Channel.CreateUnbounded<ushort>();
    private readonly Channel<ushort> _physicalClosed = Channel.CreateUnbounded<ushort>();
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<byte[]>> _answers = new();
    private readonly Channel<string> _messages = Channel.CreateUnbounded<string>();
    private readonly SemaphoreSlim _send = new(1);
    private Task _loop = Task.CompletedTask;
    private volatile bool _paused;
    private long _received;

    private RelayClient(Socket socket, PrivateKey device, RelayUri relay)
    {
        _socket = socket;
        Device = device;
        byte[] secret = new byte[PrivateKey.Length];
        device.CopyTo(secret);
        _identity = new TlsIdentity(DeviceCertificate.Create(device), secret);
        _tls = TlsEngineFactory.Create(
            TlsRole.Client,
            _identity,
            der => DeviceCertificate.TryParse(der, out PublicKey? key) && key.Address == relay.Address);
        _session = new EdgeClientSession(device, relay.Address, new EdgeClientOptions(), this);
    }

    public PrivateKey Device { get; }

    public Address Address => Device.Address;

    /// <summary>Completes with the reason when the connection is over.</summary>
    public Task<string> Ended => _ended.Task;

    /// <summary>Bytes of port data received.</summary>
    public long Received => Volatile.Read(ref _received);

    /// <summary>Called for port data; by default it is only counted.</summary>
    public Action<RelayClient, PortRef, byte[]>? OnData { get; init; }

    public ChannelReader<PortRef> Closed => _closed.Reader;

    /// <summary>Stops reading from the socket, as a device with a full disk would.</summary>
    public void Pause()
    {
        _paused = true;
    }

    public static async Task<RelayClient> ConnectAsync(
        RelayUri relay,
        PrivateKey? device = null,
        Action<RelayClient, PortRef, byte[]>? onData = null,
        Socket? socket = null)
    {
        socket ??= new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Parse(relay.Host), relay.Port);
        var client = new RelayClient(socket, device ?? PrivateKey.Generate(), relay) { OnData = onData };
        client._loop = client.RunAsync();
        Task first = await Task.WhenAny(client._ready.Task, client.Ended).WaitAsync(TimeSpan.FromSeconds(60));
        if (first != client._ready.Task)
        {
            throw new IOException(await client.Ended);
        }

        return client;
    }

    /// <summary>Messages received, as text.</summary>
    public ChannelReader<string> Messages => _messages.Reader;

    /// <summary>Asks for an object and returns the encoded answer.</summary>
    public async Task<byte[]> GetObjectAsync(ReadOnlyMemory<byte> key)
    {
        var answered = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _answers[_session.GetObject(key.Span)] = answered;
        }

        await FlushAsync();
        return await answered.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    /// <summary>Asks for the relays near a key; returns the encoded list.</summary>
    public async Task<byte[]> GetNodesAsync(ReadOnlyMemory<byte> key)
    {
        var answered = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _answers[_session.GetNodes(key.Span)] = answered;
        }

        await FlushAsync();
        return await answered.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    public async Task SendMessageAsync(Address device, string text)
    {
        lock (_gate)
        {
            _ = _session.SendMessage(device, System.Text.Encoding.UTF8.GetBytes(text));
        }

        await FlushAsync();
    }

    public void OnMessageReceived(ReadOnlySpan<byte> payload, ReadOnlySpan<byte> metadata)
    {
        _messages.Writer.TryWrite(System.Text.Encoding.UTF8.GetString(payload));
    }

    public async Task<PortRef> OpenAsync(Address device, string port, string flags = "rw")
    {
        var opened = new TaskCompletionSource<PortRef>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            uint id = _session.PortOpen(device, System.Text.Encoding.ASCII.GetBytes(port), flags);
            _opens[id] = opened;
        }

        await FlushAsync();
        return await opened.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }

    /// <summary>Asks for a port of the relay's host and returns its number.</summary>
    public async Task<int> OpenPhysicalAsync(Address device, string name, string flags)
    {
        var opened = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            uint id = _session.PortOpen2(device, System.Text.Encoding.ASCII.GetBytes(name), flags);
            _physicalOpens[id] = opened;
        }

        await FlushAsync();
        return await opened.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }

    /// <summary>Sends any request and returns the first value of the reply.</summary>
    /// <exception cref="IOException">The relay refused, with its text.</exception>
    public async Task<byte[]> AskAsync(Func<EdgeClientSession, uint> request)
    {
        var answered = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _questions[request(_session)] = answered;
        }

        await FlushAsync();
        return await answered.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }

    public async Task ClosePhysicalAsync(int port)
    {
        lock (_gate)
        {
            _session.PortClose2((ushort)port);
        }

        await FlushAsync();
    }

    public async Task<int> WaitPhysicalAcceptedAsync()
    {
        return await _physicalAccepted.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
    }

    public async Task<int> WaitPhysicalClosedAsync()
    {
        return await _physicalClosed.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
    }

    public async Task SendAsync(PortRef port, ReadOnlyMemory<byte> data)
    {
        lock (_gate)
        {
            _session.PortSend(port, data.Span);
        }

        await FlushAsync();
    }

    public void Kill()
    {
        _socket.Dispose();
    }

    public async Task<PortRef> WaitAcceptedAsync()
    {
        return await _accepted.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
    }

    public async ValueTask DisposeAsync()
    {
        _paused = false;
        _socket.Dispose();
        await _loop;
        _tls.Dispose();
        _session.Dispose();
        _identity.Dispose();
    }

    public void OnReady()
    {
        _ready.TrySetResult();
    }

    public void OnResponse(uint requestId, in EdgeReply reply)
    {
        if (_questions.TryRemove(requestId, out TaskCompletionSource<byte[]>? question))
        {
            RlpReader answer = reply.Values;
            if (reply.IsError || !answer.TryReadBytes(out ReadOnlySpan<byte> value))
            {
                question.TrySetException(new IOException(reply.GetErrorMessage()));
            }
            else
            {
                question.TrySetResult(value.ToArray());
            }

            return;
        }

        if (_answers.TryRemove(requestId, out TaskCompletionSource<byte[]>? answered))
        {
            RlpReader items = reply.Values;
            answered.TrySetResult(!reply.IsError && items.TryReadRaw(out ReadOnlySpan<byte> item) ? item.ToArray() : []);
            return;
        }

        if (_physicalOpens.TryGetValue(requestId, out TaskCompletionSource<int>? opened))
        {
            RlpReader values = reply.Values;
            if (!reply.IsError && values.TryReadBytes(out _) && values.TryReadUInt64(out ulong port))
            {
                opened.TrySetResult((int)port);
            }
            else
            {
                opened.TrySetException(new IOException(reply.GetErrorMessage()));
            }
        }
    }

    public void OnPhysicalPortRequested(
        ulong requestId, ushort physicalPort, Address source, ReadOnlySpan<byte> name, bool isUdp)
    {
        _session.AcceptPhysicalPort(requestId, physicalPort);
        _physicalAccepted.Writer.TryWrite(physicalPort);
    }

    public void OnPhysicalPortClosed(ushort physicalPort)
    {
        _physicalClosed.Writer.TryWrite(physicalPort);
    }

    public void OnPortOpened(uint requestId, PortRef port)
    {
        _opens[requestId].TrySetResult(port);
    }

    public void OnPortOpenFailed(uint requestId, string reason)
    {
        _opens[requestId].TrySetException(new IOException(reason));
    }

    public void OnPortOpenRequested(in IncomingPort port)
    {
        _session.AcceptPort(port);
        _accepted.Writer.TryWrite(port.Port);
    }

    public void OnPortData(PortRef port, ReadOnlySpan<byte> data)
    {
        Interlocked.Add(ref _received, data.Length);
        OnData?.Invoke(this, port, data.ToArray());
    }

    public void OnPortClosed(PortRef port)
    {
        _closed.Writer.TryWrite(port);
    }

    public void OnTicketRejected(string reason)
    {
        _ended.TrySetResult("ticket: " + reason);
    }

    private async Task RunAsync()
    {
        byte[] buffer = new byte[64 * 1024];
        var plaintext = new System.Buffers.ArrayBufferWriter<byte>(64 * 1024);
        bool started = false;
        string reason = "the relay closed";
        try
        {
            await FlushAsync();
            while (true)
            {
                while (_paused)
                {
                    await Task.Delay(20);
                }

                int count = await _socket.ReceiveAsync(buffer);
                if (count == 0)
                {
                    break;
                }

                bool over = false;
                lock (_gate)
                {
                    TlsResult result = _tls.Receive(buffer.AsSpan(0, count), plaintext);
                    long now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
                    if (_tls.IsHandshakeComplete && !started)
                    {
                        started = true;
                        _session.Start(now);
                    }

                    bool alive = _session.Receive(plaintext.WrittenSpan, now);
                    plaintext.ResetWrittenCount();
                    if (!alive || result != TlsResult.Ok)
                    {
                        reason = _session.Failure ?? _tls.Error ?? result.ToString();
                        over = true;
                    }
                }

                // Also what TLS has to say at the end.
                await FlushAsync();
                if (over)
                {
                    break;
                }
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            reason = exception.Message;
        }

        _socket.Dispose();
        _ended.TrySetResult(reason);
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
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            _ended.TrySetResult(exception.Message);
        }
        finally
        {
            _send.Release();
        }
    }
}
