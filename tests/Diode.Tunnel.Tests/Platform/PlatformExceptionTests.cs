using Diode.Tunnel.Platform;
using Xunit;

namespace Diode.Tunnel.Tests.Platform;

public sealed class PlatformExceptionTests
{
    [Fact]
    public void FromErrno_names_the_attempt_the_error_and_the_hint()
    {
        PlatformException exception = PlatformException.FromErrno("Could not open /dev/net/tun", 13, "run as root");
        Assert.StartsWith("Could not open /dev/net/tun: ", exception.Message, StringComparison.Ordinal);
        Assert.EndsWith("(errno 13) (run as root)", exception.Message, StringComparison.Ordinal);
        Assert.Equal(13, exception.Errno);
        Assert.False(exception.IsTransient);
    }

    [Theory]
    [InlineData(11, true)]
    [InlineData(110, true)]
    [InlineData(1, false)]
    [InlineData(0, false)]
    public void IsTransient_is_true_for_errors_that_pass(int errno, bool transient) =>
        Assert.Equal(transient, new PlatformException("x", errno).IsTransient);
}
