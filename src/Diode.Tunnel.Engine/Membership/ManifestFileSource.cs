using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.Membership;

/// <summary>
/// Feeds a store from a manifest file outside the state directory (dropped there by the operator, a sync tool, a download).
/// The caller decides how often to look. Not thread-safe.
/// </summary>
public sealed class ManifestFileSource(string path, ManifestStore store, Address? expectedOperator = null)
{
    private Hash256 _seen;

    /// <summary>The file watched.</summary>
    public string Path => path;

    /// <summary>What came of the last content looked at, null before the first.</summary>
    public ManifestVerdict? Last { get; private set; }

    /// <summary>
    /// Looks at the file. Null: it is missing or has not changed since the last call. Otherwise the verdict; refused content leaves
    /// the store as it was and is tried again when the file changes.
    /// </summary>
    public ManifestVerdict? Poll(DateTimeOffset now)
    {
        try
        {
            if (!File.Exists(path))
            {
                return null;
            }

            if (new FileInfo(path).Length > FleetManifest.MaxDocumentLength)
            {
                return Last = new ManifestVerdict(ManifestError.TooLarge, $"{path} is too large for a manifest");
            }

            // By content, not by time stamp: copies keep time stamps, and a second is long.
            byte[] content = File.ReadAllBytes(path);
            Hash256 hash = Hash256.Sha256(content);
            if (hash == _seen)
            {
                return null;
            }

            ManifestVerdict verdict = store.Accept(content, expectedOperator, now);
            if (verdict.Error is not (ManifestError.Storage or ManifestError.NotYetValid))
            {
                _seen = hash; // the others may pass without a change of the file
            }

            return Last = verdict;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Last = new ManifestVerdict(ManifestError.Storage, $"{path} can't be read: {e.Message}");
        }
    }
}
