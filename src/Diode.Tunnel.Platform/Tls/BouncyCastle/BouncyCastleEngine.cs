using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Tls;

namespace Diode.Tunnel.Platform.Tls.BouncyCastle;

/// <summary>TLS in managed code, for systems whose own library has no secp256k1.</summary>
/// <remarks>
/// The library keeps up to three buffers of 32 KiB per connection once records of full size went through it. It offers
/// sessions as client and never resumes as server.
/// </remarks>
internal sealed class BouncyCastleEngine : GuardedTlsEngine
{
    // The peer may ask for another handshake (which is refused) as long as it fits into this.
    private const int MaxLateHandshake = 4 * 1024;

    private readonly TlsProtocol _protocol;
    private readonly IConnection _connection;
    private readonly ClientPeer? _client;
    private readonly ServerPeer? _server;
    private readonly byte[] _resumedCertificate = [];
    private readonly byte[] _header = new byte[TlsRecord.HeaderLength];
    private int _headerLength;
    private int _recordLeft;
    private int _lateHandshake;
    private byte[]? _own;
    private bool _disposed;

    public BouncyCastleEngine(
        TlsRole role,
        TlsIdentity identity,
        TlsPeerValidator validator,
        TlsSessionCache? sessions = null,
        string? sessionKey = null)
        : base(role, identity, validator, sessions, sessionKey)
    {
        Credentials credentials = identity.GetCredentials();
        if (role == TlsRole.Server)
        {
            ServerConnection server = new();
            _server = new ServerPeer(credentials, IsChecked);
            server.Accept(_server);
            _protocol = server;
            _connection = server;
            return;
        }

        TlsSession? session = null;
        if (SessionKey is not null && Sessions is not null && Sessions.TryGet(role, SessionKey, out byte[]? state))
        {
            session = SessionState.Decode(state, out _resumedCertificate);
            CryptographicOperations.ZeroMemory(state);
        }

        ClientConnection client = new();
        _client = new ClientPeer(credentials, IsChecked, session);
        client.Connect(_client);
        _protocol = client;
        _connection = client;
    }

    public override int PendingOutput =>
        _disposed ? 0 : _protocol.GetAvailableOutputBytes() + (_own?.Length ?? 0);

    protected override bool IsDisposed => _disposed;

