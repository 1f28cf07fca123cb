namespace Diode.Tunnel.Engine.Membership;

/// <summary>
/// Replaces a file so that a crash leaves the old or the new content, and keeps the old content beside it as <c>name.last</c>.
/// Throws <see cref="IOException"/> or <see cref="UnauthorizedAccessException"/>.
/// </summary>
public delegate void StateFileWriter(string path, ReadOnlySpan<byte> content);
