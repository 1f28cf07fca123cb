using System.Runtime.InteropServices;
using Diode.Tunnel.Platform.Interop.Linux;

namespace Diode.Tunnel.Platform.Tls;

/// <summary>SSL with its two memory BIOs, and the weak reference by which callbacks find the engine.</summary>
internal sealed class LibsslConnection : SafeHandle
{
    private static readonly int OwnerIndex = Libcrypto.CRYPTO_get_ex_new_index(
        Libcrypto.CRYPTO_EX_INDEX_SSL, 0, 0, 0, 0, 0);

    private const int BIO_C_SET_BUF_MEM_EOF_RETURN = 130;

    private readonly nint _input;

    // Weak, so that an engine somebody forgot to dispose is still collected, and this handle with it.
    private GCHandle _owner;

    /// <summary>Creates the connection; the BIOs belong to it.</summary>
    public LibsslConnection(LibsslContext context, object owner)
        : base(0, ownsHandle: true)
    {
        bool added = false;
        try
        {
            context.DangerousAddRef(ref added);
            SetHandle(Libssl.SSL_new(context.DangerousGetHandle()));
        }
        finally
        {
            if (added)
            {
                context.DangerousRelease();
            }
        }

        _input = Libcrypto.BIO_new(Libcrypto.BIO_s_mem());
        Input = _input;
        Output = Libcrypto.BIO_new(Libcrypto.BIO_s_mem());
        if (IsInvalid || Input == 0 || Output == 0)
        {
            throw new PlatformException($"Could not create a TLS connection: {OpenSsl.TakeErrors("out of memory")}");
        }

        Libssl.SSL_set_bio(handle, Input, Output);
        _owner = GCHandle.Alloc(owner, GCHandleType.Weak);
        _ = Libssl.SSL_set_ex_data(handle, OwnerIndex, GCHandle.ToIntPtr(_owner));
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>The BIO with bytes from the peer.</summary>
    public nint Input { get; private set; }

    /// <summary>The BIO with bytes for the peer.</summary>
    public nint Output { get; private set; }

    /// <summary>The owner given at creation, or null if it is gone.</summary>
    public static object? FindOwner(nint ssl)
    {
        nint owner = Libssl.SSL_get_ex_data(ssl, OwnerIndex);
        return owner == 0 ? null : GCHandle.FromIntPtr(owner).Target;
    }

    /// <summary>Replaces the empty output BIO: a memory BIO never gives back what it once grew to.</summary>
    public void RenewOutput()
    {
        nint output = Libcrypto.BIO_new(Libcrypto.BIO_s_mem());
        if (output != 0)
        {
            Libssl.SSL_set0_wbio(handle, output);
            Output = output;
        }
    }

    /// <summary>
    /// Lets the library read the caller's memory instead of <see cref="Input"/>, which is empty, until <see cref="EndLoan"/>: saves a copy.
    /// </summary>
    public unsafe bool TryLend(byte* data, int length)
    {
        nint loan = Libcrypto.BIO_new_mem_buf(data, length);
        if (loan == 0)
        {
            return false;
        }

        // Its end means "more may come" like that of an ordinary memory BIO.
        _ = Libcrypto.BIO_ctrl(loan, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, 0);
        _ = Libcrypto.BIO_up_ref(_input);
        Libssl.SSL_set0_rbio(handle, loan);
        Input = loan;
        return true;
    }

    /// <summary>Takes the memory back. The library has read all of it, or the connection has failed.</summary>
    public void EndLoan()
    {
        Libssl.SSL_set0_rbio(handle, _input);
        Input = _input;
    }

    protected override bool ReleaseHandle()
    {
        Libssl.SSL_free(handle);
        if (_owner.IsAllocated)
        {
            _owner.Free();
        }

        return true;
    }
}
