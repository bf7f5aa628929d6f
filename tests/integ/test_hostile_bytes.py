"""Garbage, half frames, oversize frames and silence on every listener: the one who sends it loses
his connection, nobody else notices."""

import json
import os
import pathlib
import re
import socket
import ssl
import time

import crowd as crowds
import pytest
import raw
from process import memory, wait_for

GARBAGE = {
    "zeroes": b"\0" * 4096,
    "noise": bytes((i * 7919 + 31) % 256 for i in range(65536)),
    "http to tls": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "half a client hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 40,
    "oversize tls record": b"\x16\x03\x01\xff\xff" + b"a" * 70000,
    "old ssl": b"\x80\x2e\x01\x00\x02" + b"\0" * 40,
}


def still_works(domain):
    """The manager issues, both nodes serve, and no program was restarted."""
    name = f"after{time.monotonic_ns()}.test.example"
    domain.add(name, ["web1", "web2"])
    for process in (domain.server, *domain.replicas.values()):
        assert process.running


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_on_tls_listeners(pair, what):
    pids = pair.server.children()
    for address in (pair.public, pair.port("web1")):
        came, ended = raw.send_and_see(address, GARBAGE[what], timeout=60)
        assert ended, f"{address} keeps the connection; it said {came[:80]!r}"
    assert pair.server.children() == pids, "the signer was restarted"
    still_works(pair)


def http(path="/v1/status", method="GET", body=b"", headers=b""):
    return (f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n".encode()
            + headers + b"\r\n" + body)


API_REQUESTS = {
    "no http": b"\x16\x03\x01\x02\x00\x01\x00" * 20 + b"\r\n\r\n",
    "unknown path": http("/v1/nothing"),
    "wrong method": http("/v1/status", "PATCH"),
    "path climbs": http("/v1/../../etc/passwd"),
    "no json": http("/v1/certs", "POST", b"names=x"),
    "cut json": http("/v1/certs", "POST", b'{"names":["a.test.example"'),
    "duplicate keys": http("/v1/certs", "POST", b'{"names":["a.b"],"names":["c.d"]}'),
    "unknown field": http("/v1/certs", "POST", b'{"names":["a.b"],"owner":"me"}'),
    "nul in name": http("/v1/certs", "POST", b'{"names":["a\\u0000b.test.example"]}'),
    "wrong type": http("/v1/certs", "POST", b'{"names":"a.test.example"}'),
    "deep json": http("/v1/certs", "POST", b'{"names":' + b"[" * 200 + b"]" * 200 + b"}"),
    "huge body": http("/v1/certs", "POST", b'{"names":["' + b"a" * 400000 + b'"]}'),
    "huge header": http(headers=b"X-Filler: " + b"a" * 70000 + b"\r\n"),
    "two lengths": b"POST /v1/certs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                   b"Content-Length: 20\r\n\r\n{}",
}


@pytest.mark.parametrize("what", API_REQUESTS)
def test_bad_requests_to_the_api(domain, what):
    api = domain.server.endpoints()["api"]
    with raw.connection(api) as s:
        try:
            s.sendall(API_REQUESTS[what])
            s.shutdown(socket.SHUT_WR)
            answer = s.recv(65536)
        except ConnectionError:
            answer = b""
    if answer:
        status = int(re.match(rb"HTTP/1\.1 (\d+)", answer).group(1))
        assert 400 <= status < 500, answer
        head, _, body = answer.partition(b"\r\n\r\n")
        if b"application/json" in head and body:
            assert json.loads(body)["error"]["code"], body
    assert domain.json("status")


