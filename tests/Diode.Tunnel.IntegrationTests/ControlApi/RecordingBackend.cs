using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Diode.Tunnel.Control.Models;
using Diode.Tunnel.Daemon.ControlApi;

namespace Diode.Tunnel.IntegrationTests.ControlApi;

/// <summary>Writes down what it is asked and answers from fixed documents; fails on demand.</summary>
internal sealed class RecordingBackend : IControlBackend
{
    internal const string ServerDevice = "0x2222222222222222222222222222222222222222";

    private static readonly FleetDetails s_fleet = new()
    {
        Name = "home",
        Operator = "0x1111111111111111111111111111111111111111",
        Version = 3,
        Assurance = "signed manifest",
        MemberCount = 1,
        Member = true,
        Operated = true,
        Members = [new FleetMember { Device = ServerDevice, Label = "server", Roles = ["exit"], Ipv4 = "100.64.0.2", Ipv6 = "fd00::2" }],
    };

    private static readonly PerimeterStatus s_perimeter = new()
    {
        Joined = true,
        Chain = "sapphire",
        Contract = "0x6666666666666666666666666666666666666666",
        Effective = "0x7777777777777777777777777777777777777777",
        Registered = true,
        InForce = true,
        Verified = DateTimeOffset.UnixEpoch,
        Assurance = "2 of 2 endpoints agree",
        WireGuard = new PerimeterInterface
        {
            Interface = "wg-diode-prod",
            PublicKey = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
            KeyOrigin = "contract",
            ListenPort = 51820,
            Mtu = 1420,
            Addresses = ["10.9.0.2"],
            Routes = ["10.9.0.0/24"],
            Peers =
            [
                new PerimeterPeer
                {
                    PublicKey = "ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=",
                    Device = ServerDevice,
                    Endpoint = "203.0.113.46:40001",
                    Relay = "diode://0x3333333333333333333333333333333333333333@relay.example:41046",
                    AllowedIps = ["10.9.0.0/24"],
                    LastHandshake = DateTimeOffset.UnixEpoch,
                    RxBytes = 1500,
                    TxBytes = 2500,
                },
            ],
        },
        Properties = [new PerimeterProperty("public", "8080:80")],
        Warnings = ["sshd: not applied"],
    };

    private readonly Channel<ControlEvent> _events = Channel.CreateUnbounded<ControlEvent>();

    internal ConcurrentQueue<string> Calls { get; } = new();

    internal Exception? Failure { get; set; }

    internal DaemonStatus Status { get; set; } = new()
    {
        Version = "9.9.9",
        State = DaemonState.Up,
        Device = "0x1111111111111111111111111111111111111111",
        Interface = "diode0",
        Mtu = 1280,
        VirtualIpv4 = "100.64.0.1",
        VirtualIpv6 = "fd00::1",
        Relays = [new RelayStatus { Uri = "diode://0x3333333333333333333333333333333333333333@relay.example:41046", State = RelayState.Connected, RttMs = 12.5 }],
        Fleets = [s_fleet],
        Peers =
        [
            new PeerStatus
            {
                Device = ServerDevice,
                Label = "server",
                Fleet = "home",
                Name = "server.home.diode",
                Ipv4 = "100.64.0.2",
                Ipv6 = "fd00::2",
                Online = true,
                Path = new PeerPath { Kind = PathKind.RelayStream, Via = "relay.example", Reason = "UDP does not leave this network" },
                RxBytes = 2048,
            },
        ],
        Health = [new HealthWarning { Code = "NO_UDP", Severity = HealthSeverity.Warning, Text = "UDP is blocked", Fix = "open UDP" }],
    };

    public Task<ChainActionResult> ActOnChainAsync(ChainActionRequest request, CancellationToken cancellationToken) =>
        Task.FromResult(Answer(
            $"{(request.Send ? "send" : "prepare")} {request.Action} {request.Chain} {request.Contract} {request.Name} [{string.Join(' ', request.Addresses)}]"
                + $"{(request.Key is null ? "" : " key")}{(request.MostCost is null ? "" : " most " + request.MostCost)}",
            new ChainActionResult
            {
                Chain = "av",
                ChainId = 31337,
                Text = "do something",
                From = Status.Device,
                Contract = "0x4444444444444444444444444444444444444444",
                GasLimit = 60_000,
                GasPrice = "1500000000",
                MostCost = "90000000000000",
                Balance = "2000000000000000001",
                Nonce = 7,
                Via = ["relay a", "relay b"],
                Transaction = request.Send ? "0x" + new string('5', 64) : null,
                Confirmed = request.Send,
            }));

