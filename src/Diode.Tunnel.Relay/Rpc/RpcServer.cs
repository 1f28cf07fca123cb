using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Platform;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace Diode.Tunnel.Relay.Rpc;

/// <summary>
/// The JSON-RPC interface over HTTP, HTTPS and WebSocket (diode-node §8.1), and the metrics. Start and stop once.
/// </summary>
internal sealed class RpcServer : IAsyncDisposable
{
    private static readonly byte[] NotFound = "\"not found\""u8.ToArray();

    private readonly RpcServices _services;
    private readonly RpcAddressTable _addresses;
    private readonly UsageHistory _usage;
    private readonly MetricsPage _metrics;
    private readonly WebApplication? _rpc;
    private readonly WebApplication? _metricsApp;
    private readonly X509Certificate2? _certificate;
    private readonly X509Certificate2Collection _chain = [];
    private readonly CancellationTokenSource _stop = new();
    private Task _timer = Task.CompletedTask;

    /// <exception cref="PlatformException">The certificate cannot be used.</exception>
    public RpcServer(RpcOptions options, RpcServices services, UsageHistory usage, MetricsPage metrics)
    {
        _services = services;
        _addresses = new RpcAddressTable(services.Time);
        _usage = usage;
        _metrics = metrics;
        _certificate = options.SecureListen.Count == 0 ? null : LoadCertificate(options);
        if (options.Listen.Count + options.SecureListen.Count > 0)
        {
            _rpc = HttpHost.Build(options.Listen, options.SecureListen, _certificate, _chain, CountConnection);
            _rpc.UseWebSockets(new WebSocketOptions
            {
                KeepAliveInterval = TimeSpan.FromMinutes(2),
                KeepAliveTimeout = TimeSpan.FromMinutes(1),
            });
            _rpc.Run(HandleAsync);
        }

        if (options.MetricsListen.Count > 0)
        {
            _metricsApp = HttpHost.Build(options.MetricsListen, [], null, [], null);
            _metricsApp.Run(_metrics.HandleAsync);
        }
    }

    /// <summary>Endpoints of the interface, once started.</summary>
    public IReadOnlyList<IPEndPoint> Endpoints { get; private set; } = [];

    /// <summary>Endpoints of the metrics, once started.</summary>
    public IReadOnlyList<IPEndPoint> MetricsEndpoints { get; private set; } = [];