def test_half_requests_are_given_up(domain):
    """A request that never ends does not hold its connection for ever, nor anybody else."""
    api = domain.server.endpoints()["api"]
    with raw.connection(api) as slow:
        slow.sendall(b"POST /v1/certs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        assert domain.json("status")


def test_link_connection_with_garbage(pair):
    """A member that speaks nonsense inside TLS loses its connection; the others stay."""
    data = pair.folder / "web1"
    pair.replicas["web1"].stop()
    cert = data / "identity.pem"
    key = member_key(pair, data)
    for junk in (b"\0" * 64, b"GET / HTTP/1.1\r\n\r\n", b"\0SP\0\0\x31\0\0" + b"x" * 64,
                 b"\0SP\0\0\x30\0\0\x01" + b"\xff" * 8 + b"x" * 1024,
                 b"\0SP\0\0\x30\0\0\x01" + (200).to_bytes(8, "big") + b"half"):
        with raw.tls(pair.public, "certherd/1", cert, key) as s:
            s.sendall(junk)
            if not junk.endswith(b"half"):
                s.settimeout(60)
                try:
                    while s.recv(4096):
                        pass
                except (ConnectionError, ssl.SSLError):
                    pass
    pair.replicas["web1"].start()
    still_works(pair)


def member_key(domain, data):
    """A node's identity key as PEM, out of its key file, for use by Python's TLS."""
    from records import read_keys
    out = domain.folder / f"{data.name}.identity.pem"
    out.write_bytes(read_keys(data / "keys/identity.key")["identity"])
    return out


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_silent_connections(pair):
    """Connections that say nothing are ended, and do not keep a new member out meanwhile."""
    held = []
    for address in (pair.public, pair.port("web1")):
        for _ in range(40):
            s = socket.create_connection(raw.parse(address), 20)
            held.append(s)
    still_works(pair)
    for s in held:
        assert raw.is_closed(s, 90), "a silent connection is kept"
        s.close()


def test_idle_connections_of_every_kind(make_domain):
    """Silent, half through a handshake, or with nothing after it, of strangers and of a member: they
    never have more room than the limits say, keep nobody out, and all of it is given back."""
    domain = make_domain()
    domain.init("--no-replica")
    pid = domain.start_server("--pending", "64", "--pending-per-address", "8").pid
    domain.join("web1")
    data = domain.folder / "web1"
    member = (data / "identity.pem", member_key(domain, data))
    port, fds = raw.parse(domain.public)[1], descriptors(pid)
    crowd = crowds.Crowd(port, member, per_address=4)
    one = crowds.Crowd(port, member, per_address=1000)
    try:
        for number, kind in enumerate(crowds.KINDS):
            crowd.add(kind, 75)
            assert domain.json("status")
            assert 8 < descriptors(pid) - fds <= 64 + 8, kind
            domain.join(f"beside{number}")
        crowd.close()
        wait_for(lambda: descriptors(pid) <= fds + 8, 60, "the descriptors to be given back")
        one.add("half a handshake", 40)
        assert descriptors(pid) - fds <= 8 + 8, "one address took the room of others"
    finally:
        crowd.close()
        one.close()
    domain.join("after")
    assert domain.server.pid == pid


@pytest.mark.skipif("CERTHERD_NIGHTLY" not in os.environ and "CERTHERD_BIN" in os.environ
                    and "asan" in pathlib.Path(os.environ["CERTHERD_BIN"]).name,
                    reason="memory is measured with release programs only")
def test_thousands_of_idle_connections(domain):
    """5,000 idle connections: limits hold, memory stays, and a join still succeeds."""
    before = memory(domain.server.pid)[0]
    held = []
    try:
        for i in range(5000):
            s = socket.socket()
            s.setblocking(False)
            s.bind((f"127.0.{1 + i // 250}.{1 + i % 250}", 0))
            try:
                s.connect(raw.parse(domain.public))
            except BlockingIOError:
                pass
            held.append(s)
        begin = time.monotonic()
        domain.join("web1")
        took = time.monotonic() - begin
        grown = memory(domain.server.pid)[0] - before
    finally:
        for s in held:
            s.close()
    print(f"join beside 5,000 idle connections: {took:.2f} s, {grown / 2**20:.1f} MiB more")
    assert grown < 64 * 2**20
    assert took < 2
    wait_for(lambda: descriptors(domain.server.pid) < 200, 60, "the descriptors to be given back")
