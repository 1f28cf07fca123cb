using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Diode.Tunnel.Control;
using Diode.Tunnel.Daemon.ControlApi;
using Diode.Tunnel.Testing;
using Xunit;

namespace Diode.Tunnel.Tests.Daemon;

public class RequestMutationTests
{
    private const int Inputs = 100_000;

    [Fact]
    public void Mutated_requests_are_taken_or_refused_but_never_crash()
    {
        ControlJson json = ControlJson.Default;
        (byte[] Body, Action<ReadOnlySpan<byte>> Decode)[] requests =
        [
            Request("""{"name":"home","label":"laptop"}""", json.CreateFleetRequest, RequestCheck.Check),
            Request("""{"fleet":"home","device":"0x00","label":"a","roles":["exit"]}""", json.AddMemberRequest, RequestCheck.Check),
            Request("""{"fleet":"home","device":"server"}""", json.RemoveMemberRequest, RequestCheck.Check),
            Request("""{"document":"{}"}""", json.ManifestRequest, RequestCheck.Check),
            Request("""{"fleet":"home"}""", json.LeaveFleetRequest, RequestCheck.Check),
            Request("""{"port":22,"protocol":"tcp","to":["fleet"]}""", json.AddPublishRequest, RequestCheck.Check),
            Request("""{"all":true,"protocol":"any"}""", json.RemovePublishRequest, RequestCheck.Check),
            Request("""{"target":"de","allowLan":true}""", json.UseExitRequest, RequestCheck.Check),
            Request("""{"region":"de","ipv6":false}""", json.OfferExitRequest, RequestCheck.Check),
        ];
        int taken = 0;
        int refused = 0;
        foreach ((byte[] body, Action<ReadOnlySpan<byte>> decode) in requests)
        {
            InputMutator mutator = new((ulong)body.Length, body);
            for (int i = 0; i < Inputs / requests.Length; i++)
            {
                try
                {
                    decode(mutator.Next());
                    taken++;
                }
                catch (Exception e) when (e is JsonException or ControlException)
                {
                    refused++;
                }
            }
        }

        Assert.True(taken > 100 && refused > Inputs / 2, $"{taken} taken, {refused} refused");
    }

    private static (byte[] Body, Action<ReadOnlySpan<byte>> Decode) Request<T>(
        string body, JsonTypeInfo<T> type, Action<T> check)
    {
        return (Encoding.UTF8.GetBytes(body), bytes =>
        {
            T request = JsonSerializer.Deserialize(bytes, type) ?? throw new JsonException("null");
            check(request);
        }
        );
    }
}
