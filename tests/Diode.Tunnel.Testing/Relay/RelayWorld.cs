using Diode.Tunnel.Edge.Framing;
using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;
using Diode.Tunnel.Relay;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Relay.Sessions;

namespace Diode.Tunnel.Testing.Relay;

/// <summary>A relay core and devices on one manual clock, without sockets.</summary>
internal sealed class RelayWorld
{
    public const long Epoch = 692;
    public const long StartMs = 1_795_252_045_000;

    private readonly Queue<uint> _refs = new();
    private uint _nextRef = 0x1000_0000;

    public RelayWorld(RelayLimits? limits = null, IChainClock? chain = null, PrivateKey? key = null, ITicketStore? store = null)
    {
        Key = key ?? PrivateKey.Generate();
        Core = new RelayCore(
            Key,
            limits ?? new RelayLimits(),
            new ServerAnnouncement(Key, "127.0.0.1", 41046, "0.1.0", "test", StartMs),
            chain ?? new WallChainClock(),
            store ?? new MemoryTicketStore(),
            Sockets,
            () => _refs.TryDequeue(out uint known) ? known : _nextRef++);
    }

    public PrivateKey Key { get; }

    public RelayCore Core { get; }

    public FakePhysicalSockets Sockets { get; } = new();

    public long NowMs { get; set; } = StartMs;

    /// <summary>Port refs to be given out first.</summary>
    public void Expect(uint portRef)
    {
        _refs.Enqueue(portRef);
    }

    /// <summary>Forgets what was expected and did not happen.</summary>
    public void ExpectNothing()
    {
        _refs.Clear();
        Sockets.ExpectNothing();
    }

    public RelayPeer Connect(PrivateKey? device = null)
    {
        return new RelayPeer(this, device ?? PrivateKey.Generate());
    }

    public void Advance(TimeSpan by)
    {
        long until = NowMs + (long)by.TotalMilliseconds;
        while (NowMs < until)
        {
            NowMs = Math.Min(NowMs + 250, until);
            Core.Tick(NowMs);
        }
    }
}

/// <summary>One device of a <see cref="RelayWorld"/>.</summary>
internal sealed class RelayPeer : IRelayLink
{
    private readonly RelayWorld _world;
    private readonly List<byte> _unread = [];
    private ulong _lastId;

    public RelayPeer(RelayWorld world, PrivateKey device)
    {
        _world = world;
        Device = device;
        Session = world.Core.TryAdd(device.Address, this, world.NowMs)!;
    }

    public PrivateKey Device { get; }

    public RelaySession Session { get; }

    public string PeerHost => "127.0.0.1";

    public AddressBudget AddressBudget { get; } = new();

    public CloseReason Closed { get; private set; }

    public int RoomSignals { get; private set; }

    public void OnOutputAvailable()
    {
    }

    public void OnOutputOverflow()
    {
        Close(CloseReason.SlowReader);
    }

    public void OnOutboxRoom()
    {
        RoomSignals++;
    }

    public int Checks { get; private set; }

    public void CheckAlive()
    {
        Checks++;
    }

    public void Close(CloseReason reason)
    {
        if (Closed == CloseReason.None)
        {
            Closed = reason;
        }
    }

    public void Disconnect()
    {
        _world.Core.Remove(Session);
    }

    public EdgeServerStatus Feed(ReadOnlySpan<byte> bytes)
    {
        EdgeServerStatus status = Session.Edge.Receive(bytes, _world.NowMs);
        CloseReason reason = status == EdgeServerStatus.Failed ? CloseReason.BadFrame : Session.Tick(_world.NowMs);
        if (reason != CloseReason.None)
        {
            Close(reason);
        }

        return status;
    }

    /// <summary>Sends a command; items are texts, numbers, bytes, addresses.</summary>
    public ulong Send(params object[] command)
    {
        Feed(Frame(++_lastId, command));
        return _lastId;
    }

    /// <summary>Sends a command and returns what was answered under its id, as text.</summary>
    public string Ask(params object[] command)
    {
        ulong id = Send(command);
        foreach (RlpItem frame in Read())
        {
            if (RlpEncoding.TryReadInteger(frame.Items[0].Bytes.Span, out ulong answered) && answered == id)
            {
                return Show(frame.Items[1]);
            }
        }

        return "";
    }

