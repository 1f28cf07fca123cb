using Diode.Tunnel.Engine.State;
using Xunit;

namespace Diode.Tunnel.Tests.Engine.State;

public sealed class EngineStateFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("state").FullName;

    private string FilePath => Path.Combine(_folder, "state.json");

    [Fact]
    public void Without_a_file_there_are_the_defaults()
    {
        EngineStateFile file = Load();
        Assert.Null(file.Warning);
        AssertDefaults(file.Current);
    }

    [Fact]
    public void What_was_written_is_read_again()
    {
        EngineState state = new()
        {
            WantUp = false,
            Published = [new PublishedPort("22/tcp", ["fleet", "laptop"])],
            Exit = new ExitChoice("de", AllowLan: true),
            Offer = new ExitOfferState("us", null, false),
            RelayAddresses = new Dictionary<string, string> { ["diode://0x0@relay:1"] = "192.0.2.1" },
        };
        Load().Update(state);
        EngineStateFile file = Load();
        Assert.Null(file.Warning);
        Assert.Equal((false, state.Exit, state.Offer), (file.Current.WantUp, file.Current.Exit, file.Current.Offer));
        Assert.Equal(["fleet", "laptop"], Assert.Single(file.Current.Published).To);
        Assert.Equal("192.0.2.1", Assert.Single(file.Current.RelayAddresses).Value);
    }

    [Fact]
    public void Members_that_an_older_version_did_not_write_have_their_defaults()
    {
        File.WriteAllText(FilePath, """{"schema":1}""");
        EngineStateFile file = Load();
        Assert.Null(file.Warning);
        AssertDefaults(file.Current);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[1]")]
    [InlineData("{}")]
    [InlineData("""{"schema":0}""")]
    [InlineData("""{"schema":1,"wantUp":"yes"}""")]
    [InlineData("""{"schema":1,"published":null}""")]
    [InlineData("""{"schema":1,"exit":{"target":null,"allowLan":false}}""")]
    public void A_damaged_file_is_set_aside_and_the_last_good_copy_is_used(string content)
    {
        EngineStateFile before = Load();
        before.Update(new EngineState { Exit = new ExitChoice("de", AllowLan: false) });
        before.Update(before.Current with { WantUp = false });
        File.WriteAllText(FilePath, content);
        EngineStateFile file = Load();
        Assert.Contains("last good copy", file.Warning, StringComparison.Ordinal);
        Assert.Equal("de", file.Current.Exit?.Target);
        Assert.True(file.Current.WantUp);
        Assert.Equal(content, File.ReadAllText(FilePath + ".damaged"));
    }

    [Fact]
    public void Without_a_good_copy_a_damaged_file_means_defaults_and_a_warning()
    {
        File.WriteAllText(FilePath, "\0\0\0");
        File.WriteAllText(FilePath + ".last", "also bad");
        EngineStateFile file = Load();
        Assert.Contains("start empty", file.Warning, StringComparison.Ordinal);
        AssertDefaults(file.Current);
        file.Update(file.Current with { WantUp = false });
        Assert.False(Load().Current.WantUp);
    }

    [Fact]
    public void A_file_of_a_newer_version_is_kept_unread()
    {
        const string Newer = """{"schema":2,"wantUp":{"since":"never"}}""";
        File.WriteAllText(FilePath, Newer);
        EngineStateFile file = Load();
        Assert.Contains("newer version", file.Warning, StringComparison.Ordinal);
        AssertDefaults(file.Current);
        file.Update(file.Current);
        Assert.Equal(Newer, File.ReadAllText(FilePath + ".newer"));
    }

    [Fact]
    public void A_write_that_fails_changes_nothing_in_memory()
    {
        EngineStateFile file = Load();
        Directory.CreateDirectory(FilePath);
        Assert.ThrowsAny<IOException>(() => file.Update(new EngineState { WantUp = false }));
        Assert.True(file.Current.WantUp);
    }

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
    }

    private static void AssertDefaults(EngineState state)
    {
        Assert.True(state.WantUp);
        Assert.Empty(state.Published);
        Assert.Empty(state.RelayAddresses);
        Assert.Null(state.Exit);
        Assert.Null(state.Offer);
    }

    private EngineStateFile Load()
    {
        EngineStateFile file = new(FilePath);
        file.Load();
        return file;
    }
}
