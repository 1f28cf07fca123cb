using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Diode.Tunnel.Ethereum;
using Diode.Tunnel.Ethereum.Crypto;
using Diode.Tunnel.Ethereum.Rlp;

namespace Diode.Tunnel.Engine.Membership;

/// <summary>
/// A fleet as a signed document: who is in it, said by the operator's key. Immutable. Parsing checks the form only;
/// <see cref="Verify"/> checks signature, operator and time.
/// </summary>
/// <remarks>
/// What is signed (SIG65 by the operator's key):
/// <code>
/// KECCAK-256( "diode-tunnel fleet manifest v1\n" ‖ RLP [ name, operator(20), version, issued, expires, [ [device(20), label, [role…]] … ] ] )
/// </code>
/// Times are unix seconds. RLP of the parsed values has exactly one form, so JSON spacing, member order inside objects or escapes can't matter.
/// </remarks>
public sealed class FleetManifest
{
    /// <summary>Most members.</summary>
    public const int MaxMembers = 10_000;

    /// <summary>Largest document, in bytes.</summary>
    public const int MaxDocumentLength = 8 * 1024 * 1024;

    /// <summary>How far in the future a manifest may be issued (clocks differ).</summary>
    public static readonly TimeSpan MaxClockSkew = TimeSpan.FromMinutes(10);

    internal FleetManifest(
        string name,
        Address operatorAddress,
        ulong version,
        DateTimeOffset issued,
        DateTimeOffset expires,
        ImmutableArray<FleetMember> members,
        Signature65 signature)
    {
        Name = name;
        Operator = operatorAddress;
        Version = version;
        Issued = issued;
        Expires = expires;
        Members = members;
        Signature = signature;
        Digest = ComputeDigest();
    }

    /// <summary>The fleet's name, as it appears in host names.</summary>
    public string Name { get; }

    /// <summary>The operator, whose address is also the fleet's.</summary>
    public Address Operator { get; }

    /// <summary>Grows with every signing.</summary>
    public ulong Version { get; }

    /// <summary>When it was signed (whole seconds, UTC).</summary>
    public DateTimeOffset Issued { get; }

    /// <summary>From when on it is no longer valid (whole seconds, UTC).</summary>
    public DateTimeOffset Expires { get; }

    /// <summary>The members in the operator's order.</summary>
    public ImmutableArray<FleetMember> Members { get; }

    /// <summary>The operator's signature over <see cref="Digest"/>.</summary>
    public Signature65 Signature { get; }

    /// <summary>What is signed. Two manifests with the same digest say the same.</summary>
    public Hash256 Digest { get; }

    /// <summary>Reads a document. False with the reason and place if it is malformed; never throws.</summary>
    public static bool TryParse(
        ReadOnlySpan<byte> document, [NotNullWhen(true)] out FleetManifest? manifest, out ManifestVerdict verdict)
    {
        return ManifestDocument.TryRead(document, out manifest, out verdict);
    }

    /// <summary>The document (UTF-8 JSON, indented, one final newline).</summary>
    public byte[] ToDocument()
    {
        return ManifestDocument.Write(this);
    }

    /// <summary>Checks signature, operator and validity time.</summary>
    /// <param name="expectedOperator">Who must have signed, or null to take the operator the manifest names.</param>
    /// <param name="now">The time.</param>
    public ManifestVerdict Verify(Address? expectedOperator, DateTimeOffset now)
    {
        if (expectedOperator is { } expected && expected != Operator)
        {
            return new ManifestVerdict(
                ManifestError.WrongOperator, $"wrong operator: fleet '{Name}' is signed for {Operator}, expected {expected}");
        }

        if (!Signature.TryRecover(Digest, out PublicKey? signer) || signer.Address != Operator)
        {
            return new ManifestVerdict(
                ManifestError.BadSignature, $"bad signature: version {Version} of fleet '{Name}' was not signed by {Operator}");
        }

        if (now >= Expires)
        {
            return new ManifestVerdict(
                ManifestError.Expired,
                $"expired at {Format(Expires)}: take the current one from the operator of fleet '{Name}', whose daemon renews it "
                + "(there: diode-tunnel fleet export)");
        }

        return Issued > now + MaxClockSkew
            ? new ManifestVerdict(
                ManifestError.NotYetValid, $"issued in the future ({Format(Issued)}): check the clock of this machine")
            : ManifestVerdict.Good;
    }

    /// <summary>Whether a device is listed, as a verdict with words for the user.</summary>
    public ManifestVerdict CheckMember(Address device)
    {
        return Members.Any(m => m.Device == device)
            ? ManifestVerdict.Good
            : new ManifestVerdict(
                ManifestError.NotAMember,
                $"not a member: {device} is not in fleet '{Name}' (the operator adds it with: diode-tunnel fleet add {device} <label>)");
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        return $"{Name} v{Version} by {Operator}";
    }

    internal static string Format(DateTimeOffset time)
    {
        return time.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
    }

    internal FleetManifest WithSignature(Signature65 signature)
    {
        return new FleetManifest(Name, Operator, Version, Issued, Expires, Members, signature);
    }

    private Hash256 ComputeDigest()
    {
        var rlp = new RlpWriter(256 + (Members.Length * 64));
        rlp.BeginList();
        rlp.WriteText(Name);
        rlp.WriteAddress(Operator);
        rlp.WriteUInt64(Version);
        rlp.WriteUInt64((ulong)Issued.ToUnixTimeSeconds());
        rlp.WriteUInt64((ulong)Expires.ToUnixTimeSeconds());
        rlp.BeginList();
        foreach (FleetMember member in Members)
        {
            rlp.BeginList();
            rlp.WriteAddress(member.Device);
            rlp.WriteText(member.Label);
            rlp.BeginList();
            foreach (string role in member.Roles)
            {
                rlp.WriteText(role);
            }

            rlp.EndList();
            rlp.EndList();
        }

        rlp.EndList();
        rlp.EndList();
        return Keccak256.Hash([.. "diode-tunnel fleet manifest v1\n"u8, .. rlp.WrittenSpan]);
    }
}
