using System.Buffers.Binary;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>
/// Stands between the wire and the TLS library until the peer changes ciphers. It hands on whole records with whole
/// messages only, after the ClientHello or the Certificate in them has passed our own checks, and bounds everything a
/// peer may send before its key is proven.
/// </summary>
/// <remarks>In TLS 1.2 everything up to the ChangeCipherSpec is in the clear; afterwards the guard has no more work.</remarks>
internal sealed class HandshakeGuard(TlsRole role, TlsPeerValidator validator)
{
    private const byte HelloRequest = 0;
    private const byte ClientHello = 1;
    private const byte ServerHello = 2;
    private const byte NewSessionTicket = 4;
    private const byte Certificate = 11;
    private const byte ServerKeyExchange = 12;
    private const byte CertificateRequest = 13;
    private const byte ServerHelloDone = 14;
    private const byte CertificateVerify = 15;
    private const byte ClientKeyExchange = 16;
    private const byte CertificateStatus = 22;

    private const int MessageHeaderLength = 4;
    private const int MaxMessage = 12 * 1024;
    private const int MaxHandshake = 32 * 1024;
    private const int MaxHeld = 48 * 1024;
    private const int MaxAlerts = 4;

    private readonly byte[] _messageHeader = new byte[MessageHeaderLength];
    private byte[] _held = [];
    private byte[] _message = [];
    private int _heldLength;
    private int _recordStart;
    private int _messageHeaderLength;
    private int _messageLength;
    private int _messageReceived;
    private int _handshakeBytes;
    private int _alerts;
    private uint _seen;
    private bool _handedOut;

    /// <summary>True once the peer has changed ciphers: later bytes need no guard.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>Why the handshake must end; null while it may go on.</summary>
    public TlsRefusal? Refusal { get; private set; }

    /// <summary>False once our own side may have changed ciphers: then the peer would not understand an alert in the clear.</summary>
    public bool MayAlert => (_seen & (1u << ServerHelloDone)) == 0;

    /// <summary>The peer's certificate after the validator accepted it, byte by byte as it came; empty before.</summary>
    public byte[] PeerCertificate { get; private set; } = [];

    /// <summary>Takes bytes from the front of <paramref name="input"/>.</summary>
    /// <param name="input">Bytes from the peer; what is left belongs to the next call.</param>
    /// <param name="records">Whole records for the library, valid until the next call.</param>
    /// <returns>True if there are records; otherwise all input was taken, or there is a <see cref="Refusal"/>.</returns>
    public bool TryTake(ref ReadOnlySpan<byte> input, out ReadOnlySpan<byte> records)
    {
        records = default;
        if (_handedOut)
        {
            _handedOut = false;
            _heldLength = 0;
            _recordStart = 0;
        }

        while (Refusal is null && !IsOpen)
        {
            if (!TryFill(ref input, TlsRecord.HeaderLength))
            {
                return false;
            }

            ReadOnlySpan<byte> header = _held.AsSpan(_recordStart, TlsRecord.HeaderLength);
            int length = BinaryPrimitives.ReadUInt16BigEndian(header[3..]);
            if (!CheckHeader(header, length) || !TryFill(ref input, TlsRecord.HeaderLength + length))
            {
                return false;
            }

            byte type = header[0];
            if (!CheckRecord(type, _held.AsSpan(_recordStart + TlsRecord.HeaderLength, length)))
            {
                return false;
            }

            _recordStart = _heldLength;

            // A message keeps its records back until it is complete and checked.
            if (_messageHeaderLength == 0)
            {
                IsOpen = type == TlsRecord.ChangeCipherSpec;
                _handedOut = true;
                records = _held.AsSpan(0, _heldLength);
                return true;
            }
        }

        return false;
    }

    /// <summary>Makes <paramref name="length"/> bytes of the current record available.</summary>
    private bool TryFill(ref ReadOnlySpan<byte> input, int length)
    {
        int missing = _recordStart + length - _heldLength;
        if (missing <= 0)
        {
            return true;
        }

        if (_recordStart + length > MaxHeld)
        {
            return Refuse(TlsAlert.RecordOverflow, "the peer's handshake is too long");
        }

        // Grows with what has arrived, not with what a header promises.
        int taken = Math.Min(missing, input.Length);
        int needed = _heldLength + taken;
        if (needed > _held.Length)
        {
            Array.Resize(ref _held, Math.Max(needed, Math.Min(2 * _held.Length, MaxHeld)));
        }

        input[..taken].CopyTo(_held.AsSpan(_heldLength));
        input = input[taken..];
        _heldLength += taken;
        return taken == missing;
    }

    private bool CheckHeader(ReadOnlySpan<byte> header, int length)
    {
        return header[0] is >= TlsRecord.ChangeCipherSpec and <= TlsRecord.ApplicationData && header[1] == 3
            ? (length is > 0 and <= TlsRecord.MaxPlaintext
                || Refuse(TlsAlert.RecordOverflow, "the peer sent a record of impossible length"))
            : Refuse(TlsAlert.UnexpectedMessage, "the peer does not speak TLS");
    }

