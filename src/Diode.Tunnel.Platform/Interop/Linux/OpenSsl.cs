using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Diode.Tunnel.Platform.Interop.Linux;

/// <summary>Presence of OpenSSL 3 and the text of its error queue.</summary>
internal static unsafe class OpenSsl
{
    /// <summary>True if libcrypto.so.3 is present and initialised.</summary>
    public static bool HasLibcrypto { get; } = TryInitialize(static () =>
        Libcrypto.OPENSSL_init_crypto(
            Libcrypto.OPENSSL_INIT_NO_ATEXIT | Libcrypto.OPENSSL_INIT_LOAD_CRYPTO_STRINGS, 0));

    /// <summary>True if libssl.so.3 is present and initialised too.</summary>
    public static bool HasLibssl { get; } = HasLibcrypto && TryInitialize(static () =>
        Libssl.OPENSSL_init_ssl(Libssl.OPENSSL_INIT_LOAD_SSL_STRINGS | Libcrypto.OPENSSL_INIT_NO_ATEXIT, 0));

    /// <summary>Empties the calling thread's error queue into one line, oldest error first.</summary>
    /// <param name="fallback">The text if the queue is empty.</param>
    public static string TakeErrors(string fallback)
    {
        StringBuilder? text = null;
        while (true)
        {
            byte* data = null;
            int flags = 0;
            nuint code = Libcrypto.ERR_get_error_all(0, 0, 0, &data, &flags);
            if (code == 0)
            {
                return text?.ToString() ?? fallback;
            }

            text = text is null ? new StringBuilder() : text.Append("; ");
            string? reason = Marshal.PtrToStringUTF8((nint)Libcrypto.ERR_reason_error_string(code));
            text.Append(reason ?? string.Create(CultureInfo.InvariantCulture, $"OpenSSL error {code:x}"));
            if ((flags & Libcrypto.ERR_TXT_STRING) != 0 && Marshal.PtrToStringUTF8((nint)data) is { Length: > 0 } detail)
            {
                text.Append(" (").Append(detail).Append(')');
            }
        }
    }

    // Without NO_ATEXIT the first initialiser in a process registers a cleanup that runs at exit() while other threads
    // may still be inside the library.
    private static bool TryInitialize(Func<int> initialize)
    {
        try
        {
            return OperatingSystem.IsLinux() && initialize() == 1;
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException
            or BadImageFormatException)
        {
            return false;
        }
    }
}
