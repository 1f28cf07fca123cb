using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>The error queue of a socket (ip(7) IP_RECVERR): what routers and our own kernel say of datagrams sent earlier.</summary>
internal sealed unsafe partial class LinuxDatagramSocket
{
    private const int MaxReports = 64;
    private const int ReportControlLength = 512;
    private const int ReportErrno = 0;
    private const int ReportInfo = 8;
    private const int ReportLength = 16;

    /// <summary>Deals with a failed receive; returns if it may be tried again.</summary>
    private void TakeReceiveError(int errno)
    {
        switch (errno)
        {
            case Libc.EINTR or Libc.EAGAIN:
                return;
            case Libc.EBADF or Libc.ENOTSOCK or Libc.EINVAL or Libc.EFAULT or Libc.EOPNOTSUPP:
                throw PlatformException.FromErrno($"Receiving from UDP port {Port} failed", errno);
            default:
                // An earlier datagram's fate, told once.
                if (_reportTooBig)
                {
                    ReadReports();
                }

                return;
        }
    }

    [SkipLocalsInit]
    private void ReadReports()
    {
        byte* name = stackalloc byte[EndpointAddress.MaxSockaddrLength];
        byte* control = stackalloc byte[ReportControlLength];
        byte* data = stackalloc byte[64];
        for (int i = 0; i < MaxReports; i++)
        {
            Libc.IoVec vector = new() { Base = data, Length = 64 };
            Libc.MsgHdr message = new()
            {
                Name = name,
                NameLength = EndpointAddress.MaxSockaddrLength,
                Vectors = &vector,
                VectorCount = 1,
                Control = control,
                ControlLength = ReportControlLength,
            };
            if (Libc.ReceiveMessage(_descriptor.Value, &message, Libc.MSG_ERRQUEUE | Libc.MSG_DONTWAIT) < 0)
            {
                return;
            }

            ReadOnlySpan<byte> report = FindReport(new ReadOnlySpan<byte>(control, (int)Math.Min(message.ControlLength, ReportControlLength)));
            if (report.Length >= ReportLength
                && MemoryMarshal.Read<int>(report[ReportErrno..]) == Libc.EMSGSIZE
                && EndpointAddress.TryFromSockaddr(
                    new ReadOnlySpan<byte>(name, (int)Math.Min(message.NameLength, EndpointAddress.MaxSockaddrLength)), out EndpointAddress to))
            {
                TooBig?.Invoke(to, (int)MemoryMarshal.Read<uint>(report[ReportInfo..]));
            }
        }
    }

    /// <summary>struct sock_extended_err: u32 errno, u8 origin, type, code, pad, u32 info (the MTU), u32 data.</summary>
    private static ReadOnlySpan<byte> FindReport(ReadOnlySpan<byte> control)
    {
        while (control.Length >= ControlHeaderLength)
        {
            long length = MemoryMarshal.Read<long>(control);
            int level = MemoryMarshal.Read<int>(control[8..]);
            int type = MemoryMarshal.Read<int>(control[12..]);
            if (length < ControlHeaderLength || length > control.Length)
            {
                break;
            }

            if ((level == Libc.SOL_IP && type == Libc.IP_RECVERR) || (level == Libc.SOL_IPV6 && type == Libc.IPV6_RECVERR))
            {
                return control[ControlHeaderLength..(int)length];
            }

            control = control[(int)Math.Min((length + 7) & ~7L, control.Length)..];
        }

        return default;
    }
}
