using System.Text.Json;
using Diode.Tunnel.Platform.Tls;
using Diode.Tunnel.Testing;
using Diode.Tunnel.Testing.Vectors;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Tls;

/// <summary>The checks that come before any TLS library.</summary>
public sealed class HandshakeGuardTests
{
    [Fact]
    public void Every_certificate_vector_is_judged_as_it_must_be()
    {
        using JsonDocument file = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(VectorSuite.FindFolder(), "certificate.json")));
        int judged = 0;
        foreach (JsonElement vector in file.RootElement.GetProperty("cases").EnumerateArray())
        {
            byte[] der = Convert.FromHexString(vector.GetProperty("der").GetString()!);
            bool accepted = PeerCertificateCheck.CheckForm(der) is null;
            string must = vector.GetProperty("must").GetString()!;
            Assert.True(must == "either" || accepted == (must == "accept"), vector.GetProperty("name").GetString());
            judged++;
        }

        Assert.True(judged > 10);
    }

    [Theory]
    [InlineData("Ed25519")]
    [InlineData("explicit curve")]
    [InlineData("P-256")]
    [InlineData("trailing byte")]
    public void Odd_forms_are_refused(string name)
    {
        using JsonDocument file = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(VectorSuite.FindFolder(), "certificate.json")));
        JsonElement vector = file.RootElement.GetProperty("cases").EnumerateArray()
            .Single(one => one.GetProperty("name").GetString()!.Contains(name, StringComparison.Ordinal));
        Assert.NotNull(PeerCertificateCheck.CheckForm(Convert.FromHexString(vector.GetProperty("der").GetString()!)));
    }

    [Fact]
    public void Mutated_certificates_are_judged_and_never_throw()
    {
        using TlsIdentity identity = TestIdentity.Create(out byte[] der);
        InputMutator mutator = new(30, der);
        int refused = 0;
        for (int i = 0; i < 100_000; i++)
        {
            refused += PeerCertificateCheck.CheckForm(mutator.Next()) is null ? 0 : 1;
        }

        Assert.InRange(refused, 10_000, 99_999);
    }

    [Fact]
    public void Mutated_handshakes_are_bounded_and_never_throw()
    {
        using TlsIdentity identity = TestIdentity.Create(out byte[] der);
        byte[] flight =
        [
            .. Record(22, Message(1, [3, 3, .. new byte[32], 0, 0, 2, 0xc0, 0x2c, 1, 0])),
            .. Record(22, Message(11, [0, 0, 0]), Message(16, new byte[66]), Message(15, new byte[70])),
            .. Record(22, Message(11, [0, 1, (byte)(der.Length + 3 - 256), 0, 1, (byte)(der.Length - 256), .. der])),
            .. Record(20, [1]),
        ];
        InputMutator mutator = new(31, flight);
        int records = 0;
        for (int i = 0; i < 100_000; i++)
        {
            HandshakeGuard guard = new(TlsRole.Server, static _ => true);
            ReadOnlySpan<byte> input = mutator.Next();
            while (guard.TryTake(ref input, out ReadOnlySpan<byte> taken))
            {
                Assert.False(taken.IsEmpty);
                records++;
            }

            Assert.True(input.IsEmpty || guard.Refusal is not null || guard.IsOpen);
        }

        Assert.True(records > 100);
    }

    [Fact]
    public void Messages_cut_into_records_of_one_byte_are_handed_on_whole()
    {
        byte[] hello = Message(1, [3, 3, .. new byte[32], 0, 0, 2, 0xc0, 0x2c, 1, 0]);
        byte[] wire = [.. hello.SelectMany(one => Record(22, [one]))];
        HandshakeGuard guard = new(TlsRole.Server, static _ => true);
        ReadOnlySpan<byte> input = wire.AsSpan(0, wire.Length - 1);
        Assert.False(guard.TryTake(ref input, out _));
        input = wire.AsSpan(wire.Length - 1);
        Assert.True(guard.TryTake(ref input, out ReadOnlySpan<byte> records));
        Assert.Equal(wire, records.ToArray());
    }

    [Theory]
    [InlineData(1, 12 * 1024 + 1)]
    [InlineData(11, 0xffffff)]
    [InlineData(16, 0xffffff)]
    public void A_long_message_is_refused_by_its_header(byte type, int length)
    {
        Refuse(Record(22, [type, (byte)(length >> 16), (byte)(length >> 8), (byte)length]), TlsAlert.RecordOverflow);
    }

    [Fact]
    public void A_record_header_of_impossible_length_is_refused()
    {
        Refuse([22, 3, 3, 0x40, 1], TlsAlert.RecordOverflow);
        Refuse([22, 3, 3, 0, 0], TlsAlert.RecordOverflow);
    }

    [Fact]
    public void An_endless_handshake_is_refused()
    {
        HandshakeGuard guard = new(TlsRole.Client, static _ => true);
        byte[] record = Record(22, new byte[1000]);
        for (int i = 0; guard.Refusal is null; i++)
        {
            ReadOnlySpan<byte> input = record;
            guard.TryTake(ref input, out _);
            Assert.True(i < 100);
        }
    }

    [Fact]
    public void Alerts_without_end_are_refused()
    {
        HandshakeGuard guard = new(TlsRole.Server, static _ => true);
        for (int i = 0; guard.Refusal is null; i++)
        {
            ReadOnlySpan<byte> input = [21, 3, 3, 0, 2, 1, 90];
            guard.TryTake(ref input, out _);
            Assert.True(i < 10);
        }
    }

    [Theory]
    [InlineData(23)]
    [InlineData(24)]
    [InlineData(0)]
    public void Other_records_are_refused(byte type)
    {
        Refuse(Record(type, [1, 2, 3]), TlsAlert.UnexpectedMessage);
    }

    [Fact]
    public void Messages_of_the_other_side_and_second_ones_are_refused()
    {
        byte[] hello = Message(1, [3, 3, .. new byte[32], 0, 0, 2, 0xc0, 0x2c, 1, 0]);
        Refuse(Record(22, Message(2, new byte[70])), TlsAlert.UnexpectedMessage);
        Refuse(Record(22, Message(20, new byte[12])), TlsAlert.UnexpectedMessage);
        Refuse(Record(22, hello, hello), TlsAlert.UnexpectedMessage);
        Refuse([.. Record(22, [1, 0, 0]), .. Record(20, [1])], TlsAlert.UnexpectedMessage);
    }

    [Fact]
    public void Certificate_lists_other_than_of_one_are_refused()
    {
        using TlsIdentity identity = TestIdentity.Create(out byte[] der);
        byte[] one = [0, (byte)(der.Length >> 8), (byte)der.Length, .. der];
        Refuse(Record(22, Message(11, [0, 0, 0])), TlsAlert.HandshakeFailure);
        Refuse(Record(22, Message(11, [])), TlsAlert.DecodeError);
        Refuse(Record(22, Message(11, [0, 0, 9, 0])), TlsAlert.DecodeError);
        int two = 2 * one.Length;
        Refuse(Record(22, Message(11, [0, (byte)(two >> 8), (byte)two, .. one, .. one])), TlsAlert.BadCertificate);

        HandshakeGuard guard = new(TlsRole.Server, static _ => true);
        ReadOnlySpan<byte> input = Record(
            22, Message(11, [0, (byte)(one.Length >> 8), (byte)one.Length, .. one]));
        Assert.True(guard.TryTake(ref input, out _));
        Assert.Equal(der, guard.PeerCertificate);
    }

    private static void Refuse(byte[] wire, TlsAlert alert)
    {
        HandshakeGuard guard = new(TlsRole.Server, static _ => true);
        ReadOnlySpan<byte> input = wire;
        while (guard.TryTake(ref input, out _))
        {
        }

        Assert.Equal(alert, guard.Refusal?.Alert);
    }

    private static byte[] Message(byte type, byte[] body) =>
        [type, 0, (byte)(body.Length >> 8), (byte)body.Length, .. body];

    private static byte[] Record(byte type, params byte[][] messages)
    {
        byte[] body = [.. messages.SelectMany(static message => message)];
        return [type, 3, 3, (byte)(body.Length >> 8), (byte)body.Length, .. body];
    }
}
