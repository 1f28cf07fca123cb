namespace Diode.Tunnel.Testing.Vectors;

/// <summary>A case that does not hold, or that cannot be read.</summary>
public sealed class VectorException(string message) : Exception(message);
