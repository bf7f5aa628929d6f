"""Many connections that prove or say nothing, from many addresses of the loopback network."""

import socket
import ssl

KINDS = ("silent", "half a handshake", "TLS without a request", "member's TLS without a request")


def client_hello():
    """The bytes that a TLS client begins with."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = client_context("http/1.1").wrap_bio(incoming, outgoing)
    try:
        hello.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def client_context(alpn):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    return context


class Crowd:
    """Opened and then left alone. member: files of a member's certificate and key."""

    def __init__(self, port, member, per_address=8):
        self.port, self.held, self.made = port, [], 0
        self.per_address = per_address
        self.hello = client_hello()
        self.stranger = client_context("http/1.1")
        self.member = client_context("certherd/1")
        self.member.load_cert_chain(*member)

    def connect(self):
        address = self.made // self.per_address
        self.made += 1
        s = socket.socket()
        s.settimeout(10)
        s.bind((f"127.1.{1 + address // 250}.{1 + address % 250}", 0))
        s.connect(("127.0.0.1", self.port))
        self.held.append(s)
        return s

    def silent(self):
        self.connect()

    def half(self):
        """Sends a hello, waits for the first byte of the answer and never goes on."""
        s = self.connect()
        s.sendall(self.hello)
        if not s.recv(1):
            raise ConnectionError("refused")

    def handshake(self, context):
        s = self.connect()
        s = context.wrap_socket(s)
        self.held[-1] = s

    def add(self, kind, count):
        """How many of them got as far as they were to."""
        step = dict(zip(KINDS, (self.silent, self.half, lambda: self.handshake(self.stranger),
                                lambda: self.handshake(self.member))))[kind]
        good = 0
        for _ in range(count):
            try:
                step()
                good += 1
            except OSError:  # refused by a limit
                pass
        return good

    def addresses(self):
        """How many it came from."""
        return -(-self.made // self.per_address)

    def close(self):
        for s in self.held:
            s.close()
