using System.Buffers;
using System.Net.Sockets;
using System.Text;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.IntegrationTests.Tls;

/// <summary>Drives one engine over one TCP connection.</summary>
internal sealed class EngineOverSocket(TlsEngine engine, Socket socket) : IDisposable
{
    private readonly byte[] _buffer = new byte[16 * 1024];
    private readonly ArrayBufferWriter<byte> _received = new();

    public TlsEngine Engine => engine;

    public string Received => Encoding.UTF8.GetString(_received.WrittenSpan);

    /// <summary>Exchanges bytes until the condition holds or the connection ends.</summary>
    public async Task<TlsResult> RunUntilAsync(Func<bool> condition, CancellationToken cancellationToken)
    {
        TlsResult result = TlsResult.Ok;
        await FlushAsync(cancellationToken);
        while (result == TlsResult.Ok && !condition())
        {
            int read = await socket.ReceiveAsync(_buffer, cancellationToken);
            if (read == 0)
            {
                return TlsResult.Closed;
            }

            result = engine.Receive(_buffer.AsSpan(0, read), _received);
            await FlushAsync(cancellationToken);
        }

        return result;
    }

    public async Task SendAsync(string text, CancellationToken cancellationToken)
    {
        if (engine.Send(Encoding.UTF8.GetBytes(text)) != TlsResult.Ok)
        {
            throw new InvalidOperationException(engine.Error);
        }

        await FlushAsync(cancellationToken);
    }

    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        byte[] output = new byte[4096];
        for (int length; (length = engine.ReadOutput(output)) > 0;)
        {
            await socket.SendAsync(output.AsMemory(0, length), cancellationToken);
        }
    }

    public void Dispose()
    {
        engine.Dispose();
        socket.Dispose();
    }
}
