using System.Buffers.Binary;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Tun.Offload;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tun;

public sealed class PacketCompletionTests
{
    [Theory]
    [InlineData(4, false)]
    [InlineData(6, false)]
    [InlineData(4, true)]
    [InlineData(6, true)]
    public void A_checksum_the_kernel_left_open_is_completed(int version, bool isUdp)
    {
        int network = version == 6 ? 40 : 20;
        byte[] complete = isUdp ? TestPackets.Udp(version, new byte[33]) : TestPackets.Tcp(version, new byte[33]);
        PacketBuffer buffer = Buffer(complete);
        int field = network + (isUdp ? 6 : 16);
        int length = complete.Length - network;
        uint pseudo = TestPackets.ScalarSum(version == 6 ? complete.AsSpan(8, 32) : complete.AsSpan(12, 8)) + (isUdp ? 17u : 6u) + (uint)length;
        BinaryPrimitives.WriteUInt16BigEndian(buffer.Span[field..], (ushort)((pseudo & 0xffff) + (pseudo >> 16)));
        VirtioHeader header = new() { Flags = 1, ChecksumStart = (ushort)network, ChecksumOffset = isUdp ? (ushort)6 : (ushort)16 };

        Assert.True(PacketCompletion.TryComplete(buffer, in header));

        Assert.False(buffer.Layout.IsSuperPacket);
        Assert.Equal(complete, buffer.Span);
    }

    [Fact]
    public void A_header_that_contradicts_the_packet_is_refused_and_never_throws()
    {
        Random random = new(4);
        int refused = 0;
        PacketBuffer buffer = new PacketPool(0, 0).Rent();
        for (int i = 0; i < 100_000; i++)
        {
            byte[] packet = random.Next(2) == 0 ? TestPackets.Tcp(4 + (random.Next(2) * 2), new byte[100]) : TestPackets.Udp(4, new byte[100]);
            for (int n = random.Next(4); n > 0; n--)
            {
                packet[random.Next(60)] = (byte)random.Next(256);
            }

            Assert.True(buffer.TryAssign(packet.AsSpan(0, random.Next(1, packet.Length))));
            VirtioHeader header = new()
            {
                Flags = (byte)random.Next(2),
                GsoType = (byte)((int[])[0, 1, 3, 4, 5, 0x81, 77])[random.Next(7)],
                GsoSize = (ushort)random.Next(random.Next(2) * 2000),
                ChecksumStart = (ushort)((int[])[20, 40, 60, random.Next(65_536)])[random.Next(4)],
                ChecksumOffset = (ushort)((int[])[6, 16, random.Next(65_536)])[random.Next(3)],
            };
            if (!PacketCompletion.TryComplete(buffer, in header))
            {
                refused++;
            }
            else if (buffer.Layout.IsSuperPacket)
            {
                // What is accepted can be cut.
                Assert.NotEmpty(TestPackets.Segments(buffer.Span.ToArray(), buffer.Layout));
            }
        }

        Assert.InRange(refused, 10_000, 99_000);
    }

    private static PacketBuffer Buffer(byte[] packet)
    {
        PacketBuffer buffer = new PacketPool(0, 0).Rent();
        Assert.True(buffer.TryAssign(packet));
        return buffer;
    }
}
