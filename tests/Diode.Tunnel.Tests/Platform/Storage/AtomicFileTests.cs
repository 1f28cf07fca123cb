using System.Text;
using Diode.Tunnel.Platform.Storage;
using Xunit;

namespace Diode.Tunnel.Tests.Platform.Storage;

public sealed class AtomicFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("atomic").FullName;

    private string FilePath => Path.Combine(_folder, "state");

    [Fact]
    public void The_previous_content_stays_as_the_last_good_copy()
    {
        AtomicFile.Write(FilePath, "one"u8);
        Assert.False(File.Exists(FilePath + ".last"));
        AtomicFile.Write(FilePath, "two"u8);
        AtomicFile.Write(FilePath, "three"u8);
        Assert.Equal("three", File.ReadAllText(FilePath));
        Assert.Equal("two", File.ReadAllText(FilePath + AtomicFile.LastGoodSuffix));
        Assert.Equal(2, Directory.GetFiles(_folder).Length);
    }

    [Fact]
    public void The_file_and_its_copy_are_the_owners_alone()
    {
        const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        AtomicFile.Write(FilePath, "one"u8);
        AtomicFile.Write(FilePath, "two"u8);
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(FilePath));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(FilePath + ".last"));
    }

    [Fact]
    public void What_a_crash_left_behind_does_not_matter()
    {
        AtomicFile.Write(FilePath, "one"u8);
        File.WriteAllText(FilePath + ".tmp", "half of tw");
        File.WriteAllText(FilePath + ".last.tmp", "half of on");
        Assert.Equal("one", File.ReadAllText(FilePath));
        AtomicFile.Write(FilePath, "two"u8);
        Assert.Equal("two", File.ReadAllText(FilePath));
        Assert.Equal("one", File.ReadAllText(FilePath + ".last"));
    }

    [Fact]
    public async Task At_any_moment_there_is_the_old_or_the_new_content()
    {
        // A reader at a random moment sees what a process started after a crash at that moment would.
        byte[] ones = Encoding.ASCII.GetBytes(new string('1', 100_000));
        byte[] twos = Encoding.ASCII.GetBytes(new string('2', 50_000));
        AtomicFile.Write(FilePath, ones);
        Task writer = Task.Run(() =>
        {
            for (int i = 0; i < 50; i++)
            {
                AtomicFile.Write(FilePath, (i & 1) == 0 ? twos : ones);
            }
        });
        do
        {
            byte[] seen = await File.ReadAllBytesAsync(FilePath);
            Assert.True(seen.AsSpan().SequenceEqual(ones) || seen.AsSpan().SequenceEqual(twos), "a torn file was seen");
        }
        while (!writer.IsCompleted);
        await writer;
    }

    [Fact]
    public void A_link_is_refused_and_not_followed()
    {
        string target = Path.Combine(_folder, "target");
        File.WriteAllText(target, "mine");
        File.CreateSymbolicLink(FilePath, target);
        Assert.Throws<IOException>(() => AtomicFile.Write(FilePath, "new"u8));
        Assert.Equal("mine", File.ReadAllText(target));
        File.Delete(target); // and so is a dangling one
        Assert.Throws<IOException>(() => AtomicFile.Write(FilePath, "new"u8));
        Assert.False(File.Exists(target));
    }

    [Fact]
    public void A_link_in_place_of_the_temporary_file_is_not_followed()
    {
        string target = Path.Combine(_folder, "target");
        File.WriteAllText(target, "mine");
        File.CreateSymbolicLink(FilePath + ".tmp", target);
        AtomicFile.Write(FilePath, "new"u8);
        Assert.Equal("mine", File.ReadAllText(target));
        Assert.Equal("new", File.ReadAllText(FilePath));
    }

    [Fact]
    public void A_folder_is_refused()
    {
        Directory.CreateDirectory(FilePath);
        Assert.Throws<IOException>(() => AtomicFile.Write(FilePath, "new"u8));
        Assert.False(File.Exists(FilePath + ".tmp"));
    }

    [Fact]
    public void A_missing_folder_is_an_error()
    {
        Assert.ThrowsAny<IOException>(() => AtomicFile.Write(Path.Combine(_folder, "none", "state"), "new"u8));
    }

    [Fact]
    public void Folders_are_synced()
    {
        Assert.Equal(OperatingSystem.IsLinux(), AtomicFile.SyncFolder(_folder));
        Assert.False(AtomicFile.SyncFolder(Path.Combine(_folder, "none")));
    }

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
    }
}
