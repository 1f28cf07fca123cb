using System.Collections.Concurrent;
using System.Net;
using Diode.Tunnel.Edge.Identity;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tls;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Relay;

/// <summary>The device's session with a relay over real sockets and TLS: tickets signed aside, requests, ports, ends.</summary>
[Collection("relay in this process")]
public sealed class RelayConnectionTests
{
    [Fact]
    public async Task Data_at_full_speed_is_paid_ahead_by_tickets_signed_aside()
    {
        await using var relay = new RelayFixture();
        using Device target = new(relay.Node.Uri);
        using Device opener = new(relay.Node.Uri);
        RelayPort port = await opener.OpenAsync(target);
        byte[] data = new byte[60_000];

        // What waits for longer than its bound is dropped: on a busy machine more has to be sent than is to arrive.
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (target.Received < 2000L * data.Length && !patience.IsCancellationRequested)
        {
            if (!opener.Connection.TrySendData(port.Reference, data))
            {
                await Task.Delay(1);
            }
        }

        await relay.WaitForAsync(() => target.Received >= 2000L * data.Length, "the data is missing");
        foreach (Device device in new[] { opener, target })
        {
            TicketStatus status = device.Connection.GetTicketStatus();
            Assert.Equal((0L, 0L), (status.Asked, status.Refused));
            Assert.InRange(status.Accepted, 2, 200);
            Assert.True(status.Totals!.AcceptedBytes + 31_457_280 > status.UsageBytes);
        }
    }

    [Fact]
    public async Task The_relays_own_object_is_found_and_its_count_agrees_with_ours()
    {
        await using var relay = new RelayFixture();
        using Device device = new(relay.Node.Uri);
        await device.Ready;
        var answer = new TaskCompletionSource<RelayReply>();
        Assert.True(device.Connection.GetNode(relay.Node.Uri.Address, answer.SetResult));
        RelayReply reply = await answer.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(relay.Node.Uri.Address, reply.Server!.Address);
        device.Connection.AskUnpaidBytes();
        await relay.WaitForAsync(() => device.Connection.GetTicketStatus().ClaimedBytes > 0, "no word of the relay");
        TicketStatus status = device.Connection.GetTicketStatus();
        Assert.False(status.IsOverclaimed);
        Assert.InRange((long)status.ClaimedBytes! - (long)status.ConfirmedBytes, -10_000_000, 10_000);
    }

