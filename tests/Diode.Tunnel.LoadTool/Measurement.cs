namespace Diode.Tunnel.LoadTool;

/// <summary>One row of the table.</summary>
/// <param name="Name">What was measured, with its unit.</param>
/// <param name="Reference">What the Elixir relay does on one core of this kind of machine; empty when not known.</param>
/// <param name="Target">What ours has to reach.</param>
/// <param name="Value">What ours does.</param>
/// <param name="Holds">Whether the target holds; null when there is none.</param>
internal sealed record Measurement(string Name, string Reference, string Target, string Value, bool? Holds);
