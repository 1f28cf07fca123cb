using Diode.Tunnel.Edge.Sessions;
using Diode.Tunnel.Ethereum;

namespace Diode.Tunnel.Relay.Channels;

/// <summary>A <c>channel</c> command that outlives its frame, and who sent it.</summary>
internal sealed class ChannelRequest(in ChannelSubmission submission, Address device)
{
    public Address Device { get; } = device;

    public ulong ChainId { get; } = submission.ChainId;

    public ulong BlockNumber { get; } = submission.BlockNumber;

    public Address Fleet { get; } = submission.Fleet;

    public byte[] Type { get; } = submission.Type.ToArray();

    public byte[] Name { get; } = submission.Name.ToArray();

    /// <summary>One encoded RLP item.</summary>
    public byte[] Parameters { get; } = submission.Parameters.ToArray();

    public byte[] Signature { get; } = submission.Signature.ToArray();
}