    public ValueTask<NameEntry> LookUpNameAsync(NameRequest request, CancellationToken cancellationToken) =>
        new(Answer(
            $"name {request.Name} {request.Chain} {request.Contract}",
            new NameEntry { Name = request.Name, Chain = "av", Owner = Status.Device, Destinations = [ServerDevice], Assurance = "av: 2 of 3 relays agree" }));

    public ValueTask<DaemonStatus> GetStatusAsync(CancellationToken cancellationToken) => new(Answer("status", Status));

    public ValueTask<Identity> GetIdentityAsync(CancellationToken cancellationToken) =>
        new(Answer("whoami", new Identity { Device = Status.Device, VirtualIpv4 = "100.64.0.1", Names = ["me.home.diode"] }));

    public Task<OperationResult> UpAsync(CancellationToken cancellationToken) => Done("up");

    public Task<OperationResult> DownAsync(CancellationToken cancellationToken) => Done("down");

    public async IAsyncEnumerable<PingResult> PingAsync(
        PingRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Record($"ping {request.Target} {request.Count}");
        for (int i = 1; i <= request.Count; i++)
        {
            await Task.Yield();
            bool received = request.Target != "silent";
            yield return new PingResult
            {
                Sequence = i,
                Device = ServerDevice,
                Name = "server",
                Received = received,
                RttMs = received ? 1.5 * i : null,
                Path = new PeerPath { Kind = PathKind.DirectUdp },
            };
        }
    }

    public ValueTask<FleetList> ListFleetsAsync(CancellationToken cancellationToken) =>
        new(Answer("fleets", new FleetList { Fleets = [s_fleet] }));

    public Task<FleetResult> CreateFleetAsync(CreateFleetRequest request, CancellationToken cancellationToken) =>
        Fleet($"create {request.Name} {request.Label}");

    public Task<FleetResult> AddMemberAsync(AddMemberRequest request, CancellationToken cancellationToken) =>
        Fleet($"add {request.Fleet} {request.Device} {request.Label} [{string.Join(' ', request.Roles)}]");

    public Task<FleetResult> RemoveMemberAsync(RemoveMemberRequest request, CancellationToken cancellationToken) =>
        Fleet($"remove {request.Fleet} {request.Device}");

    public Task<FleetResult> JoinFleetAsync(ManifestRequest request, CancellationToken cancellationToken) =>
        Fleet($"join {request.Document}");

    public Task<OperationResult> LeaveFleetAsync(LeaveFleetRequest request, CancellationToken cancellationToken) =>
        Done($"leave {request.Fleet}");

    public Task<ManifestDocument> ExportFleetAsync(string? fleet, CancellationToken cancellationToken) =>
        Task.FromResult(Answer($"export {fleet}", new ManifestDocument { Fleet = "home", Document = "{\"signed\": \"text\"}" }));

    public ValueTask<FleetVerification> VerifyFleetAsync(ManifestRequest request, CancellationToken cancellationToken) =>
        new(Answer($"verify {request.Document}", request.Document.Contains("good", StringComparison.Ordinal)
            ? new FleetVerification { Valid = true, Fleet = s_fleet }
            : new FleetVerification { Valid = false, Reason = "the signature is of another key" }));

    public ValueTask<PerimeterStatus> GetPerimeterAsync(CancellationToken cancellationToken) => new(Answer("perimeter", s_perimeter));

    public Task<PerimeterStatus> JoinPerimeterAsync(JoinPerimeterRequest request, CancellationToken cancellationToken) =>
        Task.FromResult(Answer($"join {request.Contract} {request.Chain}", s_perimeter));

    public Task<OperationResult> LeavePerimeterAsync(CancellationToken cancellationToken) =>
        Task.FromResult(Answer("leave", new OperationResult { Message = "left" }));

    public ValueTask<TicketLedger> GetTicketsAsync(CancellationToken cancellationToken) => new(Answer("tickets", Tickets(null)));

    public Task<TicketLedger> SetTicketBudgetAsync(TicketBudgetRequest request, CancellationToken cancellationToken) =>
        Task.FromResult(Answer($"budget {request.Bytes} {request.BytesPerRelay}", Tickets(request.Bytes)));

