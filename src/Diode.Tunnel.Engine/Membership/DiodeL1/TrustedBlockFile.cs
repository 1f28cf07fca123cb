using System.Text.Json;
using System.Text.Json.Serialization;
using Diode.Tunnel.Ethereum.BlockQuick;
using Diode.Tunnel.Platform.Storage;

namespace Diode.Tunnel.Engine.Membership.DiodeL1;

/// <summary>
/// The last final block of Diode L1 on the disk, <c>l1.json</c>. It is worth nothing under another anchor: then it is of another chain.
/// </summary>
/// <param name="path">The file.</param>
/// <param name="writer">How files are replaced.</param>
/// <param name="anchor">Where following began.</param>
internal sealed class TrustedBlockFile(string path, StateFileWriter writer, TrustedBlock anchor)
{
    /// <summary>Name of the file in the state folder.</summary>
    public const string FileName = "l1.json";

    private const int Schema = 1;

    /// <summary>
    /// Reads it. What is damaged is set aside and its last good copy used, else the anchor; the result says so, null if all is well.
    /// </summary>
    public string? Load(out TrustedBlock trusted)
    {
        trusted = anchor;
        if (!File.Exists(path) || TryRead(path, ref trusted))
        {
            return null;
        }

        string aside = path + ".damaged";
        try
        {
            File.Move(path, aside, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            aside = path;
        }

        return TryRead(path + AtomicFile.LastGoodSuffix, ref trusted)
            ? $"The trusted block of Diode L1 was damaged; its last good copy is used. The other is kept as {aside}."
            : $"The trusted block of Diode L1 was damaged and is set aside as {aside}; following begins again with block {anchor.Number}.";
    }

    /// <summary>Writes it; null, or why it can't be written. A full disk costs the next start some time, not more.</summary>
    public string? Save(TrustedBlock trusted)
    {
        try
        {
            var document = new TrustedBlockDocument(Schema, trusted.ToString(), anchor.ToString());
            writer(path, JsonSerializer.SerializeToUtf8Bytes(document, TrustedBlockContext.Default.TrustedBlockDocument));
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{path} can't be written: {e.Message}";
        }
    }

    // True for a sound file, also for one of another chain, which changes nothing.
    private bool TryRead(string file, ref TrustedBlock trusted)
    {
        try
        {
            TrustedBlockDocument? document = JsonSerializer.Deserialize(File.ReadAllBytes(file), TrustedBlockContext.Default.TrustedBlockDocument);
            if (document?.Schema != Schema
                || !TrustedBlock.TryParse(document.Trusted, out TrustedBlock kept)
                || !TrustedBlock.TryParse(document.Anchor, out TrustedBlock from))
            {
                return false;
            }

            trusted = from == anchor && kept.Number > anchor.Number ? kept : trusted;
            return true;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}

/// <summary>The file as a whole.</summary>
internal sealed record TrustedBlockDocument(int Schema, string? Trusted, string? Anchor);

/// <summary>Source-generated reading and writing.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(TrustedBlockDocument))]
internal sealed partial class TrustedBlockContext : JsonSerializerContext;