    private bool CheckRecord(byte type, ReadOnlySpan<byte> fragment)
    {
        switch (type)
        {
            case TlsRecord.Handshake:
                _handshakeBytes += fragment.Length;
                return _handshakeBytes <= MaxHandshake
                    ? CheckFragment(fragment)
                    : Refuse(TlsAlert.RecordOverflow, "the peer's handshake is too long");
            case TlsRecord.Alert:
                return ++_alerts <= MaxAlerts
                    || Refuse(TlsAlert.UnexpectedMessage, "the peer sent too many alerts");
            case TlsRecord.ChangeCipherSpec when _messageHeaderLength == 0:
                return true;
            default:
                return Refuse(TlsAlert.UnexpectedMessage, "the peer sent an unexpected record in the handshake");
        }
    }

    private bool CheckFragment(ReadOnlySpan<byte> fragment)
    {
        while (!fragment.IsEmpty)
        {
            if (_messageHeaderLength < MessageHeaderLength)
            {
                _messageHeader[_messageHeaderLength++] = fragment[0];
                fragment = fragment[1..];
                if (_messageHeaderLength == MessageHeaderLength && !BeginMessage())
                {
                    return false;
                }
            }
            else
            {
                int taken = Math.Min(fragment.Length, _messageLength - _messageReceived);
                if (_message.Length > 0)
                {
                    fragment[..taken].CopyTo(_message.AsSpan(_messageReceived));
                }

                _messageReceived += taken;
                fragment = fragment[taken..];
            }

            if (_messageHeaderLength == MessageHeaderLength && _messageReceived == _messageLength && !EndMessage())
            {
                return false;
            }
        }

        return true;
    }

    private bool BeginMessage()
    {
        byte type = _messageHeader[0];
        _messageLength = (_messageHeader[1] << 16) | (_messageHeader[2] << 8) | _messageHeader[3];
        _messageReceived = 0;
        bool expected = role == TlsRole.Server
            ? type is ClientHello or Certificate or ClientKeyExchange or CertificateVerify
            : type is HelloRequest or ServerHello or NewSessionTicket or Certificate or ServerKeyExchange
                or CertificateRequest or ServerHelloDone or CertificateStatus;
        if (!expected || (type != HelloRequest && (_seen & (1u << type)) != 0))
        {
            return Refuse(TlsAlert.UnexpectedMessage, "the peer sent an unexpected handshake message");
        }

        _seen |= 1u << type;
        if (_messageLength > MaxMessage)
        {
            return Refuse(TlsAlert.RecordOverflow, "the peer's handshake message is too long");
        }

        if (type is ClientHello or Certificate)
        {
            _message = new byte[Math.Max(1, _messageLength)];
        }

        return true;
    }

    private bool EndMessage()
    {
        ReadOnlySpan<byte> body = _message.AsSpan(0, Math.Min(_message.Length, _messageLength));
        Refusal = _messageHeader[0] switch
        {
            ClientHello => ClientHelloCheck.Check(body),
            Certificate => CheckCertificates(body),
            _ => null,
        };
        _message = [];
        _messageHeaderLength = 0;
        return Refusal is null;
    }

    private TlsRefusal? CheckCertificates(ReadOnlySpan<byte> body)
    {
        if (!TryReadVector(ref body, out ReadOnlySpan<byte> list) || !body.IsEmpty)
        {
            return new TlsRefusal(TlsAlert.DecodeError, "the peer's certificate message is malformed");
        }

        if (list.IsEmpty)
        {
            return new TlsRefusal(TlsAlert.HandshakeFailure, "the peer has no certificate");
        }

        if (!TryReadVector(ref list, out ReadOnlySpan<byte> certificate))
        {
            return new TlsRefusal(TlsAlert.DecodeError, "the peer's certificate message is malformed");
        }

        if (!list.IsEmpty)
        {
            return new TlsRefusal(TlsAlert.BadCertificate, "the peer sent more than one certificate");
        }

        TlsRefusal? refusal = PeerCertificateCheck.Check(certificate, validator);
        if (refusal is null)
        {
            PeerCertificate = certificate.ToArray();
        }

        return refusal;
    }

    private static bool TryReadVector(scoped ref ReadOnlySpan<byte> from, out ReadOnlySpan<byte> vector)
    {
        vector = default;
        if (from.Length < 3)
        {
            return false;
        }

        int length = (from[0] << 16) | (from[1] << 8) | from[2];
        if (from.Length - 3 < length)
        {
            return false;
        }

        vector = from.Slice(3, length);
        from = from[(3 + length)..];
        return true;
    }

    private bool Refuse(TlsAlert alert, string reason)
    {
        Refusal = new TlsRefusal(alert, reason);
        return false;
    }
}
