using System.Text;
using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Membership;

public class FleetManifestTests
{
    internal static readonly DateTimeOffset Now = new(2026, 8, 1, 12, 0, 0, TimeSpan.Zero);
    internal static readonly PrivateKey OperatorKey = Key(1);

    [Fact]
    public void A_signed_manifest_round_trips_and_verifies()
    {
        FleetManifest manifest = Manifest();
        Assert.True(FleetManifest.TryParse(manifest.ToDocument(), out FleetManifest? read, out _));
        Assert.Equal(manifest.Digest, read.Digest);
        Assert.Equal(manifest.Members.AsEnumerable(), read.Members.AsEnumerable());
        Assert.Equal((1ul, "home", OperatorKey.Address), (read.Version, read.Name, read.Operator));
        Assert.Equal(Now.AddDays(30), read.Expires);
        Assert.True(read.Verify(OperatorKey.Address, Now).IsAccepted);
        Assert.True(read.Verify(null, Now).IsAccepted);
        Assert.True(read.CheckMember(Device(1)).IsAccepted);
    }

    [Fact]
    public void Digest_is_frozen()
    {
        // Computed with an independent program over the documented canonical form.
        Assert.Equal("0xb6f425067edef5126a24f619d05a4136a48f4ed9be98d781df21d2f2acae9324", Manifest().Digest.ToString());
    }

    [Fact]
    public void Spacing_and_order_of_fields_do_not_matter()
    {
        string text = Encoding.UTF8.GetString(Manifest().ToDocument());
        string compact = text.Replace("\n", "", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal)
            .Replace("diode-tunnelfleetmanifestv1", "diode-tunnel fleet manifest v1", StringComparison.Ordinal)
            .Replace("laptop", "\\u006captop", StringComparison.Ordinal);
        Assert.True(FleetManifest.TryParse(Encoding.UTF8.GetBytes(compact), out FleetManifest? read, out ManifestVerdict verdict), verdict.Message);
        Assert.True(read.Verify(OperatorKey.Address, Now).IsAccepted);
    }

    [Fact]
    public void Refusals_name_their_reason()
    {
        FleetManifest manifest = Manifest();
        ManifestVerdict wrong = manifest.Verify(Device(9), Now);
        Assert.Equal(ManifestError.WrongOperator, wrong.Error);
        Assert.Contains(Device(9).ToString(), wrong.Message, StringComparison.Ordinal);
        ManifestVerdict expired = manifest.Verify(null, Now.AddDays(30));
        Assert.Equal(ManifestError.Expired, expired.Error);
        Assert.StartsWith("expired at 2026-08-31T12:00:00Z", expired.Message, StringComparison.Ordinal);
        Assert.True(manifest.Verify(null, Now.AddDays(30).AddSeconds(-1)).IsAccepted);
        Assert.Equal(ManifestError.NotYetValid, manifest.Verify(null, Now.AddMinutes(-11)).Error);
        Assert.True(manifest.Verify(null, Now.AddMinutes(-9)).IsAccepted);
        Assert.Equal(ManifestError.NotAMember, manifest.CheckMember(Device(9)).Error);
    }

    [Theory]
    [InlineData("\"laptop\"", "\"laptap\"")]
    [InlineData("\"version\": 1", "\"version\": 2")]
    [InlineData("\"home\"", "\"hame\"")]
    [InlineData("2026-08-31T12:00:00Z", "2027-08-31T12:00:00Z")]
    [InlineData("\"member\"", "\"exit\"")]
    [InlineData("0x7e5f4552091a69125d5dfcb7b8c2659029395bdf", "0x2b5ad5c4795c026514f8317c7a215e218dccd6cf")]
    public void Any_change_of_the_content_breaks_the_signature(string old, string changed)
    {
        string text = Encoding.UTF8.GetString(Manifest().ToDocument());
        Assert.Contains(old, text, StringComparison.Ordinal);
        int at = text.IndexOf(old, StringComparison.Ordinal);
        string forged = text[..at] + changed + text[(at + old.Length)..];
        Assert.True(FleetManifest.TryParse(Encoding.UTF8.GetBytes(forged), out FleetManifest? read, out ManifestVerdict verdict), verdict.Message);
        Assert.Equal(ManifestError.BadSignature, read.Verify(null, Now).Error);
    }

