"""The web and name servers of the demo (standard library only).

web.py site NAME PORT               GET / says hello and names the caller; PUT answers with the SHA-256 and size of what arrived
web.py internet NAMESFILE LOG       port 80, IPv4 and IPv6: GET / answers with the caller's address and nothing else; port 53/udp:
                                    A records from NAMESFILE ("name address" lines), each query's source address goes to LOG
"""
import hashlib
import http.server
import socket
import struct
import sys
import threading


class DualStackServer(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Handler(http.server.BaseHTTPRequestHandler):
    name = ""

    def caller(self):
        return self.client_address[0].removeprefix("::ffff:")

    def reply(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(f"hello {self.caller()}, this is {self.name}\n" if self.name else self.caller() + "\n")

    def do_PUT(self):
        left, digest = int(self.headers["Content-Length"]), hashlib.sha256()
        size = left
        while left:
            block = self.rfile.read(min(left, 1 << 18))
            if not block:
                return
            digest.update(block)
            left -= len(block)
        self.reply(f"{digest.hexdigest()} {size}\n")

    def log_message(self, format, *args):
        pass


def answer(query, names):
    """One A record, an empty answer for another type of a known name, NXDOMAIN otherwise."""
    labels, i = [], 12
    while query[i]:
        labels.append(query[i + 1:i + 1 + query[i]].decode("ascii", "replace").lower())
        i += query[i] + 1
    qtype = struct.unpack(">H", query[i + 1:i + 3])[0]
    address = names.get(".".join(labels))
    records = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4) + socket.inet_aton(address) if address and qtype == 1 else b""
    flags = 0x8180 if address else 0x8183
    return query[:2] + struct.pack(">HHHHH", flags, 1, 1 if records else 0, 0, 0) + query[12:i + 5] + records


def serve_names(names_file, log_file):
    with open(names_file) as f:
        names = dict(line.split() for line in f if line.strip())
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", 53))
    with open(log_file, "a", buffering=1) as log:
        while True:
            query, source = server.recvfrom(2048)
            log.write(source[0].removeprefix("::ffff:") + "\n")
            try:
                server.sendto(answer(query, names), source)
            except (IndexError, struct.error, OSError):
                pass


if sys.argv[1] == "site":
    Handler.name = sys.argv[2]
    DualStackServer(("::", int(sys.argv[3])), Handler).serve_forever()
else:
    threading.Thread(target=serve_names, args=sys.argv[2:4], daemon=True).start()
    DualStackServer(("::", 80), Handler).serve_forever()
