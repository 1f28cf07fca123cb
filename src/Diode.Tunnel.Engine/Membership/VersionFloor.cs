using System.Globalization;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Membership;

/// <summary>The highest version of a fleet's manifest ever accepted here, and which one that was.</summary>
internal readonly record struct VersionFloor(ulong Version, Hash256 Digest)
{
    private const int MaxFileLength = 256;

    public static bool TryRead(string path, out VersionFloor floor)
    {
        floor = default;
        if (!File.Exists(path) || new FileInfo(path).Length > MaxFileLength)
        {
            return false;
        }

        string[] parts = File.ReadAllText(path).Trim().Split(' ');
        if (parts.Length != 2 || !Hash256.TryParse(parts[1], out Hash256 digest)
            || !ulong.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out ulong version))
        {
            return false;
        }

        floor = new VersionFloor(version, digest);
        return true;
    }

    /// <summary>Whether a verified manifest may replace the held one.</summary>
    public ManifestVerdict Check(FleetManifest manifest, FleetManifest? held)
    {
        ulong highest = Math.Max(Version, held?.Version ?? 0);
        if (manifest.Version < highest)
        {
            return new ManifestVerdict(
                ManifestError.Rollback,
                $"version {manifest.Version} of fleet '{manifest.Name}' is older than version {highest}, accepted before");
        }

        bool other = (manifest.Version == held?.Version && manifest.Digest != held.Digest)
            || (manifest.Version == Version && manifest.Digest != Digest);
        return other
            ? new ManifestVerdict(
                ManifestError.Fork,
                $"two different manifests of fleet '{manifest.Name}' are version {manifest.Version}: the operator has to sign a higher one")
            : ManifestVerdict.Good;
    }
}
