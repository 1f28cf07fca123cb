using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Diode.Tunnel.Platform.Sockets;

/// <summary>
/// An IPv4 or IPv6 address with port (and scope) by value: no allocation, fit for a dictionary key. IPv4 in IPv6 (<c>::ffff:…</c>) is
/// IPv4. The default value is no address.
/// </summary>
public readonly struct EndpointAddress : IEquatable<EndpointAddress>
{
    /// <summary>Room for the longest socket address of the system (<c>sockaddr_in6</c>).</summary>
    public const int MaxSockaddrLength = 28;

    private const int Ipv4SockaddrLength = 16;
    private const ushort Ipv4Family = 2;
    private static readonly ushort Ipv6Family = (ushort)(OperatingSystem.IsWindows() ? 23 : OperatingSystem.IsLinux() ? 10 : 30);

    // The address in memory order; IPv4 in the first four bytes of _first.
    private readonly ulong _first;
    private readonly ulong _second;
    private readonly uint _scope;
    private readonly ushort _port;
    private readonly byte _version;

    private EndpointAddress(ReadOnlySpan<byte> address, int port, uint scope)
    {
        _port = (ushort)port;
        ReadOnlySpan<byte> mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        if (address.Length == 16 && address.StartsWith(mapped))
        {
            address = address[12..];
        }

        if (address.Length == 4)
        {
            _version = 4;
            _first = MemoryMarshal.Read<uint>(address);
            return;
        }

        _version = 6;
        _scope = scope;
        _first = MemoryMarshal.Read<ulong>(address);
        _second = MemoryMarshal.Read<ulong>(address[8..]);
    }

    /// <summary>False for the default value.</summary>
    public bool IsSet => _version != 0;

    /// <summary>True for IPv4, also when it was written as IPv6.</summary>
    public bool IsIpv4 => _version == 4;

    /// <summary>True for IPv6.</summary>
    public bool IsIpv6 => _version == 6;

    /// <summary>The port.</summary>
    public int Port => _port;

    /// <summary>The interface of a link-local IPv6 address; 0 elsewhere.</summary>
    public uint Scope => _scope;

    /// <summary>Family; unspecified for the default value.</summary>
    public AddressFamily Family => _version switch
    {
        4 => AddressFamily.InterNetwork,
        6 => AddressFamily.InterNetworkV6,
        _ => AddressFamily.Unspecified,
    };

    /// <summary>From an address of 4 or 16 bytes in network order.</summary>
    /// <returns>False if the length is another.</returns>
    public static bool TryCreate(ReadOnlySpan<byte> address, ushort port, out EndpointAddress endpoint)
    {
        endpoint = address.Length is 4 or 16 ? new EndpointAddress(address, port, 0) : default;
        return endpoint.IsSet;
    }

    /// <summary>From the type of .NET.</summary>
    /// <returns>False if it is null or neither IPv4 nor IPv6.</returns>
    public static bool TryFrom(EndPoint? from, out EndpointAddress endpoint)
    {
        endpoint = default;
        if (from is not IPEndPoint { AddressFamily: AddressFamily.InterNetwork or AddressFamily.InterNetworkV6 } ip)
        {
            return false;
        }

        Span<byte> address = stackalloc byte[16];
        ip.Address.TryWriteBytes(address, out int length);
        endpoint = new EndpointAddress(
            address[..length], ip.Port, length == 16 ? (uint)ip.Address.ScopeId : 0);
        return true;
    }

    /// <summary>Reads "192.0.2.1:443" or "[2001:db8::1]:443".</summary>
    public static bool TryParse(string? text, out EndpointAddress endpoint)
    {
        endpoint = default;
        return IPEndPoint.TryParse(text ?? "", out IPEndPoint? parsed) && TryFrom(parsed, out endpoint);
    }

    /// <summary>From a socket address of the system (<c>sockaddr_in</c>, <c>sockaddr_in6</c>).</summary>
    /// <returns>False if it is neither or too short.</returns>
    public static bool TryFromSockaddr(ReadOnlySpan<byte> sockaddr, out EndpointAddress endpoint)
    {
        endpoint = default;
        if (sockaddr.Length < Ipv4SockaddrLength)
        {
            return false;
        }

        ushort family = MemoryMarshal.Read<ushort>(sockaddr);
        int port = BinaryPrimitives.ReadUInt16BigEndian(sockaddr[2..]);
        if (family == Ipv4Family)
        {
            endpoint = new EndpointAddress(sockaddr.Slice(4, 4), port, 0);
            return true;
        }

        if (family != Ipv6Family || sockaddr.Length < MaxSockaddrLength)
        {
            return false;
        }

        endpoint = new EndpointAddress(sockaddr.Slice(8, 16), port, MemoryMarshal.Read<uint>(sockaddr[24..]));
        return true;
    }

    /// <summary>Writes the socket address a socket of the given family takes; IPv4 becomes IPv6 for a dual mode socket.</summary>
    /// <param name="socket">Family of the socket.</param>
    /// <param name="sockaddr">At least <see cref="MaxSockaddrLength"/> bytes.</param>
    /// <param name="length">How many of them were written.</param>
    /// <returns>False if the address does not suit the socket.</returns>
    public bool TryWriteTo(AddressFamily socket, Span<byte> sockaddr, out int length)
    {
        length = 0;
        if (_version == 4 && socket == AddressFamily.InterNetwork)
        {
            length = Ipv4SockaddrLength;
            sockaddr[..length].Clear();
            MemoryMarshal.Write(sockaddr, Ipv4Family);
            BinaryPrimitives.WriteUInt16BigEndian(sockaddr[2..], _port);
            MemoryMarshal.Write(sockaddr[4..], (uint)_first);
            return true;
        }

        if (_version == 0 || socket != AddressFamily.InterNetworkV6)
        {
            return false;
        }

        length = MaxSockaddrLength;
        sockaddr[..length].Clear();
        MemoryMarshal.Write(sockaddr, Ipv6Family);
        BinaryPrimitives.WriteUInt16BigEndian(sockaddr[2..], _port);
        if (_version == 4)
        {
            sockaddr[18] = 0xff;
            sockaddr[19] = 0xff;
            MemoryMarshal.Write(sockaddr[20..], (uint)_first);
            return true;
        }

        MemoryMarshal.Write(sockaddr[8..], _first);
        MemoryMarshal.Write(sockaddr[16..], _second);
        MemoryMarshal.Write(sockaddr[24..], _scope);
        return true;
    }

    /// <summary>The address in network order.</summary>
    /// <param name="address">At least 16 bytes.</param>
    /// <returns>4, 16 or, for the default value, 0.</returns>
    public int CopyAddressTo(Span<byte> address)
    {
        if (_version == 4)
        {
            MemoryMarshal.Write(address, (uint)_first);
            return 4;
        }

        if (_version == 0)
        {
            return 0;
        }

        MemoryMarshal.Write(address, _first);
        MemoryMarshal.Write(address[8..], _second);
        return 16;
    }

    /// <summary>The type of .NET; allocates.</summary>
    /// <exception cref="InvalidOperationException">The default value.</exception>
    public IPEndPoint ToEndPoint()
    {
        Span<byte> address = stackalloc byte[16];
        int length = CopyAddressTo(address);
        return length switch
        {
            4 => new IPEndPoint(new IPAddress(address[..4]), _port),
            16 => new IPEndPoint(new IPAddress(address, _scope), _port),
            _ => throw new InvalidOperationException("There is no address."),
        };
    }

    /// <summary>The same address with another port.</summary>
    public EndpointAddress WithPort(ushort port)
    {
        Span<byte> address = stackalloc byte[16];
        int length = CopyAddressTo(address);
        return length == 0 ? default : new EndpointAddress(address[..length], port, _scope);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Equals(EndpointAddress other) => _first == other._first && _second == other._second
        && _port == other._port && _version == other._version && _scope == other._scope;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is EndpointAddress other && Equals(other);

    /// <summary>Seeded per process: senders cannot choose addresses that collide.</summary>
    public override int GetHashCode() => HashCode.Combine(_first, _second, _port, _scope);

    /// <inheritdoc/>
    public override string ToString() => IsSet ? ToEndPoint().ToString() : "none";

    /// <summary>Equality of all parts.</summary>
    public static bool operator ==(EndpointAddress left, EndpointAddress right) => left.Equals(right);

    /// <summary>Inequality.</summary>
    public static bool operator !=(EndpointAddress left, EndpointAddress right) => !left.Equals(right);
}
