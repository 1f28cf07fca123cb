using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Diode.Tunnel.Relay.Accounting;

namespace Diode.Tunnel.Relay.Turn;

/// <summary>A device with a credential. Fields belong to the lock of <see cref="TurnServer"/>.</summary>
internal sealed class TurnUser
{
    private const int UsernameBytes = 8;
    private const int PasswordBytes = 24;

    private PaymentGate _payment;

    /// <summary>Makes a credential as real relays do (diode-node §10.2).</summary>
    public TurnUser(DeviceAccount account, string realm, long nowMs, long expiresMs)
    {
        Account = account;
        ExpiresMs = expiresMs;
        Username = "d" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(UsernameBytes));
        Password = System.Buffers.Text.Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(PasswordBytes));
        Key = DeriveKey(Username, realm, Password);
        _payment = new PaymentGate(nowMs, hasPaid: false);
    }

    public DeviceAccount Account { get; }

    public string Username { get; }

    public string Password { get; }

    /// <summary>Key of the message integrity.</summary>
    public byte[] Key { get; }

    public long ExpiresMs { get; }

    public int Allocations { get; set; }

    /// <summary>Sees whether the device pays.</summary>
    public bool MayGoOn(bool isConnected, long nowMs) => _payment.MayGoOn(Account, isConnected, nowMs);

    /// <summary>Key of long-term credentials (RFC 8489 §9.2.2).</summary>
    [SuppressMessage("Security", "CA5351:Do Not Use Broken Cryptographic Algorithms", Justification = "Prescribed by RFC 8489.")]
    public static byte[] DeriveKey(string username, string realm, string password) =>
        MD5.HashData(Encoding.UTF8.GetBytes($"{username}:{realm}:{password}"));
}