    [Fact]
    public async Task The_end_of_the_session_is_noticed_whoever_finds_it_first()
    {
        string folder = Directory.CreateTempSubdirectory("dtt-relay-end-").FullName;
        try
        {
            for (int round = 0; round < 4; round++)
            {
                using var relay = new RelayProcess(folder);
                using Device target = new(relay.Uri);
                using Device opener = new(relay.Uri);
                RelayPort port = await opener.OpenAsync(target);
                Assert.True(SpinWait.SpinUntil(() => !target.Accepted.IsEmpty, 5000));

                // Both ways at once: every thread of a session sends, one of them meets the end in the middle of it.
                Task[] senders = [Flood(opener, port), Flood(opener, port), Flood(target, target.Accepted.First())];
                while (target.Received < 1_000_000 || opener.Received < 1_000_000)
                {
                    await Task.Delay(1);
                }

                relay.Kill();
                await Task.WhenAll([.. senders, opener.Closed, target.Closed]).WaitAsync(TimeSpan.FromSeconds(10));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static Task Flood(Device device, RelayPort port)
        {
            byte[] data = new byte[50_000];
            return Task.Run(() =>
            {
                while (!device.Connection.IsClosed)
                {
                    device.Connection.TrySendData(port.Reference, data);
                }
            });
        }
    }

    [Fact]
    public async Task Totals_go_on_in_the_next_session_without_a_refusal()
    {
        await using var relay = new RelayFixture();
        using PrivateKey key = PrivateKey.Generate();
        TicketTotals totals;
        using (Device first = new(relay.Node.Uri, key))
        {
            await first.Ready;
            totals = first.Connection.GetTicketStatus().Totals!;
        }

        // So much that a session which knows nothing of it certainly signs for less.
        totals = totals with { CountedBytes = totals.CountedBytes + 1_000_000 };

        using Device second = new(relay.Node.Uri, key, new EdgeClientOptions { OwnerSigns = true, Totals = totals });
        await second.Ready;
        TicketStatus status = second.Connection.GetTicketStatus();
        Assert.Equal((0L, totals.Connections + 1), (status.Refused, status.Totals!.Connections));

        // Without them the relay shows what it holds, once.
        using Device third = new(relay.Node.Uri, key);
        await third.Ready;
        Assert.Equal(1, third.Connection.GetTicketStatus().Refused);
        await relay.WaitForAsync(() => third.Connection.GetTicketStatus().Totals!.ForeignBytes > 0, "what others have claimed is not known");
    }

    [Fact]
    public async Task A_relay_of_another_identity_is_not_used()
    {
        await using var relay = new RelayFixture();
        using PrivateKey other = PrivateKey.Generate();
        using Device device = new(new RelayUri(other.Address, relay.Node.Uri.Host, relay.Node.Uri.Port));
        string reason = await device.Closed.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Contains(relay.Node.Uri.Address.ToString(), reason, StringComparison.Ordinal);
        Assert.False(device.Connection.GetNode(other.Address, static _ => { }));
    }

    [Fact]
    public async Task With_deflated_frames_it_works_the_same()
    {
        await using var relay = new RelayFixture();
        EdgeClientOptions options = new() { OwnerSigns = true, Zlib = true };
        using Device target = new(relay.Node.Uri, options: options);
        using Device opener = new(relay.Node.Uri, options: options);
        RelayPort port = await opener.OpenAsync(target);
        Assert.True(opener.Connection.TrySendData(port.Reference, new byte[50_000]));
        await relay.WaitForAsync(() => target.Received >= 50_000, "the data is missing");
        Assert.True(opener.Connection.GetTicketStatus().Totals!.CountedBytes < 10_000);
    }

    /// <summary>A device with one session; accepts every port and counts what comes.</summary>
    private sealed class Device : IRelayEvents, IDisposable
    {
        private readonly PrivateKey _key;
        private readonly TlsIdentity _identity;
        private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long _received;

        public Device(RelayUri relay, PrivateKey? key = null, EdgeClientOptions? options = null)
        {
            _key = key ?? PrivateKey.Generate();
            Span<byte> secret = stackalloc byte[PrivateKey.Length];
            _key.CopyTo(secret);
            _identity = new TlsIdentity(DeviceCertificate.Create(_key), secret);
            Connection = new RelayConnection(
                new RelayConnectionOptions
                {
                    Uri = relay,
                    Keys = _key,
                    TlsIdentity = _identity,
                    Edge = options ?? new EdgeClientOptions { OwnerSigns = true },
                },
                this,
                NullLogger.Instance,
                TimeProvider.System,
                new PacketPool());
            Connection.Start(new IPEndPoint(IPAddress.Parse(relay.Host), relay.Port));
        }

        public RelayConnection Connection { get; }

        public ConcurrentQueue<RelayPort> Accepted { get; } = new();

        public long Received => Volatile.Read(ref _received);

        public Task Ready => _ready.Task.WaitAsync(TimeSpan.FromSeconds(10));

        public Task<string> Closed => _closed.Task;

        public async Task<RelayPort> OpenAsync(Device target)
        {
            await Ready;
            await target.Ready;
            var opened = new TaskCompletionSource<RelayPort>(TaskCreationOptions.RunContinuationsAsynchronously);
            Assert.True(Connection.OpenPort(target._key.Address, RelayPortUse.Control, (port, reason) =>
            {
                if (port is null)
                {
                    opened.SetException(new IOException(reason));
                }
                else
                {
                    opened.SetResult(port);
                }
            }));
            return await opened.Task.WaitAsync(TimeSpan.FromSeconds(10));
        }

        public void OnReady(RelayConnection relay) => _ready.TrySetResult();

        public void OnClosed(RelayConnection relay, string reason) => _closed.TrySetResult(reason);

        public void OnPortOpenRequested(RelayConnection relay, RelayPortRequest request) =>
            Accepted.Enqueue(relay.Accept(request, RelayPortUse.Control)!);

        public void OnControlData(RelayPort port, byte[] data) => Interlocked.Add(ref _received, data.Length);

        public void OnPortClosed(RelayPort port)
        {
        }

        public void OnDatagrams(RelayPort port, PacketBuffer datagrams, int segmentSize)
        {
        }

        public void OnDatagramsEnd(RelayConnection relay)
        {
        }

        public void Dispose()
        {
            Connection.Dispose();
            _identity.Dispose();
        }
    }
}