    [Theory]
    [InlineData("", "line 1")]
    [InlineData("[]", "document: must be an object")]
    [InlineData("{}", "'format' is missing")]
    [InlineData("{\"format\":\"x\",\"payload\":{},\"signature\":\"\"}", "format: must be")]
    public void Malformed_documents_say_where(string text, string expected)
    {
        Assert.False(FleetManifest.TryParse(Encoding.UTF8.GetBytes(text), out _, out ManifestVerdict verdict));
        Assert.Equal(ManifestError.Malformed, verdict.Error);
        Assert.StartsWith("malformed at ", verdict.Message, StringComparison.Ordinal);
        Assert.Contains(expected, verdict.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"label\": \"server\"", "\"label\": \"laptop\"", "payload.members[1].label: 'laptop' is used twice")]
    [InlineData("\"label\": \"server\"", "\"label\": \"-server\"", "payload.members[1].label: must be")]
    [InlineData("\"label\": \"server\"", "\"label\": \"Server\"", "payload.members[1].label: must be")]
    [InlineData("\"label\": \"server\"", "\"label\": 5", "payload.members[1].label: must be a text")]
    [InlineData("\"label\": \"server\"", "\"name\": \"server\"", "payload.members[1]: has an unknown field")]
    [InlineData("\"version\": 1", "\"version\": 0", "payload.version")]
    [InlineData("\"version\": 1", "\"version\": -1", "payload.version")]
    [InlineData("\"version\": 1", "\"version\": 1.5", "payload.version")]
    [InlineData("\"version\": 1", "\"version\": 1, \"version\": 1", "payload: 'version' is given twice")]
    [InlineData("2026-08-31T12:00:00Z", "2026-08-31", "payload.expires")]
    [InlineData("2026-08-31T12:00:00Z", "2026-07-31T12:00:00Z", "payload.expires: must be later")]
    [InlineData("\"signature\": \"0x0", "\"signature\": \"0x9", "signature")]
    [InlineData("\"home\"", "\"my home\"", "payload.fleet")]
    [InlineData("\"exit\"", "\"e x\"", "payload.members[1].roles")]
    [InlineData("\"home\"", "\"\\ud800\"", "a text")]
    public void Broken_rules_say_where(string old, string changed, string expected)
    {
        string text = Encoding.UTF8.GetString(Manifest().ToDocument());
        if (text.Contains("\"signature\": \"0x01", StringComparison.Ordinal))
        {
            text = text.Replace("\"signature\": \"0x01", "\"signature\": \"0x00", StringComparison.Ordinal);
        }

        Assert.Contains(old, text, StringComparison.Ordinal);
        string broken = text.Replace(old, changed, StringComparison.Ordinal);
        Assert.False(FleetManifest.TryParse(Encoding.UTF8.GetBytes(broken), out _, out ManifestVerdict verdict));
        Assert.Contains(expected, verdict.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Trailing_bytes_and_oversize_are_refused()
    {
        Assert.False(FleetManifest.TryParse([.. Manifest().ToDocument(), (byte)'{', (byte)'}'], out _, out _));
        Assert.False(FleetManifest.TryParse(new byte[FleetManifest.MaxDocumentLength + 1], out _, out ManifestVerdict verdict));
        Assert.Equal(ManifestError.TooLarge, verdict.Error);
    }

    [Fact]
    public void Editor_makes_the_next_version_and_checks_every_rule()
    {
        var editor = ManifestEditor.Edit(Manifest());
        Assert.Contains("already a member", editor.Add(new FleetMember(Device(1), "other")), StringComparison.Ordinal);
        Assert.Contains("is taken", editor.Add(new FleetMember(Device(3), "laptop")), StringComparison.Ordinal);
        Assert.Contains("not a label", editor.Add(new FleetMember(Device(3), "Bad Label")), StringComparison.Ordinal);
        Assert.Contains("not a label", editor.Add(new FleetMember(Device(3), Device(4).ToString())), StringComparison.Ordinal);
        Assert.Contains("roles are", editor.Add(new FleetMember(Device(3), "ok", ["a", "a"])), StringComparison.Ordinal);
        Assert.Contains("not a member", editor.Remove(Device(9)), StringComparison.Ordinal);
        Assert.Null(editor.Add(new FleetMember(Device(3), "sensor")));
        Assert.Null(editor.Relabel(Device(1), "notebook"));
        Assert.Null(editor.Relabel(Device(1), "notebook"));
        Assert.Null(editor.SetRoles(Device(3), [FleetRoles.Exit]));
        Assert.Null(editor.Remove(Device(2)));
        FleetManifest next = editor.Sign(OperatorKey, Now.AddHours(1), TimeSpan.FromDays(1));
        Assert.Equal(2ul, next.Version);
        Assert.Equal(["notebook", "sensor"], next.Members.Select(m => m.Label));
        Assert.True(next.Members[1].HasRole(FleetRoles.Exit) && next.Members[1].HasRole(FleetRoles.Member));
        Assert.True(next.Verify(OperatorKey.Address, Now.AddHours(2)).IsAccepted);
        Assert.Throws<ArgumentException>(() => editor.Sign(Key(2), Now, TimeSpan.FromDays(1)));
        Assert.Throws<ArgumentException>(() => ManifestEditor.Create("Not A Name"));
    }

    [Fact]
    public void Ten_thousand_members_fit_and_one_more_does_not()
    {
        var editor = ManifestEditor.Create("big");
        FleetManifest small = editor.Sign(OperatorKey, Now, TimeSpan.FromDays(1));
        var members = Enumerable.Range(0, FleetManifest.MaxMembers).Select(i => new FleetMember(Device(i), $"device-{i}")).ToArray();
        var big = new FleetManifest("big", small.Operator, 1, small.Issued, small.Expires, [.. members], small.Signature);
        Assert.True(FleetManifest.TryParse(big.ToDocument(), out FleetManifest? read, out _));
        Assert.Equal(FleetManifest.MaxMembers, read.Members.Length);
        var over = new FleetManifest("big", small.Operator, 1, small.Issued, small.Expires, [.. members, new(Device(-1), "x")], small.Signature);
        Assert.False(FleetManifest.TryParse(over.ToDocument(), out _, out ManifestVerdict verdict));
        Assert.Contains("more than 10000", verdict.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mutated_documents_never_throw_and_never_verify()
    {
        var random = new Random(3);
        FleetManifest manifest = Manifest();
        Hash256 digest = manifest.Digest;
        byte[] good = manifest.ToDocument();
        int parsed = 0;
        for (int i = 0; i < 100_000; i++)
        {
            byte[] copy = (byte[])good.Clone();
            for (int n = random.Next(1, 3); n > 0; n--)
            {
                copy[random.Next(copy.Length)] = (byte)random.Next(32, random.Next(2) == 0 ? 127 : 256);
            }

            if (random.Next(8) == 0)
            {
                copy = copy[..random.Next(copy.Length)];
            }

            if (FleetManifest.TryParse(copy, out FleetManifest? read, out ManifestVerdict verdict))
            {
                // Recovering a key takes a while: check the first few hundred only.
                bool sameContent = read.Digest == digest;
                Assert.True(sameContent || ++parsed > 300 || !read.Verify(null, Now).IsAccepted);
            }
            else
            {
                Assert.NotEqual(ManifestError.None, verdict.Error);
            }
        }

        Assert.InRange(parsed, 100, 90_000);
    }

    internal static FleetManifest Manifest()
    {
        var editor = ManifestEditor.Create("home");
        Assert.Null(editor.Add(new FleetMember(Device(1), "laptop")));
        Assert.Null(editor.Add(new FleetMember(Device(2), "server", [FleetRoles.Member, FleetRoles.Exit])));
        return editor.Sign(OperatorKey, Now, TimeSpan.FromDays(30));
    }

    internal static PrivateKey Key(byte number)
    {
        byte[] bytes = new byte[32];
        bytes[31] = number;
        return PrivateKey.TryFromBytes(bytes, out PrivateKey? key) ? key : throw new InvalidOperationException();
    }

    internal static Address Device(int number)
    {
        byte[] bytes = new byte[20];
        BitConverter.TryWriteBytes(bytes, number);
        bytes[19] = 7;
        return new Address(bytes);
    }
}