    public string AskTicket(ulong connections, ulong bytes, ulong? epoch = null, Func<TicketV2, TicketV2>? change = null)
    {
        return Ask(TicketItems(connections, bytes, epoch, change));
    }

    public object[] TicketItems(
        ulong connections, ulong bytes, ulong? epoch = null, Func<TicketV2, TicketV2>? change = null)
    {
        var ticket = new TicketV2
        {
            ChainId = 1284,
            EpochNumber = epoch ?? RelayWorld.Epoch,
            Fleet = new Address(new byte[20]),
            Server = _world.Core.Address,
            TotalConnections = connections,
            TotalBytes = bytes,
        };
        ticket = (TicketV2)ticket.Sign(Device);
        ticket = change?.Invoke(ticket) ?? ticket;
        return
        [
            "ticketv2", ticket.ChainId, ticket.EpochNumber, ticket.Fleet, ticket.TotalConnections, ticket.TotalBytes,
            ticket.LocalAddress.ToArray(), ticket.DeviceSignature!.Value.ToArray(),
        ];
    }

    /// <summary>All frames that were queued since the last call, as text, without ids.</summary>
    public string[] ReadTexts()
    {
        return [.. Read().Select(frame => Show(frame.Items[1]))];
    }

    /// <summary>All frames that were queued since the last call.</summary>
    public List<RlpItem> Read()
    {
        Drain(int.MaxValue);
        List<RlpItem> frames = [];
        byte[] bytes = [.. _unread];
        int at = 0;
        while (bytes.Length - at >= 2)
        {
            int length = (bytes[at] << 8) | bytes[at + 1];
            if (bytes.Length - at - 2 < length)
            {
                break;
            }

            byte[] payload = bytes[(at + 2)..(at + 2 + length)];
            at += 2 + length;
            if (Session.Edge.IsCompressed)
            {
                Must(RawDeflate.TryInflate(payload, 1 << 20, out payload));
            }

            Must(RlpItem.TryDecode(payload, out RlpItem? item));
            frames.Add(item!);
        }

        _unread.RemoveRange(0, at);
        return frames;
    }

    /// <summary>Takes up to so many bytes out of the outbox, as a socket would.</summary>
    public int Drain(int most)
    {
        int taken = 0;
        while (taken < most && Session.Edge.Output.TryPeek(out ReadOnlyMemory<byte> chunk))
        {
            int count = Math.Min(chunk.Length, most - taken);
            _unread.AddRange(chunk.Span[..count]);
            Session.Edge.Output.Advance(count);
            taken += count;
        }

        return taken;
    }

    public static byte[] Frame(ulong id, params object[] command)
    {
        var writer = new RlpWriter();
        writer.BeginList();
        writer.WriteUInt64(id);
        writer.BeginList();
        foreach (object item in command)
        {
            Write(writer, item);
        }

        writer.EndList();
        writer.EndList();
        byte[] payload = writer.ToArray();
        return [(byte)(payload.Length >> 8), (byte)payload.Length, .. payload];
    }

    private static void Must(bool holds)
    {
        if (!holds)
        {
            throw new InvalidOperationException("the relay sent a frame that cannot be read");
        }
    }

    private static void Write(RlpWriter writer, object item)
    {
        switch (item)
        {
            case string text:
                writer.WriteText(text);
                break;
            case ulong number:
                writer.WriteUInt64(number);
                break;
            case uint number:
                writer.WriteUInt64(number);
                break;
            case int number:
                writer.WriteUInt64((ulong)number);
                break;
            case Address address:
                writer.WriteAddress(address);
                break;
            case byte[] bytes:
                writer.WriteBytes(bytes);
                break;
            case object[] items:
                writer.BeginList();
                foreach (object inner in items)
                {
                    Write(writer, inner);
                }

                writer.EndList();
                break;
            default:
                throw new ArgumentException("cannot encode " + item.GetType());
        }
    }

    private static string Show(RlpItem item)
    {
        if (item.IsList)
        {
            return "[" + string.Join(' ', item.Items.Select(Show)) + "]";
        }

        ReadOnlySpan<byte> bytes = item.Bytes.Span;
        bool isText = bytes.Length > 0 && bytes.IndexOfAnyExceptInRange((byte)' ', (byte)'~') < 0;
        return isText ? System.Text.Encoding.ASCII.GetString(bytes) : "0x" + Convert.ToHexStringLower(bytes);
    }
}
