using System.Net;
using System.Text;
using Diode.Tunnel.Engine.Membership.Chain;
using Diode.Tunnel.Engine.Membership.DiodeL1;
using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Platform.Storage;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Testing.DiodeL1;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Membership.DiodeL1;

/// <summary>A device that follows a small Diode L1 through relays, in virtual time.</summary>
internal sealed class DiodeWorld : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("diode-l1-").FullName;
    private readonly List<FakeRelay> _relays = [];

    public DiodeWorld(int miners = 5, int blocks = 100, bool lists = true)
    {
        Lab = new DiodeLab(Clock.GetUtcNow, miners, blocks: blocks, lists: lists);
        Rules = BlockQuickRules.DiodeL1 with { Anchor = Lab.Trust(1099) };
        Restart();
    }

    public static ChainMembers Fleet { get; } = new(DiodeLab.Contract);

    public ManualTimeProvider Clock { get; } = new(DateTimeOffset.FromUnixTimeSeconds(1_800_000_000));

    public DiodeLab Lab { get; }

    public BlockQuickRules Rules { get; set; }

    public string TrustedFile => Path.Combine(_folder, TrustedBlockFile.FileName);

    public List<string> Contradicted { get; } = [];

    public List<string> FileProblems { get; } = [];

    public List<Address> Known { get; } = [];

    public DiodeChain Chain { get; private set; } = null!;

    public DiodeFleetReader Reader { get; private set; } = null!;

    public FakeRelay AddRelay(DiodeLab? lab = null)
    {
        FakeRelay relay = new(_relays.Count + 1, lab ?? Lab);
        _relays.Add(relay);
        return relay;
    }

    /// <summary>The device's process begins anew; the file stays.</summary>
    public void Restart()
    {
        EndpointStandings standings = new(Clock) { Doubted = (endpoint, reason) => Contradicted.Add($"{endpoint.Name}: {reason}") };
        TrustedBlockFile file = new(TrustedFile, static (path, content) => AtomicFile.Write(path, content), Rules.Anchor);
        Dictionary<FakeRelay, DiodeRelay> sessions = [];
        Chain?.Dispose();
        Chain = new DiodeChain(
            () => [.. _relays.Select(r => sessions.TryGetValue(r, out DiodeRelay? known) ? known : sessions[r] = Open(r))], standings, new DiodeFollowing(Rules, file, FileProblems.Add), Clock);
        Reader = new DiodeFleetReader(Chain, standings, () => [.. Known], Clock);
    }

    /// <summary>Looks again after 15 seconds.</summary>
    public async Task<EvmResult<DiodeHead>> FollowAsync()
    {
        Clock.Advance(TimeSpan.FromSeconds(15));
        return await Chain.FollowAsync(default);
    }

    public async Task<ulong> FinalAsync()
    {
        EvmResult<DiodeHead> head = await FollowAsync();
        Assert.True(head.IsOk, head.Failure);
        return head.Value.Block.Number;
    }

    public async Task<ChainFleetReading> ReadAsync(ChainFleetReading? last = null)
    {
        Clock.Advance(TimeSpan.FromSeconds(15));
        EvmResult<ChainFleetReading> reading = await Reader.ReadAsync(Fleet, last, false, default);
        Assert.True(reading.IsOk, reading.Failure);
        return reading.Value;
    }

    public async Task<string> FailAsync(ChainFleetReading? last = null)
    {
        Clock.Advance(TimeSpan.FromSeconds(15));
        EvmResult<ChainFleetReading> reading = await Reader.ReadAsync(Fleet, last, false, default);
        Assert.False(reading.IsOk);
        return reading.Failure;
    }

    public void Dispose()
    {
        Chain.Dispose();
        Lab.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private DiodeRelay Open(FakeRelay relay)
    {
        ChainEndpoint endpoint = new(relay.Name, new EvmClient(new JsonRpcClient(15, [])))
        {
            Relay = relay.Relay,
            Blocks = new RelayBlocks(relay, "diode", 15, static () => { }, Clock),
        };
        return new DiodeRelay(relay, endpoint, TimeSpan.FromMilliseconds(200));
    }
}

/// <summary>A relay that has a node of the chain.</summary>
internal sealed class FakeRelay(int number, DiodeLab lab) : IChainRelay
{
    private Action<ulong?>? _watching;

    public string Name => $"relay {number}";

    public Address Relay => new([.. new byte[19], (byte)number]);

    public IPEndPoint? Endpoint => new(IPAddress.Loopback, number);

    public DiodeLab Lab { get; set; } = lab;

    /// <summary>Changes answers; null is silence.</summary>
    public Func<string, byte[], byte[]?>? Edit { get; set; }

    public bool IsGone { get; set; }

    public List<string> Asked { get; } = [];

    /// <summary>Tells of a new block.</summary>
    public void Tell() => _watching?.Invoke(Lab.Peak.Number);

    public bool CallChain(string prefix, string method, string parameters, Action<string?, byte[]?> done) => false;

    public bool SendMetaTransaction(string prefix, byte[] request, Action<string?, byte[]?> done) => false;

    public bool CallDiode(string command, Action<RlpWriter> arguments, Action<string?, byte[]?> done)
    {
        if (IsGone)
        {
            return false;
        }

        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteText(command);
        arguments(writer);
        writer.EndList();
        byte[]? answer = Lab.Answer(writer.WrittenSpan);
        lock (Asked)
        {
            Asked.Add(command);
            answer = Edit is null ? answer : Edit(command, answer);
        }

        if (answer is not null)
        {
            Assert.True(RlpReader.TryReadSingleList(answer, out RlpReader items));
            Assert.True(items.TryReadBytes(out ReadOnlySpan<byte> word));
            if (word.SequenceEqual("response"u8))
            {
                done(null, items.Remaining.ToArray());
            }
            else
            {
                items.TryReadBytes(out ReadOnlySpan<byte> text);
                done(Encoding.UTF8.GetString(text), null);
            }
        }

        return true;
    }

    public bool SubscribeBlocks(string prefix, ulong chainId, Action<ulong?> block)
    {
        Assert.Equal(("diode", 15UL), (prefix, chainId));
        _watching = block;
        return true;
    }
}
