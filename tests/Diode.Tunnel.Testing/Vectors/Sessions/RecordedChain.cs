using System.Text.Json;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Chains;

namespace Diode.Tunnel.Testing.Vectors.Sessions;

/// <summary>
/// The chain as a recording shows it: block hashes that are mentioned anywhere in the file, fleets as they were warned
/// about, and for chain commands the recorded answers. What is tested with it is the session in front of the chain.
/// </summary>
internal sealed class RecordedChain : IChainClock, IChainGateway
{
    private static readonly string[] Prefixes = ["glmr", "diode", "base", "sapphire", ""];

    private readonly EdgeScenario _scenario;
    private readonly Dictionary<ulong, Hash256> _blocks = [];
    private readonly Dictionary<Address, FleetStanding> _warned = [];
    private readonly Dictionary<string, Queue<byte[]>> _answers = [];
    private readonly Queue<RlpItem> _headers = new();
    private readonly List<IChainSubscriber> _subscribers = [];

    public RecordedChain(EdgeScenario scenario)
    {
        _scenario = scenario;
        foreach (JsonElement other in scenario.File.Items("cases"))
        {
            ReadBlocks(new VectorCase(other));
        }

        ReadNotes(scenario.Notes, overwrite: true);
        ReadAnswers();
    }

    public bool IsKnown(ulong chainId)
    {
        return chainId is 15 or 1284 or 8453;
    }

    // Version 1 epochs count blocks, and the recorded chain has a few.
    public ulong GetEpoch(ulong chainId, long unixTimeMs)
    {
        return chainId == 15 ? 0 : _scenario.Epoch;
    }

    public bool TryGetBlockHash(ulong chainId, ulong blockNumber, out Hash256 hash)
    {
        return _blocks.TryGetValue(blockNumber, out hash);
    }

    public bool IsActive(ReadOnlySpan<byte> prefix)
    {
        return Prefixes.Contains(System.Text.Encoding.ASCII.GetString(prefix));
    }

    public bool IsReadable(ulong chainId)
    {
        return IsKnown(chainId);
    }

    public ValueTask<byte[]> HandleCommandAsync(
        string prefix, ReadOnlyMemory<byte> command, CancellationToken cancel)
    {
        string key = prefix + "/" + Convert.ToHexStringLower(command.Span);
        return ValueTask.FromResult(
            _answers.TryGetValue(key, out Queue<byte[]>? answers) && answers.TryDequeue(out byte[]? answer)
                ? answer
                : Encode("error", "bad input"));
    }

    public bool TryGetPeak(ulong chainId, out ChainPeak peak)
    {
        peak = default;
        return false;
    }

    public ValueTask<Hash256?> GetBlockHashAsync(ulong chainId, ulong number, CancellationToken cancel)
    {
        return ValueTask.FromResult(_blocks.TryGetValue(number, out Hash256 hash) ? hash : (Hash256?)null);
    }

    public ValueTask<byte[]?> EthCallAsync(
        ulong chainId, Address to, ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        return ValueTask.FromResult<byte[]?>(null);
    }

    public ValueTask<FleetStanding> CheckFleetAsync(ulong chainId, Address fleet, CancellationToken cancel)
    {
        return ValueTask.FromResult(_warned.GetValueOrDefault(fleet, FleetStanding.Registered));
    }

    // The registry of the recording takes every device.
    public ValueTask<bool?> IsDeviceAllowedAsync(
        ulong chainId, Address fleet, Address device, CancellationToken cancel)
    {
        return ValueTask.FromResult<bool?>(true);
    }

    public bool CanSubscribe(string prefix)
    {
        return Prefixes.Contains(prefix);
    }

    public IDisposable? Subscribe(string prefix, IChainSubscriber subscriber)
    {
        _subscribers.Add(subscriber);
        return new Subscription();
    }

    /// <summary>A recorded block appears.</summary>
    public void PushBlock()
    {
        if (_headers.TryDequeue(out RlpItem? header)
            && RlpEncoding.TryReadInteger(header.Items[1].Items[1].Bytes.Span, out ulong chainId))
        {
            _subscribers.ForEach(subscriber => subscriber.OnBlock(chainId, header.Items[1].Items[2].Encode()));
        }
    }

