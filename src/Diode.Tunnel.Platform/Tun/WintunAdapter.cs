using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Text;
using Diode.Tunnel.Platform.Buffers;
using Diode.Tunnel.Platform.Interop.Windows;

namespace Diode.Tunnel.Platform.Tun;

/// <summary>
/// A Wintun adapter. The adapter exists until dispose; its GUID follows from its name, so that Windows recognises it
/// (firewall profile, metric) when it comes back.
/// <para>Calls and dispose are kept apart by counting the calls in flight: the session ends when the last has left.</para>
/// </summary>
[SupportedOSPlatform("windows")]
public sealed class WintunAdapter : ITunAdapter
{
    private const uint RingCapacity = 8 * 1024 * 1024;
    private const string TunnelType = "DiodeTunnel";

    private readonly Lock _gate = new();
    private readonly ManualResetEvent _stopEvent = new(initialState: false);
    private readonly nint _adapter;
    private readonly nint _session;
    private readonly nint _readEvent;
    private int _callsInFlight;
    private bool _disposed;
    private volatile bool _stopped;
    private long _readDrops;
    private long _writeDrops;

    private WintunAdapter(nint adapter, nint session, string name, int interfaceIndex, int mtu)
    {
        _adapter = adapter;
        _session = session;
        _readEvent = Wintun.WintunGetReadWaitEvent(session);
        Name = name;
        InterfaceIndex = interfaceIndex;
        Mtu = mtu;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public int InterfaceIndex { get; }

    /// <summary>The MTU asked for. Wintun itself has none: it is an attribute of the IP interface, set with the addresses.</summary>
    public int Mtu { get; }

    /// <inheritdoc/>
    public long ReadDrops => Volatile.Read(ref _readDrops);

    /// <inheritdoc/>
    public long WriteDrops => Volatile.Read(ref _writeDrops);

    /// <summary>Creates the adapter and starts its session.</summary>
    /// <exception cref="PlatformException">wintun.dll is missing, or Windows refused.</exception>
    public static WintunAdapter Open(TunOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        nint adapter;
        try
        {
            adapter = Wintun.WintunCreateAdapter(options.Name, TunnelType, GuidOf(options.Name));
        }
        catch (Exception missing) when (missing is DllNotFoundException or BadImageFormatException)
        {
            throw new PlatformException(
                "wintun.dll was not found", 0, "reinstall the product, or put the signed wintun.dll beside the program", missing);
        }

        if (adapter == 0)
        {
            int error = Marshal.GetLastPInvokeError();
            throw PlatformException.FromErrno(
                $"Could not create the adapter '{options.Name}'",
                error,
                error == Wintun.ERROR_ACCESS_DENIED ? "run as administrator, or start the installed service" : null);
        }

        nint session = Wintun.WintunStartSession(adapter, RingCapacity);
        if (session == 0)
        {
            int error = Marshal.GetLastPInvokeError();
            Wintun.WintunCloseAdapter(adapter);
            throw PlatformException.FromErrno($"Could not start the adapter '{options.Name}'", error);
        }

        Wintun.WintunGetAdapterLUID(adapter, out ulong luid);
        _ = Kernel32.ConvertInterfaceLuidToIndex(in luid, out uint index);
        return new WintunAdapter(adapter, session, options.Name, (int)index, options.Mtu);
    }

    /// <inheritdoc/>
    public int Read(PacketBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        batch.Clear();
        if (!TryEnter())
        {
            return 0;
        }

        try
        {
            while (!_stopped)
            {
                FillBatch(batch);
                if (batch.Count > 0)
                {
                    return batch.Count;
                }

                WaitReadable();
            }

            return 0;
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public bool Write(ReadOnlySpan<byte> packet)
    {
        if (!TryEnter())
        {
            Interlocked.Increment(ref _writeDrops);
            return false;
        }

        try
        {
            return WritePacket(packet);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public int Write(PacketBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (!TryEnter())
        {
            Interlocked.Add(ref _writeDrops, batch.Count);
            return 0;
        }

        try
        {
            int written = 0;
            for (int i = 0; i < batch.Count; i++)
            {
                written += WritePacket(batch.Packets[i].Span) ? 1 : 0;
            }

            return written;
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public void Stop()
    {
        lock (_gate)
        {
            _stopped = true;
            if (!_disposed)
            {
                _stopEvent.Set();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            if (_callsInFlight == 0)
            {
                Close();
            }
        }
    }

    private static Guid GuidOf(string name) =>
        new(SHA256.HashData(Encoding.UTF8.GetBytes("diode-tunnel adapter " + name)).AsSpan(0, 16));

    private bool TryEnter()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return false;
            }

            _callsInFlight++;
            return true;
        }
    }

    private void Leave()
    {
        lock (_gate)
        {
            if (--_callsInFlight == 0 && _disposed)
            {
                Close();
            }
        }
    }

    private void Close()
    {
        Wintun.WintunEndSession(_session);
        Wintun.WintunCloseAdapter(_adapter);
        _stopEvent.Dispose();
    }

    private unsafe void FillBatch(PacketBatch batch)
    {
        while (!batch.IsFull)
        {
            byte* packet = Wintun.WintunReceivePacket(_session, out uint size);
            if (packet is null)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error != Wintun.ERROR_NO_MORE_ITEMS)
                {
                    throw PlatformException.FromErrno($"Reading from the adapter '{Name}' failed", error);
                }

                return;
            }

            // The packet lies in the driver's ring: size bytes are readable until it is released.
            if (batch.Prepare(batch.Count).TryAssign(new ReadOnlySpan<byte>(packet, (int)size)))
            {
                batch.Count++;
            }
            else
            {
                _readDrops++;
            }

            Wintun.WintunReleaseReceivePacket(_session, packet);
        }
    }

    private unsafe void WaitReadable()
    {
        // Both handles outlive the call: the session by the count of calls in flight, the event by being closed after it.
        nint* handles = stackalloc nint[2];
        handles[0] = _stopEvent.SafeWaitHandle.DangerousGetHandle();
        handles[1] = _readEvent;
        _ = Kernel32.WaitForMultipleObjects(2, handles, 0, Kernel32.INFINITE);
    }

    private unsafe bool WritePacket(ReadOnlySpan<byte> packet)
    {
        if (packet.Length is > 0 and <= Wintun.WINTUN_MAX_IP_PACKET_SIZE)
        {
            byte* room = Wintun.WintunAllocateSendPacket(_session, (uint)packet.Length);
            if (room is not null)
            {
                packet.CopyTo(new Span<byte>(room, packet.Length));
                Wintun.WintunSendPacket(_session, room);
                return true;
            }
        }

        Interlocked.Increment(ref _writeDrops);
        return false;
    }
}
