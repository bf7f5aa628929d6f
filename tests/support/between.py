"""Somebody between a follower and its manager who has stolen the keys of both, and bends answers."""

import select
import socket
import ssl
import threading

from raw import parse
from records import fields, read_keys


def blocks(number, message):
    """(start, end) of each length-delimited field of that number inside a protobuf message."""
    found, at = [], 0
    for value in fields(message)[number]:
        at = message.index(value, at)
        found.append((at, at + len(value)))
        at += len(value)
    return found


class Between:
    """Listens where the manager did, as the manager, and passes on to it, as the node. bend(body)
    is given each answer and returns what the node gets instead."""

    def __init__(self, address, server_data, upstream, node_data, folder):
        self.upstream = upstream
        self.bend = None
        self.as_server = self._context(ssl.PROTOCOL_TLS_SERVER, server_data, folder)
        self.as_node = self._context(ssl.PROTOCOL_TLS_CLIENT, node_data, folder)
        self.listener = socket.create_server(parse(address))
        threading.Thread(target=self._run, daemon=True).start()

    @staticmethod
    def _context(protocol, data, folder):
        context = ssl.SSLContext(protocol)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["certherd/1"])
        key = folder / f"{data.name}.between.pem"
        key.write_bytes(read_keys(data / "keys/identity.key")["identity"])
        context.load_cert_chain(data / "identity.pem", key)
        return context

    def _run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            with self.as_server.wrap_socket(client, server_side=True) as near, \
                    self.as_node.wrap_socket(socket.create_connection(parse(self.upstream)),
                                             server_hostname=None) as far:
                self._pump(near, far)
        except OSError:
            pass

    def _pump(self, near, far):
        held = b""
        head = True
        while True:
            ready = [s for s in (near, far) if s.pending()] or select.select([near, far], [], [])[0]
            if near in ready:
                data = near.recv(65536)
                if not data:
                    return
                far.sendall(data)
            if far in ready:
                data = far.recv(65536)
                if not data:
                    return
                held += data
                if head and len(held) >= 8:
                    near.sendall(held[:8])
                    held, head = held[8:], False
                while not head and len(held) >= 9 and \
                        len(held) >= 9 + int.from_bytes(held[1:9], "big"):
                    length = int.from_bytes(held[1:9], "big")
                    body, held = held[9:9 + length], held[9 + length:]
                    near.sendall(self._answer(body))

    def _answer(self, body):
        """body: the request id and a Reply."""
        bent = body[:4] + (self.bend(body[4:]) if self.bend else body[4:])
        return b"\1" + len(bent).to_bytes(8, "big") + bent

    def close(self):
        self.listener.close()


def changed(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


class Delta:
    """Where in a Reply things are; None from read() when it is another answer or has no records."""

    def __init__(self, reply, start, end):
        self.reply, self.start = reply, start
        self.message = reply[start:end]

    @classmethod
    def read(cls, reply):
        places = blocks(1, reply)
        delta = cls(reply, *places[0]) if places else None
        return delta if delta and delta.records else None

    @property
    def records(self):
        return [(self.start + a, self.start + b) for a, b in blocks(2, self.message)]

    @property
    def head(self):
        return tuple(self.start + at for at in blocks(3, self.message)[0])

    def inside(self, place, number):
        """Place of a field of a SignedRecord or SignedHead."""
        start, end = place
        a, b = blocks(number, self.reply[start:end])[0]
        return start + a, start + b
