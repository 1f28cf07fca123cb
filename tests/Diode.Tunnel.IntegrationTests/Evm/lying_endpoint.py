"""A JSON-RPC endpoint that passes everything to another one, except that its fleets list one device more and it gives no proofs.
   lying_endpoint.py ADDRESS PORT TARGET DEVICE"""
import json, sys, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

address, port, target, device = sys.argv[1:]
COUNT, LIST, ALLOWED = "0x99814714", "0x485582d6", "0x50f17116"

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = json.loads(body)
        with urllib.request.urlopen(urllib.request.Request(target, body, {"Content-Type": "application/json"})) as answer:
            reply = json.load(answer)
        data = request["params"][0].get("data", "") if request["method"] == "eth_call" else ""
        if request["method"] == "eth_getProof":
            reply = {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "no such method"}}
        elif data.startswith(COUNT):
            reply["result"] = "0x%064x" % (int(reply["result"], 16) + 1)
        elif data.startswith(ALLOWED):
            reply["result"] = "0x%064x" % 1
        elif data.startswith(LIST):
            words = [reply["result"][2:][i:i + 64] for i in range(0, len(reply["result"]) - 2, 64)]
            words[1] = "%064x" % (int(words[1], 16) + 1)
            reply["result"] = "0x" + "".join(words) + device[2:].rjust(64, "0")
        out = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer((address, int(port)), Handler)
print("ready", flush=True)
server.serve_forever()
