using System.Buffers.Binary;
using Diode.Tunnel.Platform.Tun.Offload;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tun;

public sealed class SegmenterTests
{
    [Fact]
    public void The_vector_checksum_is_the_one_of_the_paper()
    {
        Random random = new(1);
        byte[] bytes = TestPackets.Random(random, 70_000);
        for (int length = 0; length < 600; length++)
        {
            int start = random.Next(64);
            Assert.Equal(TestPackets.ScalarSum(bytes.AsSpan(start, length)), VectorChecksum.Fold(VectorChecksum.Add(bytes.AsSpan(start, length))));
        }

        for (int i = 0; i < 200; i++)
        {
            ReadOnlySpan<byte> piece = bytes.AsSpan(random.Next(1000), random.Next(65_536));
            int cut = random.Next(piece.Length / 2) * 2;
            ushort expected = TestPackets.ScalarSum(piece, 0x1234);
            ulong sum = VectorChecksum.Add(piece[cut..], VectorChecksum.Add(piece[..cut], VectorChecksum.AddValue(0, 0x1234)));
            Assert.Equal(expected, VectorChecksum.Fold(sum));
            Assert.Equal((ushort)~expected, VectorChecksum.Finish(sum));
        }

        bytes.AsSpan().Fill(0xff);
        Assert.Equal(0xffff, VectorChecksum.Fold(VectorChecksum.Add(bytes)));
        bytes.AsSpan().Clear();
        Assert.Equal(0, VectorChecksum.Fold(VectorChecksum.Add(bytes)));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(6)]
    public void Tcp_segments_are_valid_packets_that_carry_the_payload_on(int version)
    {
        Random random = new(version);
        for (int round = 0; round < 60; round++)
        {
            int options = random.Next(11) * 4;
            int size = random.Next(1, 1461);
            byte[] payload = TestPackets.Random(random, random.Next(1, Math.Min(65_000, size * 64)));
            uint seq = (uint)random.NextInt64(uint.MaxValue);
            byte flags = (byte)(TestPackets.Ack | TestPackets.Psh | TestPackets.Fin | 0x80);
            byte[] super = TestPackets.Tcp(version, payload, seq, flags, options, id: 65_530);
            int network = version == 6 ? 40 : 20;
            SegmentLayout layout = new(
                version == 6 ? SegmentKind.TcpIpv6 : SegmentKind.TcpIpv4, network, network + 20 + options, size);
            // What a kernel leaves open.
            super.AsSpan(network + 16, 2).Fill(0xee);

            List<byte[]> segments = TestPackets.Segments(super, layout);

            Assert.Equal((payload.Length + size - 1) / size, segments.Count);
            Assert.Equal(payload, segments.SelectMany(segment => segment[layout.HeaderLength..]));
            for (int i = 0; i < segments.Count; i++)
            {
                byte[] segment = segments[i];
                Assert.True(TestPackets.IsValid(segment));
                Assert.Equal(seq + (uint)(i * size), BinaryPrimitives.ReadUInt32BigEndian(segment.AsSpan(network + 4)));
                Assert.Equal(i == segments.Count - 1, (segment[network + 13] & (TestPackets.Psh | TestPackets.Fin)) != 0);
                Assert.Equal(i == 0, (segment[network + 13] & 0x80) != 0);
                Assert.Equal(segment.Length, layout.SegmentLength(super.Length, i));
                if (version == 4)
                {
                    Assert.Equal((ushort)(65_530 + i), BinaryPrimitives.ReadUInt16BigEndian(segment.AsSpan(4)));
                }
            }
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(6)]
    public void Udp_segments_are_valid_packets(int version)
    {
        Random random = new(version);
        int network = version == 6 ? 40 : 20;
        for (int round = 0; round < 60; round++)
        {
            int size = random.Next(1, 1400);
            byte[] payload = TestPackets.Random(random, random.Next(1, Math.Min(65_000, size * 64)));
            byte[] super = TestPackets.Udp(version, payload);
            SegmentLayout layout = new(SegmentKind.Udp, network, network + 8, size);

            List<byte[]> segments = TestPackets.Segments(super, layout);

            Assert.All(segments, segment => Assert.True(TestPackets.IsValid(segment)));
            Assert.Equal(payload, segments.SelectMany(segment => segment[layout.HeaderLength..]));
        }
    }

    [Fact]
    public void A_udp_checksum_of_zero_is_written_as_ffff()
    {
        byte[] super = TestPackets.Udp(4, new byte[4]);
        SegmentLayout layout = new(SegmentKind.Udp, 20, 28, 2);
        ushort unset = BinaryPrimitives.ReadUInt16BigEndian(TestPackets.Udp(4, new byte[2]).AsSpan(26));
        // A payload equal to the checksum of the same datagram with zeros makes the sum all ones.
        BinaryPrimitives.WriteUInt16BigEndian(super.AsSpan(28), unset);

        Assert.Equal([0xff, 0xff], TestPackets.Segments(super, layout)[0][26..28]);
    }

    [Fact]
    public void Cutting_allocates_nothing()
    {
        byte[] super = TestPackets.Tcp(4, new byte[60_000]);
        SegmentLayout layout = new(SegmentKind.TcpIpv4, 20, 52, 1368);
        byte[] room = new byte[1500];
        Segmenter.Write(super, in layout, 0, room);
        Assert.Equal(0, AllocationProbe.Fewest(() =>
        {
            for (int i = 0; i < layout.SegmentCount(super.Length); i++)
            {
                Segmenter.Write(super, in layout, i, room);
            }
        }));
    }

    [Fact]
    public void An_ordinary_packet_is_one_segment()
    {
        SegmentLayout none = default;
        Assert.False(none.IsSuperPacket);
        Assert.Equal((1, 1234), (none.SegmentCount(1234), none.SegmentLength(1234, 0)));
    }
}