    private static TicketLedger Tickets(long? budget) => new()
    {
        EpochEnds = new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero),
        TotalBytes = 5_000_000,
        Budget = budget,
        Relays = [new TicketEntry { Relay = ServerDevice, Epoch = 682, PaidBytes = 5_000_000, Connections = 3, CountedBytes = 4_000_000 }],
    };

    public ValueTask<PublishList> ListPublishAsync(CancellationToken cancellationToken) => new(Answer("publish", Rules()));

    public Task<PublishList> AddPublishAsync(AddPublishRequest request, CancellationToken cancellationToken) => Task.FromResult(
        Answer($"publish {request.Port} {request.All} {request.Protocol} [{string.Join(' ', request.To)}]", Rules()));

    public Task<PublishList> RemovePublishAsync(RemovePublishRequest request, CancellationToken cancellationToken) =>
        Task.FromResult(Answer($"unpublish {request.Port} {request.All} {request.Protocol}", new PublishList()));

    public ValueTask<BindList> ListBindsAsync(CancellationToken cancellationToken) => new(Answer("binds", new BindList()));

    public Task<BindList> AddBindAsync(AddBindRequest request, CancellationToken cancellationToken) =>
        Task.FromResult(Answer($"bind {request.Bind}", new BindList()));

    public Task<BindList> RemoveBindAsync(RemoveBindRequest request, CancellationToken cancellationToken) =>
        Task.FromResult(Answer($"unbind {request.Local}", new BindList()));

    public ValueTask<ClearTextList> ListClearTextAsync(CancellationToken cancellationToken) => new(Answer("cleartext", new ClearTextList()));

    public Task<ClearTextList> SetClearTextAsync(ClearTextRequest request, bool allow, CancellationToken cancellationToken) =>
        Task.FromResult(Answer($"cleartext {request.Device} {allow}", new ClearTextList()));

    public ValueTask<ExitList> ListExitsAsync(CancellationToken cancellationToken) =>
        new(Answer("exits", Exits(ExitState.Disconnected)));

    public Task<ExitList> UseExitAsync(UseExitRequest request, CancellationToken cancellationToken) => Task.FromResult(Answer(
        $"use {request.Target} {request.AllowLan}",
        Exits(request.Target == "dead" ? ExitState.Blocked : ExitState.Connected)));

    public Task<ExitList> ExitOffAsync(CancellationToken cancellationToken) =>
        Task.FromResult(Answer("off", Exits(ExitState.Disconnected)));

    public Task<ExitList> OfferExitAsync(OfferExitRequest request, CancellationToken cancellationToken) =>
        Task.FromResult(Answer($"offer {request.Region} {request.Ipv4} {request.Ipv6}", Exits(ExitState.Disconnected)));

    public Task<ExitList> UnofferExitAsync(CancellationToken cancellationToken) =>
        Task.FromResult(Answer("unoffer", Exits(ExitState.Disconnected)));

    public Task<OperationResult> ResetAsync(CancellationToken cancellationToken) => Done("reset");

    public async IAsyncEnumerable<ControlEvent> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Record("watch");
        yield return new ControlEvent { Status = Status };
        await foreach (ControlEvent change in _events.Reader.ReadAllAsync(cancellationToken))
        {
            yield return change;
        }
    }

    public IReadOnlyDictionary<string, long> GetCounters() => new Dictionary<string, long>
    {
        ["peers"] = 1,
        ["drops_total{reason=\"no_peer\"}"] = 7,
    };

    internal void Publish(DaemonStatus status) => _events.Writer.TryWrite(new ControlEvent { Status = status });

    private static PublishList Rules() => new() { Rules = [new PublishRule { Port = 22, Protocol = PublishProtocol.Tcp, To = ["fleet"] }] };

    private static ExitList Exits(ExitState state) => new()
    {
        Exit = new ExitStatus
        {
            State = state,
            Wanted = state == ExitState.Blocked ? "dead" : null,
            InUse = state == ExitState.Connected ? ServerDevice : null,
            Region = state == ExitState.Connected ? "de" : null,
            Reason = state == ExitState.Blocked ? "the exit does not answer" : null,
            Offers = [new ExitOffer { Device = ServerDevice, Label = "server", Region = "de", Ipv4 = true, Online = true }],
        },
    };

    private Task<OperationResult> Done(string call) =>
        Task.FromResult(Answer(call, new OperationResult { Message = $"Done: {call}", Details = ["first step"] }));

    private Task<FleetResult> Fleet(string call) => Task.FromResult(Answer(call, new FleetResult { Fleet = s_fleet }));

    private T Answer<T>(string call, T answer)
    {
        Record(call);
        return answer;
    }

    private void Record(string call)
    {
        Calls.Enqueue(call);
        if (Failure is not null)
        {
            throw Failure;
        }
    }
}
