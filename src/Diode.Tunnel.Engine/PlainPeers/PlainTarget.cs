using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>A plain Diode device that this machine reaches by its virtual addresses. Thread-safe.</summary>
internal sealed class PlainTarget(Address device)
{
    private long _received;
    private long _sent;
    private volatile bool _allowsClearText;
    private volatile string _via = "";
    private volatile string _lastProblem = "";

    /// <summary>The device.</summary>
    public Address Device { get; } = device;

    /// <summary>The user allows ports without E2E TLS: TCP falls back to clear text, UDP works at all.</summary>
    public bool AllowsClearText
    {
        get => _allowsClearText;
        set => _allowsClearText = value;
    }

    /// <summary>The relay that carried the last port; empty before the first.</summary>
    public string Via
    {
        get => _via;
        set => _via = value;
    }

    /// <summary>Why the last port could not be opened; empty if it was.</summary>
    public string LastProblem
    {
        get => _lastProblem;
        set => _lastProblem = value;
    }

    /// <summary>Bytes of programs received from the device.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>Bytes of programs sent to it.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>What <c>status</c> says about the way.</summary>
    public string Describe()
    {
        string text = AllowsClearText
            ? "plain Diode: TCP by TLS, else clear text; UDP in clear text (allowed)"
            : "plain Diode: TCP by TLS; clear text and UDP are not allowed";
        return LastProblem.Length == 0 ? text : $"{text}; last: {LastProblem}";
    }

    /// <summary>Counts bytes.</summary>
    public void Count(long received, long sent)
    {
        Interlocked.Add(ref _received, received);
        Interlocked.Add(ref _sent, sent);
    }
}
