using System.Globalization;
using System.Text;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Ethereum.Contracts;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.JsonRpc;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Testing.DiodeL1;

/// <summary>
/// A small Diode L1: headers signed by a few miners, accounts and the storage of one fleet contract in real trees, and a node that
/// answers the commands of diode-edge §3.4. A copy goes on with other miners, as a liar's chain does.
/// </summary>
internal sealed class DiodeLab : IDisposable
{
    public static readonly Address Contract = Address.Parse("0x00000000000000000000000000000000000f1ee7");

    private static readonly Hash256 Code = Hash256.Sha256([1, 2, 3]);
    private static readonly Hash256 One = StorageSlots.At(1);

    private readonly Lock _gate = new();
    private readonly List<BlockHeader> _blocks = [];
    private readonly Dictionary<ulong, Dictionary<Hash256, Hash256>> _storages = [];
    private readonly List<Address> _members = [];
    private readonly Dictionary<string, Address[]> _names = [];
    private readonly PrivateKey[] _miners;
    private readonly Func<DateTimeOffset> _now;
    private readonly bool _lists;
    private Dictionary<Hash256, Hash256> _storage = [];
    private Hash256 _stateHash;
    private bool _isChanged = true;

    /// <summary>Makes a chain of some blocks that ends now, one block each 15 seconds.</summary>
    /// <param name="now">The clock.</param>
    /// <param name="miners">How many take turns.</param>
    /// <param name="first">Number of the first block.</param>
    /// <param name="blocks">How many blocks.</param>
    /// <param name="lists">Whether the contract keeps a list of its devices.</param>
    public DiodeLab(Func<DateTimeOffset> now, int miners = 5, ulong first = 1000, int blocks = 100, bool lists = true)
    {
        _now = now;
        _lists = lists;
        _miners = [.. Enumerable.Range(0, miners).Select(static _ => PrivateKey.Generate())];
        ulong start = (ulong)now().ToUnixTimeSeconds() - (15 * (ulong)blocks);
        Seal(new UnsignedHeader(Hash256.Sha256([1]), default, Hash256.Sha256([3]), start, first, 7));
        for (int i = 1; i < blocks; i++)
        {
            Next(start + (15 * (ulong)i));
        }
    }

    private DiodeLab(DiodeLab of, ulong last)
    {
        _now = of._now;
        _lists = of._lists;
        _miners = [.. Enumerable.Range(0, of._miners.Length).Select(static _ => PrivateKey.Generate())];
        _blocks.AddRange(of._blocks.Where(b => b.Number <= last));
        _members.AddRange(of._members);
        foreach (BlockHeader block in _blocks)
        {
            _storages[block.Number] = of._storages[block.Number];
        }
    }

    public BlockHeader Peak
    {
        get
        {
            lock (_gate)
            {
                return _blocks[^1];
            }
        }
    }

    public TrustedBlock Trust(ulong number) => new(number, Find(number)!.Hash);

    /// <summary>The same chain up to a block, from then on by miners whom nobody voted for.</summary>
    public DiodeLab Fork(ulong last)
    {
        lock (_gate)
        {
            return new DiodeLab(this, last);
        }
    }

    /// <summary>The next block will have a name for these devices, as BNS.sol keeps it.</summary>
    public void SetName(string name, params Address[] devices)
    {
        lock (_gate)
        {
            _isChanged = true;
            _names[name] = devices;
        }
    }

    /// <summary>The next block will have it so.</summary>
    public void SetMember(Address device, bool isMember)
    {
        lock (_gate)
        {
            _isChanged = true;
            _members.Remove(device);
            if (isMember)
            {
                _members.Add(device);
            }
        }
    }

    public void Mine(int blocks = 1)
    {
        lock (_gate)
        {
            for (int i = 0; i < blocks; i++)
            {
                Next((ulong)_now().ToUnixTimeSeconds());
            }
        }
    }

    /// <summary>New miners take over in place of this many of the old ones.</summary>
    public void ReplaceMiners(int count)
    {
        for (int i = 0; i < count; i++)
        {
            _miners[i].Dispose();
            _miners[i] = PrivateKey.Generate();
        }
    }

    public BlockHeader? Find(ulong number)
    {
        lock (_gate)
        {
            return number < _blocks[0].Number || number > _blocks[^1].Number ? null : _blocks[(int)(number - _blocks[0].Number)];
        }
    }

