namespace Diode.Tunnel.Relay.Rpc;

/// <summary>The page at <c>/api</c>.</summary>
internal static class ApiPage
{
    /// <summary>The page, UTF-8.</summary>
    public static byte[] Html { get; } = """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><title>Diode relay: JSON-RPC</title>
        <style>body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}td{padding:.2em 1em .2em 0;vertical-align:top}code{white-space:nowrap}</style></head>
        <body><h1>JSON-RPC of this relay</h1>
        <p>JSON-RPC 2.0 by <code>POST /</code>, single requests and batches, or by WebSocket at <code>/ws</code>. Every answer to a
        POST names the relay in <code>x-diode-sender</code> and proves it by <code>x-diode-signature</code>, a signature over
        SHA-256("DiodeNodeReply" and the body). Members of an error stand beside <code>id</code>.</p>
        <table>
        <tr><td><code>dio_version</code></td><td>version and features</td></tr>
        <tr><td><code>dio_getObject</code> key</td><td>ticket of a device, or another object</td></tr>
        <tr><td><code>dio_getNode</code> address</td><td>description of a relay</td></tr>
        <tr><td><code>dio_network</code></td><td>relays this one knows</td></tr>
        <tr><td><code>dio_tickets</code>, <code>dio_traffic</code> chain, epoch</td><td>tickets held, sums by fleet</td></tr>
        <tr><td><code>dio_usage</code>, <code>dio_usageHistory</code> from, to, step</td><td>traffic</td></tr>
        <tr><td><code>dio_checkConnectivity</code></td><td>state of the connectivity check</td></tr>
        <tr><td><code>dio_edgev2</code> command</td><td>an Edge command without a session</td></tr>
        <tr><td><code>dio_proxy|</code>method, <code>dio_proxy2|</code>method relay, …</td><td>asks another relay; the second form checks its signature</td></tr>
        <tr><td><code>eth_…</code>, <code>net_…</code>, <code>trace_block</code></td><td>the Diode L1</td></tr>
        <tr><td colspan="2">WebSocket only</td></tr>
        <tr><td><code>dio_ticket</code> ticket</td><td>proves the device; notifications <code>dio_ticket_request</code>, <code>dio_message_received</code>, <code>dio_notify</code></td></tr>
        <tr><td><code>dio_message</code> device, payload, metadata</td><td>sends a message</td></tr>
        <tr><td><code>dio_wireguard_open</code> key, <code>dio_wireguard_close</code>, <code>dio_turn_open</code></td><td>exit and TURN</td></tr>
        <tr><td><code>eth_subscribe</code> newHeads | syncing, <code>eth_unsubscribe</code> id</td><td>blocks as <code>eth_subscription</code></td></tr>
        </table></body></html>
        """u8.ToArray();
}
