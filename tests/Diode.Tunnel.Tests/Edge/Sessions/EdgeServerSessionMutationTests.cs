using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Testing.Relay;
using Xunit;

namespace Diode.Tunnel.Tests.Edge.Sessions;

public sealed class EdgeServerSessionMutationTests
{
    private const int Inputs = 100_000;
    private const int Seed = 20261121;

    [Fact]
    public void Damaged_frames_never_throw_and_never_touch_others()
    {
        var random = new Random(Seed);
        var world = new RelayWorld();
        RelayPeer victim = world.Connect();
        RelayPeer witness = world.Connect();
        byte[][] seeds = MakeSeeds(witness);
        RelayPeer attacker = world.Connect();
        int failed = 0;
        for (int i = 0; i < Inputs; i++)
        {
            byte[] input = Mutate(random, seeds[random.Next(seeds.Length)]);
            if (attacker.Session.Edge.Receive(input, world.NowMs) == EdgeServerStatus.Failed
                || attacker.Session.Edge.IsCompressed
                || ((input[0] << 8) | input[1]) != input.Length - 2)
            {
                failed++;
                attacker.Disconnect();
                attacker = world.Connect(attacker.Device);
            }

            Discard(attacker);
            Discard(witness);
        }

        Assert.True(failed > 1000);
        Assert.Equal("[response pong]", victim.Ask("ping"));
        Assert.Equal("[response pong]", witness.Ask("ping"));
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        var random = new Random(Seed);
        var world = new RelayWorld();
        RelayPeer attacker = world.Connect();
        for (int i = 0; i < 20_000; i++)
        {
            byte[] input = new byte[random.Next(1, 80)];
            random.NextBytes(input);
            if (random.Next(2) == 0)
            {
                input[0] = 0;
            }

            if (attacker.Session.Edge.Receive(input, world.NowMs) == EdgeServerStatus.Failed)
            {
                attacker.Disconnect();
                attacker = world.Connect(attacker.Device);
            }

            Discard(attacker);
        }
    }

    [Fact]
    public void Damaged_deflate_never_throws()
    {
        var random = new Random(Seed);
        var world = new RelayWorld();
        byte[] ping = Diode.Tunnel.Edge.Framing.RawDeflate.Deflate(RelayPeer.Frame(3, "getobject", new byte[60]).AsSpan(2));
        byte[] seed = [(byte)(ping.Length >> 8), (byte)ping.Length, .. ping];
        for (int i = 0; i < 5_000; i++)
        {
            RelayPeer attacker = world.Connect();
            attacker.Send("hello", 1001, "zlib");
            attacker.Session.Edge.Receive(Mutate(random, seed), world.NowMs);
            attacker.Disconnect();
        }
    }

    private static void Discard(RelayPeer peer)
    {
        FrameOutbox outbox = peer.Session.Edge.Output;
        while (outbox.TryPeek(out ReadOnlyMemory<byte> chunk))
        {
            outbox.Advance(chunk.Length);
        }
    }

    private static byte[][] MakeSeeds(RelayPeer other)
    {
        return
        [
            RelayPeer.Frame(1, "hello", 1001),
            RelayPeer.Frame(2, other.TicketItems(1, 1000)),
            RelayPeer.Frame(3, "ticket", 3, other.Device.Address, 1, 1000, new byte[21], new byte[65]),
            RelayPeer.Frame(4, "portopen", other.Device.Address, "tls:22", "rws"),
            RelayPeer.Frame(5, "portsend", 0x1000_0000u, "some data"),
            RelayPeer.Frame(6, "portclose", 0x1000_0001u),
            RelayPeer.Frame(7, "response", 0x1000_0000u, "ok"),
            RelayPeer.Frame(8, "error", 0x1000_0000u, "no"),
            RelayPeer.Frame(9, "getobject", other.Device.Address),
            RelayPeer.Frame(10, "getnode", new byte[20]),
            RelayPeer.Frame(11, "isonline", other.Device.Address),
            RelayPeer.Frame(12, "message", other.Device.Address, "text", new object[] { new object[] { "a", "b" } }),
            RelayPeer.Frame(13, "glmr:getobject", new byte[20]),
            RelayPeer.Frame(14, "wireguard", "open", new byte[32]),
            RelayPeer.Frame(15, "bytes"),
            RelayPeer.Frame(16, "portopen", other.Device.Address, new byte[300], "rw"),
            RelayPeer.Frame(17, "channel", 1284, 3, other.Device.Address, "broadcast", "room", Array.Empty<object>(), new byte[65]),
            RelayPeer.Frame(18, "portopen", new byte[32], "x", "rwt"),
            RelayPeer.Frame(19, "portopen", new byte[20], "x", "rwp"),
            RelayPeer.Frame(20, "portopen2", other.Device.Address, "51820", "rwu"),
            RelayPeer.Frame(21, "glmr:getaccountvalue", "latest", new byte[20], new byte[32]),
        ];
    }

    private static byte[] Mutate(Random random, byte[] seed)
    {
        byte[] input = [.. seed];
        int changes = random.Next(1, 4);
        for (int i = 0; i < changes; i++)
        {
            switch (random.Next(5))
            {
                case 0:
                    input[random.Next(input.Length)] = (byte)random.Next(256);
                    break;
                case 1:
                    input[random.Next(2, input.Length)] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    int cut = random.Next(2, input.Length);
                    input = [.. input[..cut], .. input[Math.Min(input.Length, cut + random.Next(1, 9))..]];
                    break;
                case 3:
                    int at = random.Next(2, input.Length);
                    input = [.. input[..at], (byte)random.Next(256), .. input[at..]];
                    break;
                default:
                    input[random.Next(2, Math.Min(input.Length, 8))] = (byte)random.Next(0x80, 256);
                    break;
            }

            if (input.Length < 4)
            {
                input = [.. seed];
            }
        }

        // Most inputs keep the framing, so that the decoder behind it is reached.
        if (random.Next(10) > 0)
        {
            input[0] = (byte)((input.Length - 2) >> 8);
            input[1] = (byte)(input.Length - 2);
        }

        return input;
    }
}
