"""A receiver of webhooks: keeps what comes, and answers as it is told to, also badly."""

import hashlib
import hmac
import json
import socket
import ssl
import threading
import time

PLAIN = b"HTTP/1.1 %d Status\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class Receiver:
    """Listens on loopback. mode: "plain" (with status), "endless", "redirect", "slow", "deaf"
    (never answers), "garbage", "cut"."""

    def __init__(self, port=0, mode="plain", status=200, identity=None):
        """identity: files of a certificate for localhost and its key, for TLS."""
        self.mode, self.status, self.tls = mode, status, None
        if identity:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*identity)
        self.events, self.headers, self.bodies, self.tries = [], [], [], 0
        self.stopping = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
        self.port = self.listener.getsockname()[1]
        self.threads = []
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    @property
    def url(self):
        return (f"https://localhost:{self.port}/hook" if self.tls
                else f"http://127.0.0.1:{self.port}/hook")

    def kinds(self):
        return [e["event"] for e in self.events]

    def of(self, kind):
        return [e for e in self.events if e["event"] == kind]

    def close(self):
        self.stopping.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.accepting.join()
        for thread in self.threads:
            thread.join()

    # ------------------------------------------------------------------ inside

    def _accept(self):
        while not self.stopping.is_set():
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _read(self, peer):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = peer.recv(65536)
            if not piece:
                return None, None
            data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        headers["request"] = lines[0]
        while len(body) < int(headers.get("content-length", 0)):
            body += peer.recv(65536)
        return headers, body

    def _serve(self, peer):
        if self.tls:
            try:
                peer = self.tls.wrap_socket(peer, server_side=True)
            except OSError:
                return
        with peer:
            try:
                headers, body = self._read(peer)
                if headers is None:
                    return
                self.tries += 1
                self._answer(peer, headers, body)
            except OSError:
                pass

    def _keep(self, headers, body):
        self.headers.append(headers)
        self.bodies.append(body)
        self.events.append(json.loads(body))

    def _answer(self, peer, headers, body):
        mode = self.mode
        if mode == "plain":
            if 200 <= self.status < 300:
                self._keep(headers, body)
            peer.sendall(PLAIN % self.status)
        elif mode == "redirect":
            peer.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + self.url.encode() +
                         b"/elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif mode == "garbage":
            peer.sendall(b"\x00\xff" * 100)
        elif mode == "cut":
            peer.sendall(b"HTTP/1.1 2")
        elif mode == "endless":
            peer.sendall(b"HTTP/1.1 500 Bad\r\n\r\n")
            while not self.stopping.is_set():
                peer.sendall(b"x" * 65536)
        elif mode == "slow":
            # One byte of the answer at a time.
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Pad: y\r\n" * 1000:
                if self.stopping.wait(0.2):
                    return
                peer.sendall(bytes([byte]))
        elif mode == "deaf":
            while not self.stopping.wait(0.05):
                peer.settimeout(0.01)
                try:
                    if not peer.recv(1):
                        return
                except TimeoutError:
                    continue


def signature_is_good(secret, headers, body, within=60):
    """What docs/events.md tells receivers to do."""
    parts = dict(part.split("=", 1) for part in headers["certherd-signature"].split(","))
    wanted = hmac.new(secret, parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, parts["v1"]) and abs(time.time() - int(parts["t"])) < within
