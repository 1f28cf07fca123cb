using System.Text;

namespace Diode.Tunnel.Relay.Channels;

/// <summary>What becomes of a <c>channel</c> command.</summary>
internal readonly struct ChannelVerdict
{
    private ChannelVerdict(byte[]? value, byte[] error)
    {
        Object = value;
        Error = error;
    }

    /// <summary>The channel as an encoded list; null when it was refused.</summary>
    public byte[]? Object { get; }

    /// <summary>Text for the client when it was refused.</summary>
    public byte[] Error { get; }

    public static ChannelVerdict Accept(byte[] value) => new(value, []);

    public static ChannelVerdict Refuse(string error) => new(null, Encoding.ASCII.GetBytes(error));
}
