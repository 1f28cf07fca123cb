using System.Buffers;
using System.Net.Sockets;
using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Tls;

namespace Diode.Tunnel.Testing.Plain;

/// <summary>Couples ports of a <see cref="PlainDevice"/> with sockets, as the Diode clients do.</summary>
public static class PlainCoupling
{
    /// <summary>Carries a TCP connection; E2E TLS for <c>tls:</c> names. Ends with either side.</summary>
    public static async Task StreamAsync(PlainDevice device, PlainPort port, Socket socket, bool isOpener)
    {
        using TlsEngine? tls = port.Name.StartsWith("tls:", StringComparison.Ordinal)
            ? TlsEngineFactory.Create(
                isOpener ? TlsRole.Client : TlsRole.Server,
                device.Identity,
                der => DeviceCertificate.TryParse(der, out PublicKey? key) && key.Address == port.Device)
            : null;
        using var turn = new SemaphoreSlim(1);
        var handshake = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (tls is null)
        {
            handshake.SetResult();
        }

        Task inward = InwardAsync(port, socket, tls, turn, handshake);
        try
        {
            if (tls is not null)
            {
                await FlushAsync(port, tls, turn);
            }

            await Task.WhenAny(handshake.Task, inward);
            if (handshake.Task.IsCompletedSuccessfully)
            {
                await Task.WhenAny(inward, OutwardAsync(port, socket, tls, turn));
                if (!inward.IsCompleted)
                {
                    await Task.WhenAny(inward, Task.Delay(TimeSpan.FromMilliseconds(300)));
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // Over.
        }

        await port.CloseAsync();
        await inward;
        socket.Dispose();
    }

    /// <summary>Carries datagrams of a <c>udp:</c> port to and from a connected socket.</summary>
    public static async Task DatagramsAsync(PlainPort port, Socket socket)
    {
        Task outward = Task.Run(async () =>
        {
            byte[] buffer = new byte[65_539];
            try
            {
                while (true)
                {
                    int length = await socket.ReceiveAsync(buffer.AsMemory(DatagramStreamWriter.HeaderLength));
                    DatagramStreamWriter.WriteHeader(buffer, length);
                    await port.SendAsync(buffer.AsMemory(0, DatagramStreamWriter.HeaderLength + length));
                }
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
            {
                // Over.
            }
        });
        using var reader = new DatagramStreamReader();
        await foreach (byte[] data in port.Data.ReadAllAsync())
        {
            foreach (byte[] datagram in Split(reader, data))
            {
                await socket.SendAsync(datagram);
            }
        }

        socket.Dispose();
        await outward;
    }

    public static List<byte[]> Split(DatagramStreamReader reader, byte[] data)
    {
        List<byte[]> datagrams = [];
        ReadOnlySpan<byte> rest = data;
        while (reader.TryRead(ref rest, out ReadOnlySpan<byte> datagram))
        {
            datagrams.Add(datagram.ToArray());
        }

        return datagrams;
    }

    private static async Task InwardAsync(
        PlainPort port, Socket socket, TlsEngine? tls, SemaphoreSlim turn, TaskCompletionSource handshake)
    {
        var plain = new ArrayBufferWriter<byte>();
        try
        {
            await foreach (byte[] data in port.Data.ReadAllAsync())
            {
                ReadOnlyMemory<byte> bytes = data;
                if (tls is not null)
                {
                    TlsResult result;
                    await turn.WaitAsync();
                    try
                    {
                        result = tls.Receive(data, plain);
                    }
                    finally
                    {
                        turn.Release();
                    }

                    await FlushAsync(port, tls, turn);
                    if (tls.IsHandshakeComplete)
                    {
                        handshake.TrySetResult();
                    }

                    bytes = plain.WrittenMemory;
                    await SendAllAsync(socket, bytes);
                    plain.ResetWrittenCount();
                    if (result != TlsResult.Ok)
                    {
                        break;
                    }
                }
                else
                {
                    await SendAllAsync(socket, bytes);
                }
            }

            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // Over.
        }
    }

    private static async Task OutwardAsync(PlainPort port, Socket socket, TlsEngine? tls, SemaphoreSlim turn)
    {
        byte[] buffer = new byte[60_000];
        int length;
        while ((length = await socket.ReceiveAsync(buffer)) > 0)
        {
            if (tls is null)
            {
                await port.SendAsync(buffer.AsMemory(0, length));
                continue;
            }

            await turn.WaitAsync();
            try
            {
                tls.Send(buffer.AsSpan(0, length));
            }
            finally
            {
                turn.Release();
            }

            await FlushAsync(port, tls, turn);
        }

        if (tls is not null)
        {
            await turn.WaitAsync();
            tls.Shutdown();
            turn.Release();
            await FlushAsync(port, tls, turn);
        }
    }

    private static async Task FlushAsync(PlainPort port, TlsEngine tls, SemaphoreSlim turn)
    {
        await turn.WaitAsync();
        try
        {
            byte[] cipher = new byte[60_000];
            int length;
            while ((length = tls.ReadOutput(cipher)) > 0)
            {
                await port.SendAsync(cipher.AsMemory(0, length));
            }
        }
        finally
        {
            turn.Release();
        }
    }

    private static async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
        {
            data = data[await socket.SendAsync(data)..];
        }
    }
}