    /// <summary>Answers a command: <c>["response", …]</c> or <c>["error", text]</c>.</summary>
    public byte[] Answer(ReadOnlySpan<byte> command)
    {
        RlpItem[] items = RlpItem.TryDecode(command, out RlpItem? decoded) ? [.. decoded.Items] : [];
        string name = items.Length > 0 ? Encoding.ASCII.GetString(items[0].Bytes.Span) : "";
        ulong number = items.Length > 1 && RlpEncoding.TryReadInteger(items[1].Bytes.Span, out ulong read) ? read : 0;
        if (name == "getblockpeak")
        {
            return Response(writer => writer.WriteUInt64(Peak.Number));
        }

        if (Find(number) is not { } block)
        {
            return Error("block not found");
        }

        Dictionary<Hash256, Hash256> storage;
        lock (_gate)
        {
            storage = _storages[number];
        }

        bool isContract = items.Length > 2 && items[2].Bytes.Span.SequenceEqual(Bytes(Contract));
        return name switch
        {
            "getblockheader2" => Response(writer => WriteHeader(writer, block)),
            "getblockquick2" => Response(writer => WriteQuick(writer, number, (int)items[2].Bytes.Span[0])),
            "getstateroots" => Response(writer => WriteRoots(writer, Accounts(storage).Roots)),
            "getaccount" when isContract => Response(writer => WriteAccount(writer, storage)),
            "getaccountroots" when isContract => Response(writer => WriteRoots(writer, Tree(storage).Roots)),
            "getaccountvalue" when isContract => Response(writer => writer.WriteRaw(Tree(storage).Prove(items[3].Bytes.ToArray()))),
            "getaccount" or "getaccountroots" or "getaccountvalue" => Error("account does not exist"),
            _ => Error("bad input"),
        };
    }

    /// <summary>A block as <c>eth_getBlockByNumber</c> tells it.</summary>
    public static string Json(BlockHeader block)
    {
        byte[] signature = new byte[Signature65.Length];
        block.Signature.CopyTo(signature);
        UnsignedHeader fields = block.Fields;
        return $$"""
            {"number":"{{EthereumJson.Quantity(block.Number)}}","timestamp":"{{EthereumJson.Quantity(fields.Timestamp)}}","hash":"{{block.Hash}}",
            "parentHash":"{{block.PreviousBlock}}","stateRoot":"{{fields.StateHash}}","transactionsRoot":"{{fields.TransactionHash}}",
            "miner":"{{block.Miner}}","nonce":"0x{{fields.Nonce.ToString("x2", CultureInfo.InvariantCulture)}}","minerSignature":"{{EthereumJson.Data(signature)}}"}
            """;
    }

    public void Dispose()
    {
        foreach (PrivateKey miner in _miners)
        {
            miner.Dispose();
        }
    }

