"""The services of the mesh tests' hosts (standard library only). Prints what it saw, one line each.

services.py web PORT...              GET / answers with the caller's address; GET /stream with the time, ten times a second;
                                     PUT with the SHA-256 of what arrived. Prints "web CALLER".
                                     GET /blob/N answers with N bytes, /sha/N with their SHA-256.
services.py udpecho PORT             sends datagrams back.
services.py forward ADDRESS PORT SOCKET   carries connections to a Unix socket: to a server outside of the network.
services.py sink PORT                accepts TCP connections and never reads.
services.py dns ADDRESS NAME=IPV4... A records on port 53/udp of one address. Prints "dns ADDRESS CALLER NAME".
"""
import hashlib
import http.server
import random
import socket
import struct
import sys
import threading
import time


class Web(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    def reply(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        caller = self.client_address[0].removeprefix("::ffff:")
        print("web", caller, flush=True)
        if self.path.startswith(("/blob/", "/sha/")):
            body = random.Random(1).randbytes(int(self.path.split("/")[2]))
            if self.path.startswith("/sha/"):
                return self.reply(hashlib.sha256(body).hexdigest())
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return self.wfile.write(body)
        if self.path != "/stream":
            return self.reply(caller)
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(f"{time.time()}\n".encode())
            time.sleep(0.1)

    def do_PUT(self):
        left, digest = int(self.headers["Content-Length"]), hashlib.sha256()
        while left:
            block = self.rfile.read(min(left, 1 << 18))
            if not block:
                return
            digest.update(block)
            left -= len(block)
        self.reply(digest.hexdigest())

    def log_message(self, format, *args):
        pass


def answer(query, names):
    """One A record, an empty answer for another type of a known name, NXDOMAIN otherwise; and the name asked for."""
    labels, i = [], 12
    while query[i]:
        labels.append(query[i + 1:i + 1 + query[i]].decode("ascii", "replace").lower())
        i += query[i] + 1
    name, kind = ".".join(labels), struct.unpack(">H", query[i + 1:i + 3])[0]
    address = names.get(name)
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4) + socket.inet_aton(address) if address and kind == 1 else b""
    flags = 0x8180 if address else 0x8183
    return query[:2] + struct.pack(">HHHHH", flags, 1, 1 if record else 0, 0, 0) + query[12:i + 5] + record, name


def serve_names(own, names):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((own, 53))
    print("ready", flush=True)
    while True:
        query, source = server.recvfrom(2048)
        try:
            reply, name = answer(query, names)
            print("dns", own, source[0], name, flush=True)
            server.sendto(reply, source)
        except (IndexError, struct.error, OSError):
            pass


def carry(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def forward(address, port, path):
    listener = socket.create_server((address, port))
    print("ready", flush=True)
    while True:
        near, _ = listener.accept()
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(path)
        except OSError:
            near.close()
            continue
        for pair in ((near, far), (far, near)):
            threading.Thread(target=carry, args=pair, daemon=True).start()


if sys.argv[1] == "web":
    servers = [Web(("::", int(port)), Handler) for port in sys.argv[2:]]
    print("ready", flush=True)
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()
elif sys.argv[1] == "udpecho":
    echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    echo.bind(("", int(sys.argv[2])))
    print("ready", flush=True)
    while True:
        datagram, sender = echo.recvfrom(65535)
        echo.sendto(datagram, sender)
elif sys.argv[1] == "forward":
    forward(sys.argv[2], int(sys.argv[3]), sys.argv[4])
elif sys.argv[1] == "sink":
    listener = socket.create_server(("", int(sys.argv[2])))
    print("ready", flush=True)
    kept = []
    while True:
        kept.append(listener.accept())
else:
    serve_names(sys.argv[2], dict(pair.split("=") for pair in sys.argv[3:]))
