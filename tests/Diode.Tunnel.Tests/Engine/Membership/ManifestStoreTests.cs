using Diode.Tunnel.Engine.Membership;
using Diode.Tunnel.Ethereum;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.Membership;

public sealed class ManifestStoreTests : IDisposable
{
    private static readonly DateTimeOffset Now = FleetManifestTests.Now;
    private static readonly Address Fleet = FleetManifestTests.OperatorKey.Address;
    private readonly string _folder = Directory.CreateTempSubdirectory("fleets").FullName;
    private readonly FleetManifest _v1 = FleetManifestTests.Manifest();
    private bool _diskFull;

    private string ManifestPath => Path.Combine(_folder, Fleet + ".json");

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Accepted_manifests_survive_a_restart()
    {
        Assert.True(Open().Accept(_v1.ToDocument(), Fleet, Now) is { IsAccepted: true, Changed: true });
        ManifestStore store = Open();
        Assert.Equal(_v1.Digest, store.Find(Fleet)!.Digest);
        Assert.True(store.Accept(_v1, null, Now) is { IsAccepted: true, Changed: false });
    }

    [Fact]
    public void Older_versions_are_refused_even_after_restart_and_leaving()
    {
        FleetManifest v2 = Next(_v1);
        ManifestStore store = Open();
        Assert.True(store.Accept(_v1, null, Now).Changed);
        Assert.True(store.Accept(v2, null, Now).Changed);
        Assert.Equal(ManifestError.Rollback, store.Accept(_v1, null, Now).Error);
        store = Open();
        Assert.Equal(ManifestError.Rollback, store.Accept(_v1, null, Now).Error);
        Assert.True(store.Remove(Fleet));
        Assert.False(store.Remove(Fleet));
        Assert.Null(store.Find(Fleet));
        store = Open();
        Assert.Empty(store.Fleets);
        ManifestVerdict verdict = store.Accept(_v1, null, Now);
        Assert.Equal(ManifestError.Rollback, verdict.Error);
        Assert.Contains("older than version 2", verdict.Message, StringComparison.Ordinal);
        Assert.True(store.Accept(v2, null, Now).Changed);
    }

    [Fact]
    public void Two_manifests_of_one_version_are_a_fork()
    {
        ManifestStore store = Open();
        store.Accept(_v1, null, Now);
        FleetManifest a = Next(_v1, "a");
        FleetManifest b = Next(_v1, "b");
        Assert.True(store.Accept(a, null, Now).Changed);
        Assert.Equal(ManifestError.Fork, store.Accept(b, null, Now).Error);
        store.Remove(Fleet);
        Assert.Equal(ManifestError.Fork, store.Accept(b, null, Now).Error);
    }

    [Fact]
    public void Unverified_documents_change_nothing()
    {
        ManifestStore store = Open();
        store.Accept(_v1, null, Now);
        FleetManifest forged = new("home", Fleet, 9, _v1.Issued, _v1.Expires, [], _v1.Signature);
        Assert.Equal(ManifestError.BadSignature, store.Accept(forged, null, Now).Error);
        Assert.Equal(ManifestError.Expired, store.Accept(Next(_v1), null, Now.AddYears(1)).Error);
        Assert.Equal(ManifestError.WrongOperator, store.Accept(Next(_v1), FleetManifestTests.Device(5), Now).Error);
        Assert.Equal(ManifestError.Malformed, store.Accept("{"u8, null, Now).Error);
        Assert.Same(_v1, store.Find(Fleet));
    }

    [Fact]
    public void A_damaged_file_is_set_aside_and_the_last_good_copy_used()
    {
        ManifestStore store = Open();
        store.Accept(_v1, null, Now);
        store.Accept(Next(_v1), null, Now);
        byte[] document = File.ReadAllBytes(ManifestPath);
        document[document.Length / 2] ^= 1;
        File.WriteAllBytes(ManifestPath, document);

        store = new ManifestStore(_folder, Write);
        IReadOnlyList<string> problems = store.Load();
        Assert.Equal(2, problems.Count);
        Assert.Contains("set aside", problems[0], StringComparison.Ordinal);
        Assert.Equal(1ul, store.Find(Fleet)!.Version);
        Assert.True(File.Exists(ManifestPath + ".damaged"));

        // The floor still knows version 2: it may come back, an older one may not become newer.
        Assert.True(store.Accept(Next(_v1), null, Now).Changed);
        Assert.Equal(2ul, Open().Find(Fleet)!.Version);
    }

