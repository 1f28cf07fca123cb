namespace Diode.Tunnel.Platform.Tun.Offload;

/// <summary>Where merging hands its packets on to.</summary>
internal interface IMergeSink
{
    /// <summary>A packet as it was added.</summary>
    void WriteSingle(ReadOnlySpan<byte> packet);

    /// <summary>At least two packets as one; the group is reused after the call.</summary>
    void WriteMerged(MergeGroup group);
}