    private static byte[] Encode(params string[] texts)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        Array.ForEach(texts, writer.WriteText);
        writer.EndList();
        return writer.ToArray();
    }

    private void ReadBlocks(VectorCase scenario)
    {
        ReadNotes(scenario.Items("notes").Select(VectorCase.ToText), overwrite: false);
        foreach (JsonElement step in scenario.Items("steps"))
        {
            if (new VectorCase(step).Has("decoded"))
            {
                ReadHeaders(step.GetProperty("decoded"));
            }
        }
    }

    private void ReadNotes(IEnumerable<string> notes, bool overwrite)
    {
        foreach (string note in notes)
        {
            string[] words = note.Split(' ');
            if (words is ["block", var number, "hash", var hash])
            {
                Add(ulong.Parse(number, System.Globalization.CultureInfo.InvariantCulture), hash, overwrite);
            }
        }
    }

    // Header pairs: block_hash first, the number in the middle, the hash of the block before it after that.
    private void ReadHeaders(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Array)
        {
            return;
        }

        string? hash = FindPair(element, "block_hash"u8);
        string? number = FindPair(element, "number"u8);
        if (hash is { Length: 64 } && number is not null
            && RlpEncoding.TryReadInteger(Convert.FromHexString(number), out ulong height))
        {
            Add(height, hash, overwrite: false);
            if (height > 0 && FindPair(element, "previous_block"u8) is { Length: 64 } previous)
            {
                Add(height - 1, previous, overwrite: false);
            }
        }

        foreach (JsonElement item in element.EnumerateArray())
        {
            ReadHeaders(item);
        }
    }

    private static string? FindPair(JsonElement list, ReadOnlySpan<byte> key)
    {
        string name = Convert.ToHexStringLower(key);
        foreach (JsonElement pair in list.EnumerateArray())
        {
            if (pair.ValueKind == JsonValueKind.Array
                && pair.GetArrayLength() == 2
                && pair[0].ValueKind == JsonValueKind.String
                && pair[0].GetString() == name)
            {
                return pair[1].ValueKind == JsonValueKind.String ? pair[1].GetString() : null;
            }
        }

        return null;
    }

    private void Add(ulong number, string hash, bool overwrite)
    {
        var value = new Hash256(Convert.FromHexString(hash));
        if (overwrite || !_blocks.ContainsKey(number))
        {
            _blocks[number] = value;
        }
    }

    private void ReadAnswers()
    {
        EdgeStep? ticket = null;
        Dictionary<string, string> commands = [];
        foreach (EdgeStep step in _scenario.Steps.Where(step => step.Message is not null))
        {
            IReadOnlyList<RlpItem> items = step.Message!.Items[1].Items;
            switch (step.Event, step.Method)
            {
                case ("c2s", "ticket" or "ticketv2"):
                    ticket = step;
                    break;
                case ("s2c", "notify") when ticket is not null:
                    Address.TryRead(ticket.Message!.Items[1].Items[^5].Bytes.Span, out Address fleet);
                    _warned[fleet] = items[2].Bytes.Span.SequenceEqual("fleet_not_found"u8)
                        ? FleetStanding.NotRegistered
                        : FleetStanding.NotAContract;
                    break;
                case ("s2c", "blockheader"):
                    _headers.Enqueue(step.Message);
                    break;
                case ("c2s", var method):
                    string[] parts = method.Split(':', 2);
                    commands[step.Request] = parts.Length == 2
                        ? parts[0] + "/" + Convert.ToHexStringLower(WithMethod(parts[1], items))
                        : "/" + Convert.ToHexStringLower(step.Message.Items[1].Encode());
                    break;
                case ("s2c", "response" or "error") when commands.TryGetValue(step.Request, out string? command):
                    if (!_answers.TryGetValue(command, out Queue<byte[]>? answers))
                    {
                        _answers[command] = answers = new Queue<byte[]>();
                    }

                    answers.Enqueue(step.Message.Items[1].Encode());
                    break;
            }
        }
    }

    private static byte[] WithMethod(string method, IReadOnlyList<RlpItem> items)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteText(method);
        foreach (RlpItem item in items.Skip(1))
        {
            writer.WriteRaw(item.Encode());
        }

        writer.EndList();
        return writer.ToArray();
    }

    private sealed class Subscription : IDisposable
    {
        public void Dispose()
        {
        }
    }
}
