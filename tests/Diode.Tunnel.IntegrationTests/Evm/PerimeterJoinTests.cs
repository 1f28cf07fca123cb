using System.Diagnostics;
using System.Text.Json.Nodes;
using Diode.Tunnel.Engine;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Diode.Tunnel.IntegrationTests.Evm;

/// <summary>A device joins a perimeter on a real EVM node behind gateways that encrypt like those of Sapphire, honest and lying ones.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "IAsyncLifetime disposes")]
public sealed class PerimeterJoinTests : IAsyncLifetime
{
    private const string Relay = "diode://0x1111111111111111111111111111111111111111@relay.example:41046";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(31);
    private readonly AnvilNode _node = new("127.0.0.1", "--gas-price", "0", "--block-base-fee-per-gas", "0", "--chain-id", "23294");
    private readonly FakeSapphire.Runtime _runtime = new();
    private readonly FakeSapphire[] _gateways;
    private readonly string _folder = Directory.CreateTempSubdirectory("diode-perimeter-").FullName;
    private readonly ManualTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddDays(20_000));
    private readonly Address _operator;
    private readonly DeployedContract _perimeter;
    private TunnelEngine? _engine;

    public PerimeterJoinTests()
    {
        // Stand-ins for Sapphire's precompiles: one answers 32 bytes of ff, the other returns its input.
        _node.Call("anvil_setCode", "0x0100000000000000000000000000000000000001", "0x60001960005260206000f3");
        _node.Call("anvil_setCode", "0x0100000000000000000000000000000000000008", "0x366000600037366000f3");
        _gateways = [new FakeSapphire(_node, _runtime), new FakeSapphire(_node, _runtime)];
        _operator = _node.Accounts[0];
        _perimeter = Deploy();
    }

    private TunnelEngine Engine => _engine!;

    private Address Device => Address.Parse(Engine.Device);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_engine is not null)
        {
            await _engine.DisposeAsync();
        }

        foreach (FakeSapphire gateway in _gateways)
        {
            gateway.Dispose();
        }

        _node.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task What_the_operator_sets_takes_effect_and_leaving_takes_it_back()
    {
        await StartAsync();
        TunnelException unknown = await Assert.ThrowsAsync<TunnelException>(() => JoinAsync(_perimeter));
        Assert.Contains("does not know this device (DNE)", unknown.Message, StringComparison.Ordinal);
        Assert.Contains($"createDevice({Device}", unknown.Hint, StringComparison.Ordinal);
        Assert.Null((await Engine.GetStatusAsync(default)).Perimeter);

        await Engine.PublishAsync("22", ["public"], default);
        await Engine.PublishDefinitionsAsync([(Diode.Tunnel.Engine.PlainPeers.PublishMode.Public, "9090:9090")], default);
        await Engine.AddBindAsync("7000:0x2222222222222222222222222222222222222222:80", default);
        Register(_perimeter);
        _perimeter.Send(_operator, "AddDeviceBatch(address[])", [new object[] { Device }]);
        Set("public", "8080:80 9090 nonsense:");
        Set("protected", "5900,5901:5901:tls");
        Set("private", $"22,443:443:tls,{_operator}");
        Set("bind", "7000:0x3333333333333333333333333333333333333333:80 7001:0x3333333333333333333333333333333333333333:80:tcp");
        Set("fleet", _perimeter.Address.ToString());
        Set("diodeaddrs", Relay + ",eu1.prenet.diode.io");
        Set("sshd", "private:22:root,0x3333333333333333333333333333333333333333");
        Set("debug", "true");
        Set("socksd", "perhaps");
        Set("extra_config", """{"bnsCacheTime": 5, "nothing": null}""");
        Set("wireguard", "[Interface] PrivateKey = auto Address = 10.9.0.2/24 PostUp = reboot [Peer] PublicKey = auto DiodeDevice = 0x4444444444444444444444444444444444444444 AllowedIPs = 10.9.0.0/24");
        PerimeterView joined = await JoinAsync(_perimeter);
        Assert.True(joined is { IsRegistered: true, IsInForce: true, Problem: null, Chain: "sapphire" });
        Assert.Equal(_perimeter.Address.ToString(), joined.Effective);
        Assert.StartsWith("2 of 2 endpoints agree at block", joined.Assurance, StringComparison.Ordinal);
        Assert.Equal($"sapphire:{_perimeter.Address}", joined.Fleet);

        // f8ff…7f as a scalar; found out by a query that only this device could sign, and that one gateway carried.
        byte[] secret = [0xf8, .. Enumerable.Repeat((byte)0xff, 30), 0x7f];
        Assert.Equal(Convert.ToBase64String(FakeSapphire.Runtime.PublicOf(secret)), joined.WireGuardKey);
        Assert.Equal(2, _gateways.Sum(static g => g.Queries));
        string kept = Path.Combine(_folder, "perimeter-wireguard-contract.key");
        Assert.Equal(Convert.ToBase64String(secret), File.ReadAllText(kept).Trim());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(kept));

        EngineStatus status = await Engine.GetStatusAsync(default);
        Assert.Equal(
            [("22", "", false), ("9090", "public", false), ("443/tls", "private", true), ("5900", "protected", true), ("5901/tls", "protected", true), ("8080->80", "public", true)],
            status.Published.Select(static p => (p is { Mode: "public", Port: "80" } ? "8080->80" : p.Port, p.Mode ?? "", p.IsPerimeters)));
        Assert.Equal([_perimeter.Address.ToString()], status.Published.Single(static p => p.Port == "5900").To);
        Assert.Equal([(7000, false), (7001, true)], status.Binds.Select(static b => (b.Local, b.IsPerimeters)));
        FleetView fleet = Assert.Single(status.Fleets);
        Assert.True(fleet.IsMember);
        Assert.Equal("sapphire", fleet.Chain);
        string[] expected =
        [
            "public: nonsense:", "private: port 22 is published by hand", "public: port 9090 is published by hand", "bind: 7000:0x3333", "'eu1.prenet.diode.io' does not say who",
            "sshd: not applied", "debug: not applied", "socksd: 'perhaps' is neither", "extra_config: bnsCacheTime is not applied", "wireguard: its commands", "wireguard: peer 0x4444444444444444444444444444444444444444: the contract does not tell",
        ];
        Assert.All(expected, text => Assert.Contains(joined.Warnings, w => w.Contains(text, StringComparison.Ordinal)));
        Assert.DoesNotContain(joined.Warnings, static w => w.Contains("nothing", StringComparison.Ordinal));
        Assert.Contains(status.Health, static h => h.Code == "PERIMETER_SETTING" && h.Text.StartsWith("sshd", StringComparison.Ordinal));
        Assert.Contains(joined.Values, static v => v.Key == "wireguard" && v.Value.Contains("DiodeDevice 0x4444", StringComparison.Ordinal) && !v.Value.Contains("reboot", StringComparison.Ordinal));

        // What is not the user's is not the user's to take back one by one; another perimeter needs leaving this one.
        Assert.Contains("because of the perimeter", (await Assert.ThrowsAsync<TunnelException>(() => Engine.UnpublishAsync("443", default))).Message, StringComparison.Ordinal);
        Assert.Contains("because of the perimeter", (await Assert.ThrowsAsync<TunnelException>(() => Engine.RemoveBindAsync(7001, default))).Message, StringComparison.Ordinal);
        Assert.Contains("because of the perimeter", (await Assert.ThrowsAsync<TunnelException>(() => Engine.LeaveFleetAsync(fleet.Name, default))).Message, StringComparison.Ordinal);
        Assert.Contains("Leave that first", (await Assert.ThrowsAsync<TunnelException>(() => Engine.JoinPerimeterAsync("0x5555555555555555555555555555555555555555", null, default))).Hint, StringComparison.Ordinal);

        // The operator changes his mind.
        Set("public", "8081");
        Set("bind", "");
        Set("wireguard", "");
        Set("fleet", "");
        _time.Advance(Round);
        status = await UntilAsync("the new port is published", static s => s.Published.Any(static p => p is { Port: "8081", IsPerimeters: true }));
        Assert.DoesNotContain(status.Published, static p => p.Port == "80");
        Assert.Equal([7000], status.Binds.Select(static b => b.Local));
        status = await UntilAsync("the fleet was left", static s => s.Fleets.Count == 0 && s.Perimeter!.WireGuardKey is null);
        Assert.False(File.Exists(kept));
        Assert.Equal(["fleet"], status.Published.Single(static p => p.Port == "5900").To);
        await Engine.UnpublishAsync("22", default);
        Assert.Contains((await Engine.GetStatusAsync(default)).Published, static p => p is { Port: "22", IsPerimeters: true });

        await Engine.LeavePerimeterAsync(default);
        status = await Engine.GetStatusAsync(default);
        Assert.Null(status.Perimeter);
        Assert.Equal(["9090"], status.Published.Select(static p => p.Port));
        Assert.Equal([7000], status.Binds.Select(static b => b.Local));
        Assert.Empty(status.Fleets);
        Assert.DoesNotContain(status.Health, static h => h.Code.StartsWith("PERIMETER", StringComparison.Ordinal));
        await Assert.ThrowsAsync<TunnelException>(() => Engine.LeavePerimeterAsync(default));
    }

    [Fact]
    public async Task A_restart_with_everything_out_of_reach_knows_the_last_values_for_some_time()
    {
        await StartAsync();
        Register(_perimeter);
        Set("public", "8080");
        DateTimeOffset verified = (await JoinAsync(_perimeter)).Verified;
        await _engine!.DisposeAsync();
        Array.ForEach(_gateways, static g => g.IsDown = true);
        _time.Advance(TimeSpan.FromHours(5));
        await StartAsync();
        EngineStatus status = await UntilAsync("the problem is seen", static s => s.Perimeter!.Problem is not null);
        Assert.Contains(status.Published, static p => p is { Port: "8080", IsPerimeters: true });
        Assert.True(status.Perimeter!.IsInForce);
        Assert.InRange(status.Perimeter.Verified, verified, verified + TimeSpan.FromMinutes(5));
        Assert.Contains(status.Health, h => h is { Code: "PERIMETER_UNREACHABLE", IsError: false } && h.Text.Contains($"verified at {verified:yyyy-MM-ddTHH:}", StringComparison.Ordinal));

        _time.Advance(TimeSpan.FromDays(3));
        status = await UntilAsync("it has become too old", static s => !s.Perimeter!.IsInForce);
        Assert.Empty(status.Published);

        Array.ForEach(_gateways, static g => g.IsDown = false);
        _time.Advance(Round);
        await UntilAsync("it is in force again", static s => s.Perimeter is { IsInForce: true, Problem: null } && s.Published.Count == 1);

        _perimeter.Send(_operator, "removeDevice(address)", Device);
        _time.Advance(Round);
        status = await UntilAsync("the device is not registered any more", static s => s.Perimeter is { IsRegistered: false });
        Assert.Empty(status.Published);
        Assert.Contains(status.Health, static h => h is { Code: "PERIMETER", IsError: true });
    }

    [Fact]
    public async Task One_who_lies_changes_nothing()
    {
        await StartAsync();
        Register(_perimeter);
        Set("public", "8080");
        await JoinAsync(_perimeter);

        // One of two tells another port; the other properties go on.
        _gateways[1].Change = (method, parameters, answer) =>
        {
            if (method == "eth_call" && parameters[0]!["data"]!.GetValue<string>().Contains(Convert.ToHexStringLower("public"u8), StringComparison.Ordinal)
                && answer["result"] is not null)
            {
                answer["result"] = DeployedContract.Hex(AbiText.Encode("string", "22"));
            }
        };
        Set("protected", "5900");
        _time.Advance(Round);
        EngineStatus status = await UntilAsync("what they agree on is in force", static s => s.Published.Any(static p => p.Port == "5900"));
        Assert.Contains(status.Published, static p => p.Port == "8080");
        Assert.DoesNotContain(status.Published, static p => p.Port == "22");
        Assert.Contains(status.Perimeter!.Warnings, static w => w.Contains("the value before counts: public:", StringComparison.Ordinal));

        // One of two says that the device is not registered.
        _gateways[1].Change = static (method, _, answer) =>
        {
            if (method == "eth_call")
            {
                answer.Remove("result");
                answer["error"] = new JsonObject { ["code"] = 3, ["message"] = "execution reverted: DNE" };
            }
        };
        _time.Advance(Round);
        status = await UntilAsync("the problem is seen", static s => s.Perimeter!.Problem is not null);
        Assert.Contains(status.Published, static p => p.Port == "8080");
    }

    [Fact]
    public async Task Private_values_come_from_the_runtime_or_not_at_all()
    {
        await StartAsync();
        Register(_perimeter);
        Set("wireguard", "[Interface] PrivateKey = auto");

        // A gateway that tells its own key could read the question and ask it itself.
        _gateways[1].OwnSecret = new FakeSapphire.Runtime().Secret;
        PerimeterView view = await JoinAsync(_perimeter);
        Assert.Null(view.WireGuardKey);
        Assert.Contains(view.Warnings, static w => w.Contains("1 of 2 endpoints tell the same key for confidential calls, 2 have to", StringComparison.Ordinal));
        Assert.Equal(0, _gateways.Sum(static g => g.Queries));

        // An answer that was changed is none; another one's answer is taken.
        _gateways[1].OwnSecret = null;
        _gateways[0].Change = _gateways[1].Change = static (method, parameters, answer) =>
        {
            if (method == "eth_call" && parameters[0]!["data"]!.GetValue<string>().StartsWith("0xa3", StringComparison.Ordinal))
            {
                string text = answer["result"]!.GetValue<string>();
                answer["result"] = text[..^60] + (text[^60] == '0' ? '1' : '0') + text[^59..];
            }
        };
        view = await JoinAsync(_perimeter);
        Assert.Null(view.WireGuardKey);
        Assert.Contains(view.Warnings, static w => w.Contains("can't be decrypted", StringComparison.Ordinal));
        _gateways[1].Change = null;
        view = await JoinAsync(_perimeter);
        Assert.NotNull(view.WireGuardKey);
        Assert.DoesNotContain(view.Warnings, static w => w.Contains("asked for", StringComparison.Ordinal));

        // Public keys of others are told to users of the perimeter only.
        const string Peer = "0x4444444444444444444444444444444444444444";
        _perimeter.Send(_operator, "createDevice(address,string,string,string,string)", Address.Parse(Peer), "peer", "", "", "");
        Set("wireguard", $"[Interface] PrivateKey = auto [Peer] PublicKey = auto DiodeDevice = {Peer}");
        view = await JoinAsync(_perimeter);
        Assert.Contains(view.Warnings, static w => w.Contains($"peer {Peer}: the contract does not tell its public key", StringComparison.Ordinal));
        _perimeter.Send(_operator, "createUser(address,string,string,string)", Device, "user", "", "");
        view = await JoinAsync(_perimeter);
        Assert.DoesNotContain(view.Warnings, static w => w.Contains(Peer, StringComparison.Ordinal));
        Assert.Contains(Peer, await File.ReadAllTextAsync(Path.Combine(_folder, "state.json")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Perimeters_that_point_to_others_are_followed()
    {
        await StartAsync();
        DeployedContract second = Deploy();
        DeployedContract third = Deploy();
        Register(_perimeter);
        Register(second);
        Set("proxy_to", second.Address.ToString());
        Set("public", "1111");
        second.Send(_operator, "setDeviceProperty(address,string,string)", Device, "public", "2222");
        second.Send(_operator, "setDeviceProperty(address,string,string)", Device, "proxy_to", _perimeter.Address.ToString());
        PerimeterView view = await JoinAsync(_perimeter);
        Assert.Equal((_perimeter.Address.ToString(), second.Address.ToString()), (view.Contract, view.Effective));
        Assert.Equal("2222", Assert.Single((await Engine.GetStatusAsync(default)).Published).Port);

        // A contract that does not know the device, and an address where there is none.
        second.Send(_operator, "setDeviceProperty(address,string,string)", Device, "proxy_to", third.Address.ToString());
        _time.Advance(Round);
        await UntilAsync("the third one decides", static s => s.Perimeter is { IsRegistered: false } && s.Published.Count == 0);
        await Engine.LeavePerimeterAsync(default);
        TunnelException nothing = await Assert.ThrowsAsync<TunnelException>(() => Engine.JoinPerimeterAsync(_operator.ToString(), null, default));
        Assert.Contains("there is no perimeter at", nothing.Message, StringComparison.Ordinal);
        Assert.Equal("BAD_REQUEST", (await Assert.ThrowsAsync<TunnelException>(() => Engine.JoinPerimeterAsync("0x12", null, default))).Code);
    }

    private DeployedContract Deploy() => DeployedContract.Deploy(_node, "Perimeter", _operator, "address,string", _operator, "office");

    private void Register(DeployedContract perimeter) =>
        perimeter.Send(_operator, "createDevice(address,string,string,string,string)", Device, "lap", "", "", "");

    private void Set(string key, string value) => _perimeter.Send(_operator, "setDeviceProperty(address,string,string)", Device, key, value);

    private Task<PerimeterView> JoinAsync(DeployedContract perimeter) => Engine.JoinPerimeterAsync(perimeter.Address.ToString(), null, default);

    // A tunnel that is down changes nothing on the machine; its perimeter is looked after all the same.
    private async Task StartAsync()
    {
        string state = Path.Combine(_folder, "state.json");
        if (!File.Exists(state))
        {
            await File.WriteAllTextAsync(state, """{ "schema": 1, "wantUp": false }""");
        }

        _engine = await TunnelEngine.StartAsync(
            new EngineOptions { StateDirectory = _folder, Chains = [.. _gateways.Select(static g => $"sapphire={g.Endpoint}")] }, NullLoggerFactory.Instance, _time);
    }

    private async Task<EngineStatus> UntilAsync(string what, Func<EngineStatus, bool> isSo)
    {
        for (long started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started) < Patience; await Task.Delay(50))
        {
            // The engine's own clock has to go on for it to do anything.
            _time.Advance(TimeSpan.FromSeconds(1));
            EngineStatus status = await Engine.GetStatusAsync(default);
            if (isSo(status))
            {
                return status;
            }
        }

        EngineStatus last = await Engine.GetStatusAsync(default);
        throw new TimeoutException($"not seen: {what}; perimeter {last.Perimeter}, {string.Join("; ", last.Health.Select(static h => h.Text))}");
    }
}
