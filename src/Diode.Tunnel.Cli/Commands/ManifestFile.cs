using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;

namespace Diode.Tunnel.Cli.Commands;

/// <summary>
/// A manifest file, read and written with the rights of the user, so that nobody can make the daemon open a file for them.
/// </summary>
internal static class ManifestFile
{
    private const string StandardStream = "-";
    private const int MaxBytes = 3 * 1024 * 1024;

    internal static async Task<ManifestRequest> ReadAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            if (file == StandardStream)
            {
                return new ManifestRequest { Document = await Console.In.ReadToEndAsync(cancellationToken) };
            }

            if (new FileInfo(file).Length > MaxBytes)
            {
                throw new ControlException(ControlErrorCodes.BadManifest, $"{file} is too large to be a manifest.");
            }

            return new ManifestRequest { Document = await File.ReadAllTextAsync(file, cancellationToken) };
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ControlException(
                ControlErrorCodes.NotFound, $"There is no file {file}.", "Get one from the operator: diode-tunnel fleet export", 404, e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new ControlException(
                ControlErrorCodes.PrivilegeRequired, $"You may not read {file}.", null, 403, e);
        }
    }

    internal static async Task WriteAsync(string file, string document, CancellationToken cancellationToken)
    {
        try
        {
            await File.WriteAllTextAsync(file, document, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ControlException(
                ControlErrorCodes.System, $"Cannot write {file}.", "Check the folder, its mode and the free space.", 500, e);
        }
    }
}
