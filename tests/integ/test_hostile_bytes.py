"""Garbage, half frames, oversize frames and silence on every listener: the one who sends it loses
his connection, nobody else notices."""

import concurrent.futures
import contextlib
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

CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
GARBAGE = {
    "zeroes": b"\0" * 4096,
    "noise": bytes((i * 7919 + 31) % 256 for i in range(65536)),
    "http to tls": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "half a client hello": CLIENT_HELLO + b"a" * 40,
    "oversize tls record": b"\x16\x03\x01\xff\xff" + b"a" * 70000,
    "old ssl": b"\x80\x2e\x01\x00\x02" + b"\0" * 40,
}


def still_works(domain):
    """The manager issues, both nodes serve, and no program was restarted."""
    name = f"after{time.monotonic_ns()}.test.example"
    domain.add(name, ["web1", "web2"])
    for process in (domain.server, *domain.replicas.values()):
        assert process.running


PORTS = """
port "https" {
    listen = "127.0.0.1:0"
}
port "plain" {
    listen = "127.0.0.1:0"
    kind = "http"
}
"""


@pytest.fixture
def listeners(make_domain):
    """A domain with {what listens: how to connect to it}, for each listener and each protocol inside
    TLS. The member that connects for the link is none of the running ones."""
    domain = make_domain()
    domain.init("--no-replica")
    domain.start_server("--pending-per-address", "100", "--tries-per-second", "200")
    domain.replica("web1", ports=PORTS)
    domain.replica("web2")
    domain.join("idle")
    domain.add("www.test.example", ["web1", "web2"])
    idle, web1 = domain.folder / "idle", domain.port("web1")
    key = member_key(domain, idle)
    domain.listeners = {
        "public": lambda: raw.connection(domain.public, 60),
        "public, http": lambda: raw.tls(domain.public, "http/1.1", timeout=60),
        "public, link": lambda: raw.tls(domain.public, "certherd/1", idle / "identity.pem", key,
                                        timeout=60),
        "tls port": lambda: raw.connection(web1, 60),
        "tls port, page": lambda: raw.tls(web1, sni="www.test.example", timeout=60),
        "http port": lambda: raw.connection(domain.port("web1", "plain"), 60),
        "unix": lambda: raw.connection(domain.server.endpoints()["api"], 60),
    }
    return domain


SP = b"\0SP\0\0\x30\0\0"
HTTP_GARBAGE = {
    "zeroes": b"\0" * 4096,
    "noise": GARBAGE["noise"],
    "tls to http": CLIENT_HELLO + b"\r\n" * 100,
    "endless line": b"GET /" + b"a" * 100000,
    "endless headers": b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 20000,
}
LINK_GARBAGE = {
    "zeroes": b"\0" * 64,
    "http": b"GET / HTTP/1.1\r\n\r\n",
    "another protocol": b"\0SP\0\0\x31\0\0" + b"x" * 64,
    "oversize frame": SP + b"\1" + b"\xff" * 8 + b"x" * 1024,
    "frame above the limit": SP + b"\1" + (512 * 1024 + 5).to_bytes(8, "big") + b"x" * 1024,
    "noise": SP + b"\1" + (100).to_bytes(8, "big") + b"\x80\0\0\1" + b"\xa5" * 96,
    "no request id": SP + b"\1" + (2).to_bytes(8, "big") + b"ab",
}
GARBAGE_FOR = {"public": GARBAGE, "tls port": GARBAGE, "public, link": LINK_GARBAGE}


HALF = {
    "public": [b"", GARBAGE["old ssl"][:3], CLIENT_HELLO[:30]],
    "tls port": [b"", GARBAGE["old ssl"][:3], CLIENT_HELLO[:30]],
    "public, link": [b"", SP[:5]],
}
HALF_HTTP = [b"", b"GET / HT", b"POST /v1/join HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"]


def ends(connect, data):
    """Sends data; whether the other side ends the connection, whatever it says first."""
    with connect() as s:
        try:
            s.sendall(data)
        except (ConnectionError, ssl.SSLError):
            return True
        return raw.is_closed(s, 90)


def test_garbage_and_silence_on_every_listener(listeners):
    """Whoever sends nonsense, too much, half of something or nothing loses his connection, some at
    once and some in time; meanwhile and after it the others are served."""
    pids = listeners.server.children()
    tries = [(where, data) for where in listeners.listeners
             for data in (*GARBAGE_FOR.get(where, HTTP_GARBAGE).values(),
                          *HALF.get(where, HALF_HTTP))]
    with concurrent.futures.ThreadPoolExecutor(len(tries)) as pool:
        runs = [(where, data, pool.submit(ends, listeners.listeners[where], data))
                for where, data in tries]
        # A member may keep its one connection, but a frame that does not end holds nobody up.
        with listeners.listeners["public, link"]() as member:
            member.sendall(SP + b"\1" + (200).to_bytes(8, "big") + b"half")
            still_works(listeners)
        kept = [(where, data[:40]) for where, data, run in runs if not run.result()]
    assert len(runs) > 50 and not kept, "connections that are kept"
    assert listeners.server.children() == pids, "the signer was restarted"
    still_works(listeners)


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


def test_bad_requests_to_the_api(domain):
    api = domain.server.endpoints()["api"]
    for what, request in API_REQUESTS.items():
        with raw.connection(api) as s:
            try:
                s.sendall(request)
                s.shutdown(socket.SHUT_WR)
                answer = s.recv(65536)
            except ConnectionError:
                answer = b""
        if answer:
            status = int(re.match(rb"HTTP/1\.1 (\d+)", answer).group(1))
            assert 400 <= status < 500, (what, answer)
            head, _, body = answer.partition(b"\r\n\r\n")
            if b"application/json" in head and body:
                assert json.loads(body)["error"]["code"], (what, body)
        assert domain.json("status")


def test_watchers_are_limited(domain):
    """64 may watch; one more is told so, and may when another has gone."""
    api = domain.server.endpoints()["api"]

    def watch(stack):
        s = stack.enter_context(raw.connection(api))
        s.sendall(b"GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n")
        return s, int(s.recv(65536).split()[1])

    with contextlib.ExitStack() as stack:
        watching = [watch(stack) for _ in range(64)]
        assert {status for _, status in watching} == {200}
        s, status = watch(stack)
        assert status == 503 or status == 429, status
        watching[0][0].close()
        wait_for(lambda: watch(stack)[1] == 200, 30, "room for another watcher")
        assert domain.json("status")


def member_key(domain, data):
    """A node's identity key as PEM, out of its key file, for use by Python's TLS."""
    from records import read_keys
    out = domain.folder / f"{data.name}.identity.pem"
    out.write_bytes(read_keys(data / "keys/identity.key")["identity"])
    return out


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


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
