using System.Threading.Channels;
using Diode.Tunnel.Edge.Messages;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Testing.Plain;

/// <summary>One open port of a <see cref="PlainDevice"/>.</summary>
public sealed class PlainPort(PlainDevice owner, PortRef reference, Address device, string name)
{
    private readonly Channel<byte[]> _data = Channel.CreateUnbounded<byte[]>();

    public Address Device { get; } = device;

    public string Name { get; } = name;

    public PortRef Reference { get; } = reference;

    /// <summary>What arrived; completed when the port is closed.</summary>
    public ChannelReader<byte[]> Data => _data.Reader;

    public Task SendAsync(ReadOnlyMemory<byte> data) => owner.SendAsync(this, data);

    public Task CloseAsync() => owner.CloseAsync(this);

    internal void Add(byte[] data) => _data.Writer.TryWrite(data);

    internal void Complete() => _data.Writer.TryComplete();
}
