using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Diode.Tunnel.Control;
using Diode.Tunnel.Control.Models;
using Microsoft.AspNetCore.Http;

namespace Diode.Tunnel.Daemon.ControlApi;

/// <summary>Bodies in and out: one document, or one document per line as they come.</summary>
internal static class JsonLines
{
    internal static async Task<T> ReadAsync<T>(HttpRequest request, JsonTypeInfo<T> typeInfo)
    {
        try
        {
            return await JsonSerializer.DeserializeAsync(request.Body, typeInfo, request.HttpContext.RequestAborted)
                ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            string where = string.IsNullOrEmpty(e.Path) || e.Path == "$" ? "" : $" at {e.Path}";
            throw new ControlException(
                ControlErrorCodes.BadRequest,
                $"The request is not the JSON this operation expects{where}.",
                "Install the same version of program and daemon.",
                400,
                e);
        }
    }

    internal static Task WriteAsync<T>(HttpResponse response, T value, JsonTypeInfo<T> typeInfo)
    {
        byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(value, typeInfo);
        response.ContentType = "application/json";
        response.ContentLength = bytes.Length;
        return response.Body.WriteAsync(bytes, response.HttpContext.RequestAborted).AsTask();
    }

    internal static Task WriteErrorAsync(HttpResponse response, int status, ControlError error)
    {
        response.StatusCode = status;
        return WriteAsync(response, error, ControlJson.Default.ControlError);
    }

    /// <summary>Writes each item when it comes. Until the first is there a failure can still become an error answer.</summary>
    internal static async Task StreamAsync<T>(
        HttpResponse response, IAsyncEnumerable<T> items, JsonTypeInfo<T> typeInfo, CancellationToken cancellationToken)
    {
        await foreach (T item in items.WithCancellation(cancellationToken))
        {
            response.ContentType ??= "application/x-ndjson";
            byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(item, typeInfo);
            await response.BodyWriter.WriteAsync(bytes, cancellationToken);
            await response.BodyWriter.WriteAsync("\n"u8.ToArray(), cancellationToken);
        }

        response.ContentType ??= "application/x-ndjson";
    }
}