    private static byte[] Response(Action<RlpWriter> items)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteBytes("response"u8);
        items(writer);
        writer.EndList();
        return writer.ToArray();
    }

    private static byte[] Error(string text)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteBytes("error"u8);
        writer.WriteText(text);
        writer.EndList();
        return writer.ToArray();
    }

    private static void WriteHeader(RlpWriter writer, BlockHeader block)
    {
        byte[] signature = new byte[Signature65.Length];
        block.Signature.CopyTo(signature);
        byte[] key = new byte[PublicKey.CompressedLength];
        block.MinerKey.CopyCompressedTo(key);
        writer.BeginList();
        Pair(writer, "block_hash"u8, w => w.WriteHash(block.Hash));
        Pair(writer, "miner_signature"u8, w => w.WriteBytes(signature));
        Pair(writer, "nonce"u8, w => w.WriteBigInteger(block.Fields.Nonce));
        Pair(writer, "number"u8, w => w.WriteUInt64(block.Number));
        Pair(writer, "previous_block"u8, w => w.WriteHash(block.PreviousBlock));
        Pair(writer, "state_hash"u8, w => w.WriteHash(block.Fields.StateHash));
        Pair(writer, "timestamp"u8, w => w.WriteUInt64(block.Fields.Timestamp));
        Pair(writer, "transaction_hash"u8, w => w.WriteHash(block.Fields.TransactionHash));
        writer.EndList();
        writer.WriteBytes(key);
    }

    private static void WriteRoots(RlpWriter writer, Hash256[] roots)
    {
        writer.BeginList();
        foreach (Hash256 root in roots)
        {
            writer.WriteHash(root);
        }

        writer.EndList();
    }

    private static void WriteAccount(RlpWriter writer, Dictionary<Hash256, Hash256> storage)
    {
        writer.BeginList();
        Pair(writer, "balance"u8, static w => w.WriteUInt64(5));
        Pair(writer, "code"u8, static w => w.WriteHash(Code));
        Pair(writer, "nonce"u8, static w => w.WriteUInt64(1));
        Pair(writer, "storage_root"u8, w => w.WriteHash(StateTree.HashRoots(Tree(storage).Roots)));
        writer.EndList();
        writer.WriteRaw(Accounts(storage).Prove(Bytes(Contract)));
    }

    private static void Pair(RlpWriter writer, ReadOnlySpan<byte> key, Action<RlpWriter> value)
    {
        writer.BeginList();
        writer.WriteBytes(key);
        value(writer);
        writer.EndList();
    }

    // As the full node does it: from the peak down until more than half of the votes are together, and what fills the gap.
    private void WriteQuick(RlpWriter writer, ulong last, int window)
    {
        Dictionary<Address, int> votes = [];
        for (ulong n = last - (ulong)window; n < last; n++)
        {
            if (Find(n) is { } voter)
            {
                votes[voter.Miner] = votes.GetValueOrDefault(voter.Miner) + 1;
            }
        }

        int score = 0;
        ulong begin = Peak.Number;
        for (; begin > last; begin--)
        {
            score += votes.Remove(Find(begin)!.Miner, out int given) ? given : 0;
            if (score > window / 2)
            {
                break;
            }
        }

        ulong fill = Math.Max(Math.Min((ulong)window, begin - last) - 1, 1);
        writer.BeginList();
        for (ulong n = begin - fill; n <= Peak.Number; n++)
        {
            writer.WriteUInt64(n);
        }

        writer.EndList();
    }

    private void Next(ulong timestamp)
    {
        BlockHeader parent = _blocks[^1];
        Seal(parent.Fields with { PreviousBlock = parent.Hash, Number = parent.Number + 1, Timestamp = timestamp });
    }

    private void Seal(UnsignedHeader header)
    {
        if (_blocks.Count == 0 || _isChanged)
        {
            _storage = Storage();
            _stateHash = StateTree.HashRoots(Accounts(_storage).Roots);
            _isChanged = false;
        }

        UnsignedHeader fields = header with { StateHash = _stateHash };
        PrivateKey miner = _miners[(int)(header.Number % (ulong)_miners.Length)];
        if (!BlockHeader.TryCreate(fields, miner.SignHash(fields.Digest), out BlockHeader? block))
        {
            throw new InvalidOperationException("no signature");
        }

        _blocks.Add(block);
        _storages[block.Number] = _storage;
    }

    // Where FleetContract.sol keeps things.
    private Dictionary<Hash256, Hash256> Storage()
    {
        Dictionary<Hash256, Hash256> storage = new() { [StorageSlots.FleetOperator] = StorageSlots.Pad(Contract) };
        for (int i = 0; i < _members.Count; i++)
        {
            storage[StorageSlots.FleetMember(_members[i])] = One;
            if (_lists)
            {
                storage[StorageSlots.FleetDevices] = StorageSlots.At((ulong)_members.Count);
                storage[StorageSlots.Element(StorageSlots.FleetDevices, (ulong)i)] = StorageSlots.Pad(_members[i]);
            }
        }

        foreach ((string name, Address[] devices) in _names)
        {
            Hash256 list = StorageSlots.Next(StorageSlots.BnsEntry(BnsName.Hash(name)), 3);
            storage[list] = StorageSlots.At((ulong)devices.Length);
            for (int i = 0; i < devices.Length; i++)
            {
                storage[StorageSlots.Element(list, (ulong)i)] = StorageSlots.Pad(devices[i]);
            }
        }

        return storage;
    }

    private static DiodeTree Tree(Dictionary<Hash256, Hash256> storage) =>
        new(storage.Select(static e => KeyValuePair.Create(e.Key.ToArray(), e.Value)));

    // Some more accounts, so that proofs have a few levels.
    private static DiodeTree Accounts(Dictionary<Hash256, Hash256> storage) =>
        new([KeyValuePair.Create(Bytes(Contract), StateTree.HashAccount(1, 5, StateTree.HashRoots(Tree(storage).Roots), Code)),
            .. Enumerable.Range(1, 60).Select(static i => KeyValuePair.Create<byte[], Hash256>([.. new byte[19], (byte)i], Hash256.Sha256([(byte)i])))]);

    private static byte[] Bytes(Address address) => Convert.FromHexString(address.ToString().AsSpan(2));
}