    public override int ReadOutput(Span<byte> ciphertext)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int total = 0;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Math.Min(ciphertext.Length, TlsRecord.MaxPlaintext));
        while (!ciphertext.IsEmpty && _protocol.GetAvailableOutputBytes() > 0)
        {
            int read = _protocol.ReadOutput(buffer, 0, Math.Min(buffer.Length, ciphertext.Length));
            buffer.AsSpan(0, read).CopyTo(ciphertext);
            ciphertext = ciphertext[read..];
            total += read;
        }

        ArrayPool<byte>.Shared.Return(buffer);
        if (_own is not null && !ciphertext.IsEmpty)
        {
            int read = Math.Min(_own.Length, ciphertext.Length);
            _own.AsSpan(0, read).CopyTo(ciphertext);
            _own = read == _own.Length ? null : _own[read..];
            total += read;
        }

        return total;
    }

    protected override TlsResult Feed(ReadOnlySpan<byte> records, IBufferWriter<byte> plaintext)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Math.Min(records.Length, TlsRecord.MaxPlaintext));
        try
        {
            TlsResult result = TlsResult.Ok;
            while (result == TlsResult.Ok && !records.IsEmpty)
            {
                result = FeedPart(ref records, buffer, plaintext);
            }

            return result;
        }
        catch (TlsFatalAlertReceived alert)
        {
            return Fail($"the peer sent the alert {AlertDescription.GetText(alert.AlertDescription)}");
        }
        catch (TlsFatalAlert alert)
        {
            return Fail($"alert {AlertDescription.GetText(alert.AlertDescription)} sent");
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // The library turns what happens inside it into alerts; nothing else may reach the caller either.
            return Fail($"the TLS library failed: {exception.GetType().Name}");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    protected override TlsResult Encrypt(ReadOnlySpan<byte> plaintext)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Math.Min(plaintext.Length, TlsRecord.MaxPlaintext));
        try
        {
            while (!plaintext.IsEmpty)
            {
                int length = Math.Min(Math.Min(plaintext.Length, buffer.Length), TlsRecord.MaxPlaintext);
                plaintext[..length].CopyTo(buffer);
                plaintext = plaintext[length..];
                _protocol.OfferOutput(buffer, 0, length);
            }

            return TlsResult.Ok;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return Fail($"the TLS library did not take the data: {exception.GetType().Name}");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    protected override void SendCloseNotify()
    {
        try
        {
            _connection.SendCloseNotify();
        }
        catch (IOException)
        {
            // Then the peer learns it from the end of the transport.
        }
    }

    protected override void QueueRecord(ReadOnlySpan<byte> record) => _own = record.ToArray();

    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        _server?.Cipher?.Dispose();
        _client?.Cipher?.Dispose();
    }

    /// <summary>Gives a header or a part of one record to the library, and takes out what it decrypted.</summary>
    private TlsResult FeedPart(ref ReadOnlySpan<byte> records, byte[] buffer, IBufferWriter<byte> plaintext)
    {
        if (_headerLength < TlsRecord.HeaderLength)
        {
            int part = Math.Min(TlsRecord.HeaderLength - _headerLength, records.Length);
            records[..part].CopyTo(_header.AsSpan(_headerLength));
            records = records[part..];
            _headerLength += part;
            if (_headerLength < TlsRecord.HeaderLength)
            {
                return TlsResult.Ok;
            }

            _recordLeft = BinaryPrimitives.ReadUInt16BigEndian(_header.AsSpan(3));
            if (IsHandshakeComplete && _header[0] == TlsRecord.Handshake)
            {
                // The library would collect a message of any announced length before it refuses it.
                _lateHandshake += _recordLeft;
                if (_lateHandshake > MaxLateHandshake)
                {
                    return Fail("the peer sent too much after the handshake");
                }
            }

            _protocol.OfferInput(_header, 0, TlsRecord.HeaderLength);
        }

        int length = Math.Min(Math.Min(_recordLeft, records.Length), buffer.Length);
        if (length > 0)
        {
            records[..length].CopyTo(buffer);
            records = records[length..];
            _recordLeft -= length;
            _protocol.OfferInput(buffer, 0, length);
        }

        if (_recordLeft > 0)
        {
            return TlsResult.Ok;
        }

        _headerLength = 0;
        return EndRecord(plaintext);
    }

    private TlsResult EndRecord(IBufferWriter<byte> plaintext)
    {
        if (_connection.IsComplete && !IsHandshakeComplete && Complete() is { } refusal)
        {
            return Fail(refusal);
        }

        // The wire brings records of at most 16 KiB, so this is bounded.
        for (int available; (available = _protocol.GetAvailableInputBytes()) > 0;)
        {
            byte[] data = ArrayPool<byte>.Shared.Rent(available);
            int read = _protocol.ReadInput(data, 0, available);
            plaintext.Write(data.AsSpan(0, read));
            ArrayPool<byte>.Shared.Return(data, clearArray: true);
        }

        return _connection.IsClosedByPeer ? TlsResult.Closed : TlsResult.Ok;
    }

    private string? Complete()
    {
        string? refusal = CompleteHandshake(_connection.IsResumed ? _resumedCertificate : null);
        if (refusal is null && !_connection.IsResumed && SessionKey is not null
            && SessionState.Encode(_client?.ResumableSession, CheckedCertificate) is { } state)
        {
            Sessions?.Store(Role, SessionKey, state);
            CryptographicOperations.ZeroMemory(state);
        }

        return refusal;
    }

    private bool IsChecked(byte[] certificate) =>
        certificate.Length > 0 && CheckedCertificate.SequenceEqual(certificate);
}
