namespace Diode.Tunnel.Tests.Engine.Pipeline;

/// <summary>The same with threads that help with the cipher.</summary>
public sealed class HelpedTrainPipelineTests() : TrainPipelineTests(helpers: 3);