    [Fact]
    public void Rubbish_in_the_folder_is_reported_not_fatal()
    {
        File.WriteAllText(ManifestPath, "rubbish");
        File.WriteAllText(Path.Combine(_folder, Fleet + ".floor"), "not a floor");
        File.WriteAllText(Path.Combine(_folder, "readme.json"), "x");
        var store = new ManifestStore(_folder, Write);
        Assert.Single(store.Load());
        Assert.Empty(store.Fleets);
        Assert.True(store.Accept(_v1, null, Now).Changed);
        Assert.Empty(new ManifestStore(Path.Combine(_folder, "missing"), Write).Load());
    }

    [Fact]
    public void A_full_disk_keeps_the_old_manifest_in_force()
    {
        ManifestStore store = Open();
        store.Accept(_v1, null, Now);
        _diskFull = true;
        ManifestVerdict verdict = store.Accept(Next(_v1), null, Now);
        Assert.Equal(ManifestError.Storage, verdict.Error);
        Assert.Contains("no space", verdict.Message, StringComparison.Ordinal);
        Assert.Same(_v1, store.Find(Fleet));
        _diskFull = false;
        Assert.True(store.Accept(Next(_v1), null, Now).Changed);
    }

    [Fact]
    public void Several_fleets_live_side_by_side()
    {
        ManifestStore store = Open();
        store.Accept(_v1, null, Now);
        FleetManifest work = ManifestEditor.Create("work").Sign(FleetManifestTests.Key(2), Now, TimeSpan.FromDays(1));
        Assert.True(store.Accept(work, null, Now).Changed);
        Assert.Equal(["home", "work"], Open().Fleets.Select(f => f.Name));
    }

    [Fact]
    public async Task A_file_source_feeds_the_store_when_the_file_changes()
    {
        string path = Path.Combine(_folder, "incoming", "home.manifest");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        ManifestStore store = Open();
        var file = new ManifestFileSource(path, store, Fleet);
        var source = new ManifestFleetSource(store, Fleet);
        Assert.Null(file.Poll(Now));
        File.WriteAllBytes(path, _v1.ToDocument()[..100]);
        Assert.Equal(ManifestError.Malformed, file.Poll(Now)!.Value.Error);
        Assert.Null(file.Poll(Now));
        Assert.False(await source.RefreshAsync(Now, default));
        File.WriteAllBytes(path, _v1.ToDocument());
        Assert.True(file.Poll(Now)!.Value.Changed);
        Assert.Null(file.Poll(Now));
        Assert.True(await source.RefreshAsync(Now, default));
        FleetSnapshot snapshot = source.Current!;
        Assert.Equal("signed manifest v1, expires 2026-08-31T12:00:00Z", snapshot.AssuranceText);
        Assert.Equal(FleetAssurance.SignedManifest, snapshot.Assurance);
        Assert.True(snapshot.TryGetLabel("server", out FleetMember? server) && snapshot.TryGetMember(server.Device, out _));
        Assert.False(snapshot.IsExpired(Now));
        Assert.True(snapshot.IsExpired(Now.AddDays(30)));

        FleetManifest v2 = Next(_v1, "server");
        File.WriteAllBytes(path, v2.ToDocument());
        Assert.True(file.Poll(Now)!.Value.Changed);
        Assert.True(await source.RefreshAsync(Now, default));
        Assert.False(await source.RefreshAsync(Now, default));
        Assert.Equal(2ul, source.Current!.Version);
    }

    private static FleetManifest Next(FleetManifest manifest, string? label = null)
    {
        var editor = ManifestEditor.Edit(manifest);
        if (label is not null)
        {
            _ = editor.Remove(FleetManifestTests.Device(2)) ?? editor.Add(new FleetMember(FleetManifestTests.Device(8), label));
        }

        return editor.Sign(FleetManifestTests.OperatorKey, Now, TimeSpan.FromDays(30));
    }

    private ManifestStore Open()
    {
        var store = new ManifestStore(_folder, Write);
        Assert.Empty(store.Load());
        return store;
    }

    private void Write(string path, ReadOnlySpan<byte> content)
    {
        if (_diskFull)
        {
            throw new IOException("no space left on device");
        }

        if (File.Exists(path))
        {
            File.Copy(path, path + ".last", overwrite: true);
        }

        File.WriteAllBytes(path, content);
    }
}
