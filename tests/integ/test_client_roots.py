"""Ports that ask clients for certificates and believe the domain's trusted roots of category client:
looked at with `openssl s_client` (S004-5)."""

import contextlib
import re
import socket
import sqlite3
import ssl

import pytest
import raw
from cryptography.hazmat.primitives import serialization
from process import wait_for
from records import openssl

NAME = "www.test.example"
ASKS = 'port "https" {\n    listen = "127.0.0.1:0"\n    client-certificates = "require"\n}\n'
GET = b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Guest:
    """Somebody with a certificate of a CA of their own."""

    def __init__(self, domain, name):
        self.domain, self.name = domain, name
        self.ca = raw.Stranger(domain.folder, name)
        self.cert, self.key = self.ca.leaf(name + "-client")
        self.root = domain.folder / f"{name}.root.pem"
        self.root.write_bytes(self.ca.cert.public_bytes(serialization.Encoding.PEM))

    def trust(self, *words):
        self.domain.cli("trust", "add", self.root, "--label", self.name, *words)

    def asks(self, *words, identity=True):
        """What s_client prints: the status page behind its own lines, when the guest is let in."""
        words += ("-cert", self.cert, "-key", self.key) if identity else ()
        return openssl("s_client", "-connect", self.domain.port("web1"), "-servername", NAME,
                       "-ign_eof", *words, stdin=GET).stdout.decode(errors="replace")

    def gets_in(self, *words, **more):
        return "HTTP/1.1 200" in self.asks(*words, **more)


@pytest.fixture
def door(domain):
    domain.replica("web1", ports=ASKS)
    domain.add(NAME, ["web1"])
    nobody = Guest(domain, "nobody")
    wait_for(lambda: "BEGIN CERTIFICATE" in nobody.asks(), 20, "a handshake")
    return domain


def test_roots_of_the_domain(door):
    """Nobody gets in before a root is trusted for it, and nobody when it is not any more; the
    replica is not touched."""
    guest, other = Guest(door, "guest"), Guest(door, "other")
    assert not guest.gets_in() and not guest.gets_in(identity=False)
    assert "no root of category client" in door.replicas["web1"].log()
    guest.trust("--for", "completion")
    other.trust("--for", "client")
    wait_for(other.gets_in, 10, "the other root to count")
    assert not guest.gets_in(), "trusted for something else"
    guest.trust("--for", "client")
    wait_for(guest.gets_in, 10, "the root to count")
    assert other.gets_in() and not guest.gets_in(identity=False)
    assert "CN = guest" in guest.asks(), "the names of the roots are told"
    door.cli("trust", "remove", "guest")
    wait_for(lambda: not guest.gets_in(), 10, "the root to be gone")
    assert other.gets_in()


def test_goes_on_without_the_manager(door):
    guest = Guest(door, "guest")
    guest.trust("--for", "client")
    wait_for(guest.gets_in, 10, "the root to count")
    door.server.stop()
    door.replicas["web1"].stop()
    door.replicas["web1"].start()
    wait_for(guest.gets_in, 20, "the replica to serve by itself")
    assert not Guest(door, "other").gets_in()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_tickets_end_with_their_roots(door, version):
    guest, other = Guest(door, "guest"), Guest(door, "other")
    session = door.folder / "session.pem"
    guest.trust("--for", "client")
    wait_for(guest.gets_in, 10, "the root to count")
    assert guest.gets_in(version, "-sess_out", session)
    assert re.search(r"^Reused,", guest.asks(version, "-sess_in", session), re.M)
    other.trust("--for", "client")
    wait_for(other.gets_in, 10, "the other root to count")
    again = guest.asks(version, "-sess_in", session)
    assert "HTTP/1.1 200" in again and re.search(r"^New,", again, re.M)
    assert guest.gets_in(version, "-sess_out", session)
    door.cli("trust", "remove", "guest")
    wait_for(lambda: not guest.gets_in(), 10, "the root to be gone")
    assert not guest.gets_in(version, "-sess_in", session, identity=False)
    assert not guest.gets_in(version, "-sess_in", session)


def test_handshakes_under_way(door):
    """Who has connected is judged by the roots of that moment."""
    guest = Guest(door, "guest")
    guest.trust("--for", "client")
    wait_for(guest.gets_in, 10, "the root to count")
    early = socket.create_connection(raw.parse(door.port("web1")))
    # A later connection on each of its threads is through: the early one was accepted before.
    assert all(guest.gets_in() for _ in range(8))
    door.cli("trust", "remove", "guest")
    wait_for(lambda: not guest.gets_in(), 10, "the root to be gone")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(guest.cert, guest.key)
    with context.wrap_socket(early, server_hostname=NAME) as tls:
        tls.sendall(GET)
        assert b"200" in tls.recv(100)


def test_database_that_was_written_to(door):
    """A root is believed for its signature: one that somebody has made a client's in the replica's
    own database lets nobody in, and everything is fetched anew."""
    guest, other = Guest(door, "guest"), Guest(door, "other")
    other.trust("--for", "completion")
    guest.trust("--for", "client")
    wait_for(guest.gets_in, 10, "the root to count")
    web1 = door.replicas["web1"]
    web1.stop()
    with contextlib.closing(sqlite3.connect(web1.data / "store.db")) as db:
        body, = [b for b, in db.execute("SELECT body FROM records WHERE kind = 9")
                 if b.count(b"\x05other\x18\x01") == 1]
        db.execute("UPDATE records SET body = ? WHERE body = ?",
                   (body.replace(b"\x05other\x18\x01", b"\x05other\x18\x02"), body))
        db.commit()
    web1.start()
    wait_for(guest.gets_in, 20, "the replica to serve")
    assert not other.gets_in()
    assert "passing over the trusted root" in web1.log()
    wait_for(lambda: "fetching everything anew" in web1.log(), 10, "the fetch")
    assert guest.gets_in() and not other.gets_in()


def test_file_of_roots_stays(domain):
    """A port with client-ca believes that file, and nothing else."""
    guest, other = Guest(domain, "guest"), Guest(domain, "other")
    domain.replica("web1", ports=ASKS.replace("}", f'    client-ca = "{guest.root}"\n}}'))
    domain.add(NAME, ["web1"])
    wait_for(guest.gets_in, 20, "the guest of the file")
    other.trust("--for", "client")
    domain.add("marker.test.example", ["web1"])
    domain.cli("cert", "renew", NAME)
    assert not other.gets_in() and guest.gets_in()