    /// <summary>Binds and begins to answer.</summary>
    /// <exception cref="PlatformException">A port cannot be used.</exception>
    public async Task StartAsync()
    {
        if (_rpc is not null)
        {
            Endpoints = await HttpHost.StartAsync(_rpc);
        }

        if (_metricsApp is not null)
        {
            MetricsEndpoints = await HttpHost.StartAsync(_metricsApp);
        }

        _timer = RunTimerAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _timer;
        foreach (WebApplication? app in new[] { _rpc, _metricsApp })
        {
            if (app is not null)
            {
                await app.StopAsync();
                await app.DisposeAsync();
            }
        }

        _certificate?.Dispose();
        foreach (X509Certificate2 certificate in _chain)
        {
            certificate.Dispose();
        }

        _stop.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        HttpRequest request = context.Request;
        HttpResponse response = context.Response;
        switch (request.Method, request.Path.Value)
        {
            case ("POST", "/"):
                await AnswerAsync(context);
                return;
            case ("OPTIONS", "/"):
                WriteCors(response);
                response.StatusCode = StatusCodes.Status204NoContent;
                return;
            case ("GET", "/api"):
                response.ContentType = "text/html; charset=utf-8";
                await response.Body.WriteAsync(ApiPage.Html, context.RequestAborted);
                return;
            case ("GET", "/ws") when context.WebSockets.IsWebSocketRequest:
                using (WebSocket socket = await context.WebSockets.AcceptWebSocketAsync(
                    new WebSocketAcceptContext { DangerousEnableCompression = true, DisableServerContextTakeover = true }))
                {
                    using var ended = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, context.RequestAborted);
                    using var served = new RpcSocket(_services, socket, FindAddress(context));
                    await served.RunAsync(ended.Token);
                }

                return;
            default:
                response.StatusCode = StatusCodes.Status404NotFound;
                await response.Body.WriteAsync(NotFound, context.RequestAborted);
                return;
        }
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var caller = new RpcCaller
        {
            StripsNonce = context.Request.Headers.UserAgent.ToString().Contains("foundry", StringComparison.Ordinal),
            Address = FindAddress(context),
        };
        long taken = 0;
        try
        {
            byte[] buffer = new byte[4096];
            int length = 0;
            int read;
            while ((read = await context.Request.Body.ReadAsync(buffer.AsMemory(length), context.RequestAborted)) > 0)
            {
                length += read;
                if (length > RpcLimits.MaxBody)
                {
                    // The rest is read and thrown away by Kestrel: a sender that finds its connection reset would not see the answer.
                    _services.Core.Counters.RpcRefused();
                    context.Response.StatusCode = StatusCodes.Status413PayloadTooLarge;
                    return;
                }

                if (length < buffer.Length)
                {
                    continue;
                }

                if (!TryTake(buffer.Length))
                {
                    return;
                }

                Array.Resize(ref buffer, 2 * length);
            }

            (int status, byte[] answer) = await _services.Rpc.HandleAsync(
                buffer.AsMemory(0, length), caller, context.RequestAborted);
            if (!TryTake(answer.Length))
            {
                return;
            }

            HttpResponse response = context.Response;
            WriteCors(response);
            response.StatusCode = status;
            response.ContentLength = answer.Length;
            response.Headers["x-diode-sender"] = _services.Core.Address.ToString();
            response.Headers["x-diode-signature"] = EthereumJson.Data(_services.Identity.Sign(answer));
            await response.Body.WriteAsync(answer, context.RequestAborted);
        }
        finally
        {
            _services.Budget.Return(taken);
        }

        bool TryTake(int bytes)
        {
            if (_services.Budget.TryTake(bytes))
            {
                taken += bytes;
                return true;
            }

            _services.Core.Counters.RpcRefused();
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return false;
        }
    }

    private static void WriteCors(HttpResponse response)
    {
        response.Headers.AccessControlAllowOrigin = "*";
        response.Headers.AccessControlAllowMethods = "POST, GET";
        response.Headers.AccessControlAllowHeaders = "Content-Type";
        response.ContentType = "application/json";
    }

    private static RpcAddress? FindAddress(HttpContext context) => context.Features.Get<RpcAddress>();

    private ConnectionDelegate CountConnection(ConnectionDelegate next)
    {
        return async connection =>
        {
            RpcAddress? address = _addresses.TryEnter((connection.RemoteEndPoint as IPEndPoint)?.Address);
            if (address is null)
            {
                _services.Core.Counters.RpcRefused();
                connection.Abort();
                return;
            }

            try
            {
                connection.Features.Set(address);
                await next(connection);
            }
            finally
            {
                _addresses.Leave(address);
            }
        };
    }

    private async Task RunTimerAsync()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), _services.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                long nowMs = _services.NowMs;
                _addresses.Tick(nowMs);
                _usage.Tick(nowMs);
                foreach (RpcSocket socket in _services.Sockets.Snapshot())
                {
                    socket.Tick(nowMs);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    // The file has the certificate first, then those that lead to a known authority.
    private X509Certificate2 LoadCertificate(RpcOptions options)
    {
        try
        {
            string file = options.CertificateFile
                ?? throw new PlatformException("HTTPS needs a certificate.", 0, "Give --rpc-certificate.");
            _chain.ImportFromPemFile(file);
            return X509Certificate2.CreateFromPemFile(file, options.CertificateKeyFile);
        }
        catch (Exception exception) when (
            exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw new PlatformException(
                $"The certificate for HTTPS cannot be used: {exception.Message}", 0, "Give PEM files of certificate and key.");
        }
    }
}
