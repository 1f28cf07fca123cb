namespace Diode.Tunnel.Control;

/// <summary>The version of the JSON documents of the control API.</summary>
public static class ControlSchema
{
    /// <summary>
    /// Written into every top-level document as <c>schemaVersion</c>. Adding a field keeps it;
    /// removing a field or changing a meaning raises it and the <c>/v1</c> in the path.
    /// </summary>
    public const int Version = 1;
}
