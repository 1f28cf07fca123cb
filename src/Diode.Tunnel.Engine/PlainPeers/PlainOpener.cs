using Diode.Tunnel.Engine.Relays;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Engine.PlainPeers;

/// <summary>What came of opening a port at a plain device.</summary>
/// <param name="Port">The port, or null.</param>
/// <param name="Name">The name it was opened by.</param>
/// <param name="Reason">Why not.</param>
/// <param name="IsRefusal">The device answered and refused; otherwise it could not be reached.</param>
internal readonly record struct PlainOpening(RelayPort? Port, PortName Name, string Reason, bool IsRefusal);

/// <summary>Opens ports at other devices: at one relay after the other, by one name after the other (diode-client §13.4). Thread-safe.</summary>
/// <param name="relays">The connected relays in the order to try a device at.</param>
/// <param name="time">Clock.</param>
internal sealed class PlainOpener(Func<Address, CancellationToken, Task<RelayConnection[]>> relays, TimeProvider time)
{
    /// <summary>A device that has just connected is not found at its relay for a moment (diode-observed "Ports").</summary>
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(500);

    /// <summary>Answers that come from a relay and say nothing about the port.</summary>
    private static readonly HashSet<string> RelayReasons = new(StringComparer.Ordinal)
    {
        "not found", "invalid ticket", "wrong host", "unknown", "too many hanging ports", "already opening", "timeout", "time",
        "session closed", "the relay session ended", "invalid flags", "invalid device id", "can't connect to yourself", "unexpected error",
        "the relay's answer is unreadable",
    };

    /// <summary>The names to try for a TCP connection: TLS first, clear text only where the user allows it.</summary>
    public static PortName[] NamesForTcp(ushort number, bool allowsClearText)
    {
        PortName tls = new(PortProtocol.Tls, number);
        return allowsClearText
            ? [tls, new(PortProtocol.Tcp, number), new(PortProtocol.Tcp, number, IsLegacy: true)]
            : [tls];
    }

    /// <summary>Tries until a port is open or nobody is left to ask.</summary>
    public async Task<PlainOpening> OpenAsync(Address device, PortName[] names, CancellationToken cancellation)
    {
        PlainOpening last = await OpenOnceAsync(device, names, cancellation).ConfigureAwait(false);
        if (last.Reason == "not found")
        {
            await Task.Delay(Retry, time, cancellation).ConfigureAwait(false);
            last = await OpenOnceAsync(device, names, cancellation).ConfigureAwait(false);
        }

        return last;
    }

    private async Task<PlainOpening> OpenOnceAsync(Address device, PortName[] names, CancellationToken cancellation)
    {
        PlainOpening last = new(null, names[0], "no relay is connected", IsRefusal: false);
        foreach (RelayConnection relay in await relays(device, cancellation).ConfigureAwait(false))
        {
            foreach (PortName name in names)
            {
                last = await OpenAtAsync(relay, device, name, cancellation).ConfigureAwait(false);
                if (last.Port is not null)
                {
                    return last;
                }

                if (!last.IsRefusal)
                {
                    break;
                }
            }

            if (last.IsRefusal)
            {
                return last;
            }
        }

        return last;
    }

    private static async Task<PlainOpening> OpenAtAsync(RelayConnection relay, Address device, PortName name, CancellationToken cancellation)
    {
        TaskCompletionSource<(RelayPort? Port, string Reason)> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!relay.OpenStream(device, name.ToBytes(), (port, reason) => Deliver(done, port, reason)))
        {
            return new PlainOpening(null, name, "the relay session has no room for another port", IsRefusal: false);
        }

        using (cancellation.Register(() => done.TrySetCanceled(cancellation)))
        {
            (RelayPort? opened, string problem) = await done.Task.ConfigureAwait(false);
            return new PlainOpening(opened, name, problem, opened is null && !RelayReasons.Contains(problem));
        }
    }

    /// <summary>A port that comes when nobody waits any more is closed.</summary>
    private static void Deliver(TaskCompletionSource<(RelayPort? Port, string Reason)> done, RelayPort? port, string reason)
    {
        if (!done.TrySetResult((port, reason)))
        {
            port?.Close();
            port?.Inbox?.Dispose();
        }
    }
}
