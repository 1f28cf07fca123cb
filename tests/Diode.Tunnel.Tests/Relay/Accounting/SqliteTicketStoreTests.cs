using Diode.Tunnel.Edge.Tickets;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Platform;
using Diode.Tunnel.Relay.Accounting;
using Diode.Tunnel.Testing.Relay;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Diode.Tunnel.Tests.Relay.Accounting;

public sealed class SqliteTicketStoreTests : IDisposable
{
    private static readonly PrivateKey s_relay = PrivateKey.Generate();

    private readonly string _folder = Directory.CreateTempSubdirectory("diode-tickets-").FullName;

    private string FilePath => Path.Combine(_folder, SqliteTicketStore.FileName);

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Tickets_are_there_again_in_the_order_of_acceptance()
    {
        var device = PrivateKey.Generate();
        TicketV2 first = Sign(device, fleet: 1, bytes: 1);
        TicketV2 second = Sign(device, fleet: 2, bytes: 2);
        TicketV2 better = Sign(device, fleet: 1, bytes: 3);
        using (SqliteTicketStore store = Open())
        {
            store.Put(device.Address, first);
            WaitUntilWritten(store);
            store.Put(device.Address, second);
            WaitUntilWritten(store);
            store.Put(device.Address, better);
            Assert.Same(better, store.Find(device.Address, better.Fleet, better.Epoch));
        }

        using SqliteTicketStore again = Open();
        Assert.Equal(2, again.LoadedCount);
        Assert.Equal([2UL, 3UL], again.FindAll(device.Address).Select(ticket => ticket.TotalBytes));
        Assert.All(again.FindAll(device.Address), ticket => Assert.True(ticket.IsSignedBy(device.Address)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(FilePath));
    }

    [Fact]
    public void What_was_written_is_in_the_files_without_closing_them()
    {
        var device = PrivateKey.Generate();
        using SqliteTicketStore store = Open();
        for (ulong i = 1; i <= 200; i++)
        {
            store.Put(device.Address, Sign(device, fleet: (byte)i, bytes: i));
        }

        WaitUntilWritten(store);

        // The files as a killed process leaves them.
        string copy = Path.Combine(_folder, "copy.db");
        File.Copy(FilePath, copy);
        File.Copy(FilePath + "-wal", copy + "-wal");
        using var killed = new SqliteTicketStore(copy, NullLogger.Instance);
        Assert.Equal(200, killed.LoadedCount);
    }

    [Fact]
    public void The_block_hash_of_a_version_1_ticket_is_kept()
    {
        var device = PrivateKey.Generate();
        var ticket = new TicketV1
        {
            BlockNumber = 10,
            BlockHash = Hash256.Sha256("block"u8),
            Fleet = new Address(new byte[20]),
            Server = s_relay.Address,
            TotalConnections = 1,
            TotalBytes = 2,
            LocalAddress = new byte[] { 0, 1, 2 },
        };
        using (SqliteTicketStore store = Open())
        {
            store.Put(device.Address, ticket.Sign(device).Countersign(s_relay));
        }

        using SqliteTicketStore again = Open();
        Assert.True(Assert.Single(again.FindAll(device.Address)).IsSignedBy(device.Address));
    }

    [Fact]
    public void Removed_tickets_stay_away()
    {
        var device = PrivateKey.Generate();
        using (SqliteTicketStore store = Open())
        {
            store.Put(device.Address, Sign(device, fleet: 1, bytes: 1, epoch: 690));
            store.Put(device.Address, Sign(device, fleet: 1, bytes: 1, epoch: 691));
            WaitUntilWritten(store);
            store.RemoveWhere(ticket => ticket.Epoch < 691);
            Assert.Equal(691UL, Assert.Single(store.FindAll(device.Address)).Epoch);
        }

        using SqliteTicketStore again = Open();
        Assert.Equal(691UL, Assert.Single(again.FindAll(device.Address)).Epoch);
    }

    [Fact]
    public void A_file_that_is_no_database_is_named_with_what_to_do()
    {
        File.WriteAllText(FilePath, new string('x', 5000));
        PlatformException exception = Assert.Throws<PlatformException>(Open);
        Assert.Contains(FilePath, exception.Message, StringComparison.Ordinal);
        Assert.Contains("move", exception.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public void A_relay_goes_on_with_its_tickets_and_forgets_old_epochs()
    {
        var device = PrivateKey.Generate();
        using (SqliteTicketStore store = Open())
        {
            var world = new RelayWorld(key: s_relay, store: store);
            world.Core.Tick(world.NowMs);
            RelayPeer peer = world.Connect(device);
            Assert.Equal("[response thanks! 0x400000]", peer.AskTicket(1, 0x400000));
            Assert.Equal("[response thanks! 0x01]", peer.AskTicket(1, 1, epoch: RelayWorld.Epoch - 1));
        }

        using (SqliteTicketStore store = Open())
        {
            var world = new RelayWorld(key: s_relay, store: store);
            RelayPeer peer = world.Connect(device);

            // Nothing is paid ahead by what the relay before has carried already.
            peer.Ask("ping");
            Assert.True(peer.Session.Account.Unpaid is > 0 and < 1000);
            Assert.Equal(0x400000UL + 1024, world.Core.Tickets.TotalScore);
            Assert.StartsWith("[response too_low ", peer.AskTicket(1, 0x3fffff), StringComparison.Ordinal);
            world.NowMs += (long)TimeSpan.FromDays(30).TotalMilliseconds;
            world.Core.Tick(world.NowMs);
            Assert.Equal((ulong)RelayWorld.Epoch, Assert.Single(store.FindAll(device.Address)).Epoch);
        }

        using SqliteTicketStore last = Open();
        Assert.Equal(1, last.LoadedCount);
    }

    [Fact]
    public void What_was_paid_ahead_is_there_after_a_stop_and_used_up_after_a_kill()
    {
        var device = PrivateKey.Generate();
        var other = PrivateKey.Generate();
        using (SqliteTicketStore store = Open())
        {
            var world = new RelayWorld(key: s_relay, store: store);
            Assert.Equal("[response thanks! 0x400000]", world.Connect(device).AskTicket(1, 0x400000));
            Assert.Equal("[response thanks! 0x400000]", world.Connect(other).AskTicket(1, 0x400000));
            world.Core.Tickets.SaveUsage(world.NowMs);
        }

        // The other one is not there in this run, and this run is killed.
        string killed = Path.Combine(_folder, "killed.db");
        using (SqliteTicketStore store = Open())
        {
            var world = new RelayWorld(key: s_relay, store: store);
            Assert.InRange(Unpaid(world, device), -0x400000, -0x400000 + 2000);
            File.Copy(FilePath, killed);
            File.Copy(FilePath + "-wal", killed + "-wal");
            world.Core.Tickets.SaveUsage(world.NowMs);
        }

        using (SqliteTicketStore store = Open())
        {
            var world = new RelayWorld(key: s_relay, store: store);
            Assert.InRange(Unpaid(world, device), -0x400000, -0x400000 + 2000);
            Assert.InRange(Unpaid(world, other), -0x400000, -0x400000 + 2000);
        }

        using (var store = new SqliteTicketStore(killed, NullLogger.Instance))
        {
            Assert.InRange(Unpaid(new RelayWorld(key: s_relay, store: store), device), 1, 1000);
        }
    }

    private static long Unpaid(RelayWorld world, PrivateKey device)
    {
        RelayPeer peer = world.Connect(device);
        peer.Ask("ping");
        return peer.Session.Account.Unpaid;
    }

    private static TicketV2 Sign(PrivateKey device, byte fleet, ulong bytes, ulong epoch = RelayWorld.Epoch)
    {
        byte[] address = new byte[20];
        address[0] = fleet;
        var ticket = new TicketV2
        {
            ChainId = 1284,
            EpochNumber = epoch,
            Fleet = new Address(address),
            Server = s_relay.Address,
            TotalConnections = 1,
            TotalBytes = bytes,
        };
        return (TicketV2)ticket.Sign(device).Countersign(s_relay);
    }

    private static void WaitUntilWritten(SqliteTicketStore store)
    {
        Assert.True(SpinWait.SpinUntil(() => store.IsWritten, TimeSpan.FromSeconds(20)));
    }

    private SqliteTicketStore Open()
    {
        return new SqliteTicketStore(FilePath, NullLogger.Instance);
    }
}
