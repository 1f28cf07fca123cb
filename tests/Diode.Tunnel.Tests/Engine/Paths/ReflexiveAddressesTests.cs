using System.Buffers.Binary;
using Diode.Tunnel.Engine.Paths;
using Diode.Tunnel.Platform.Sockets;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Paths;

/// <summary>Learning one's own address from relays, and what kind of NAT there is.</summary>
public sealed class ReflexiveAddressesTests
{
    private const long Ms = TimeSpan.TicksPerMillisecond;
    private static readonly EndpointAddress First = PathWorld.Address("192.0.2.1:19403");
    private static readonly EndpointAddress Second = PathWorld.Address("192.0.2.2:19403");
    private static readonly EndpointAddress Mapped = PathWorld.Address("198.51.100.7:4711");

    private readonly ReflexiveAddresses _addresses = new();
    private readonly List<(EndpointAddress To, byte[] Request)> _sent = [];
    private long _now = 1000 * Ms;

    [Fact]
    public void An_answer_gives_the_address_and_is_refreshed_only_while_it_is_wanted()
    {
        _addresses.SetServers([First]);
        Advance();
        Assert.Equal(UdpReach.Unknown, _addresses.Reach);
        Assert.True(Answer(First, Mapped));
        Assert.Equal((Mapped, UdpReach.Stable), (_addresses.Addresses.Single(), _addresses.Reach));
        _now += 60_000 * Ms;
        Advance(isWanted: false);
        Assert.Single(_sent);
        Advance();
        Assert.Equal(2, _sent.Count);
        Assert.False(Answer(First, Mapped));
    }

    [Fact]
    public void Two_relays_tell_a_symmetric_nat_from_another()
    {
        _addresses.SetServers([First, Second]);
        Advance();
        Answer(First, Mapped);
        Answer(Second, Mapped);
        Assert.Equal(UdpReach.Stable, _addresses.Reach);
        _addresses.Restart(_now);
        Advance();
        Assert.True(Answer(Second, Mapped.WithPort(4712)));
        Assert.Equal(UdpReach.Varying, _addresses.Reach);
        Assert.Equal(2, _addresses.Addresses.Count());
    }

    [Fact]
    public void Silence_is_taken_for_blocked_after_a_few_attempts_and_asked_again_later()
    {
        _addresses.SetServers([First]);
        for (int i = 0; i < 30; i++)
        {
            Advance();
            _now += 200 * Ms;
        }

        Assert.Equal(UdpReach.Blocked, _addresses.Reach);
        Assert.Equal(4, _sent.Count);
        _now += 130_000 * Ms;
        Advance(isWanted: false);
        Assert.Equal(5, _sent.Count);
        Assert.True(Answer(First, Mapped));
        Assert.Equal(UdpReach.Stable, _addresses.Reach);
    }

    [Fact]
    public void What_was_not_asked_for_is_ignored()
    {
        _addresses.SetServers([First]);
        Advance();
        byte[] right = MakeAnswer(_sent[0].Request, Mapped);
        Assert.False(_addresses.Receive(right, Second, _now));
        byte[] wrong = [.. right];
        wrong[9] ^= 1;
        Assert.False(_addresses.Receive(wrong, First, _now));
        Assert.True(_addresses.Receive(right, First, _now));
        Assert.False(_addresses.Receive(right, First, _now));
    }

    [Fact]
    public void Damaged_answers_are_refused_without_an_exception()
    {
        Random random = new(3);
        byte[] request = StunMessage.MakeRequest();
        byte[] right = MakeAnswer(request, PathWorld.Address("[2001:db8::5]:77"));
        Assert.True(StunMessage.TryReadAnswer(right, request, out EndpointAddress address));
        Assert.Equal(PathWorld.Address("[2001:db8::5]:77"), address);
        for (int i = 0; i < 100_000; i++)
        {
            byte[] damaged = [.. right];
            for (int n = random.Next(1, 4); n > 0; n--)
            {
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            }

            StunMessage.TryReadAnswer(damaged.AsSpan(0, random.Next(damaged.Length + 1)), request, out _);
        }
    }

    private void Advance(bool isWanted = true)
    {
        _addresses.Advance(
            _now,
            isWanted,
            (to, request) =>
            {
                _sent.Add((to, request));
                return true;
            });
    }

    private bool Answer(EndpointAddress server, EndpointAddress mapped)
    {
        return _addresses.Receive(MakeAnswer(_sent.Last(s => s.To == server).Request, mapped), server, _now);
    }

    private static byte[] MakeAnswer(byte[] request, EndpointAddress mapped)
    {
        byte[] address = new byte[16];
        int length = mapped.CopyAddressTo(address);
        byte[] answer = new byte[20 + 8 + length];
        request.CopyTo(answer, 0);
        BinaryPrimitives.WriteUInt16BigEndian(answer, 0x0101);
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(2), (ushort)(8 + length));
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(20), 0x0020);
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(22), (ushort)(4 + length));
        answer[25] = (byte)(length == 4 ? 1 : 2);
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(26), (ushort)(mapped.Port ^ 0x2112));
        for (int i = 0; i < length; i++)
        {
            answer[28 + i] = (byte)(address[i] ^ request[4 + i]);
        }

        return answer;
    }
}
