"""A web server that behaves well or badly, as the first part of the path says.

    fetch_server.py FOLDER PORT_FILE LOG_FILE [CERTIFICATE KEY]

/MODE/NAME serves FOLDER/NAME. Modes: good (ranges, an ETag), plain (no ranges, no tag), dated
(ranges, Last-Modified only, cut), cut (the first request of a file ends in the middle),
cutplain (the same without ranges), busy (503 twice first), changing (another ETag each time,
cut first), odd (answers a range with another one, cut first), wrong (one byte differs),
endless, redirect (to good), down (a redirect to plain http), slow (a little at a time). The log
has a line per request: mode, name, the Range header or '-', the status.
"""
import collections
import http.server
import os
import ssl
import sys
import time

FOLDER, PORT_FILE, LOG_FILE = sys.argv[1:4]
requests = collections.Counter()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def note(self, mode, name, status):
        with open(LOG_FILE, "a", encoding="ascii") as log:
            log.write(f"{mode} {name} {self.headers.get('Range', '-')} {status}\n")

    def refuse(self, mode, name, status, location=None):
        self.note(mode, name, status)
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"sorry")

    def start_of(self, mode, tag, size):
        """The first byte asked for, when this mode and the tag allow it."""
        asked = self.headers.get("Range")
        if asked is None or mode in ("plain", "cutplain"):
            return 0
        if self.headers.get("If-Range") not in (None, tag):
            return 0
        return min(int(asked.removeprefix("bytes=").removesuffix("-")), size)

    def send_head(self, mode, start, size, tag):
        if start > 0:
            told = start - 1 if mode == "odd" else start
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {told}-{size - 1}/{size}")
        else:
            self.send_response(200)
        if mode == "dated":
            self.send_header("Last-Modified", tag)
        elif mode not in ("plain", "cutplain"):
            self.send_header("ETag", tag)
        if mode != "endless":
            self.send_header("Content-Length", str(size - start))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def send_body(self, mode, body, cut):
        if mode == "endless":
            while True:
                self.wfile.write(bytes(1 << 20))
        if mode == "slow":
            for at in range(0, len(body), 4096):
                self.wfile.write(body[at:at + 4096])
                self.wfile.flush()
                time.sleep(0.1)
            return
        self.wfile.write(body[:len(body) // 2] if cut else body)

    def do_GET(self):
        mode, _, name = self.path.lstrip("/").partition("/")
        path = os.path.join(FOLDER, name)
        requests[self.path] += 1
        times = requests[self.path]
        host = self.headers["Host"]
        if mode == "redirect":
            return self.refuse(mode, name, 302, "/good/" + name)
        if mode == "down":
            return self.refuse(mode, name, 302, f"http://{host}/good/{name}")
        if mode == "busy" and times <= 2:
            return self.refuse(mode, name, 503)
        if not os.path.isfile(path):
            return self.refuse(mode, name, 404)
        with open(path, "rb") as file:
            content = bytearray(file.read())
        if mode == "wrong":
            content[len(content) // 2] ^= 1
        tag = '"one"' if mode != "changing" else f'"{times}"'
        tag = "Sat, 01 Jan 2022 00:00:00 GMT" if mode == "dated" else tag
        start = self.start_of(mode, tag, len(content))
        if start == len(content):
            return self.refuse(mode, name, 416)
        self.note(mode, name, 206 if start > 0 else 200)
        self.send_head(mode, start, len(content), tag)
        cut = times == 1 and mode in ("cut", "cutplain", "changing", "odd", "dated")
        try:
            self.send_body(mode, content[start:], cut)
        except OSError:
            pass  # the client has enough
        return None


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(PORT_FILE + ".tmp", "w", encoding="ascii") as port:
    port.write(str(server.server_address[1]))
os.rename(PORT_FILE + ".tmp", PORT_FILE)
server.serve_forever()
