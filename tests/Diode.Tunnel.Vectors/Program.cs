using Diode.Tunnel.Testing.Vectors;

// Runs the conformance vectors of the folder given as argument, else by DIODE_VECTORS, else tests/vectors.
string folder = args.Length > 0 ? args[0] : VectorSuite.FindFolder();
Console.WriteLine($"vectors in {folder}");
int passed = 0;
int failed = 0;
foreach (VectorFileResult result in VectorSuite.Run(folder))
{
    Console.WriteLine(result);
    foreach (string failure in result.Failures)
    {
        Console.WriteLine("  failed: " + failure);
    }

    passed += result.Cases - result.Failures.Count;
    failed += result.Failures.Count;
}

Console.WriteLine($"{passed} passed, {failed} failed");
return failed == 0 ? 0 : 1;
