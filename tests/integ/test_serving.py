"""What a replica serves: which certificate for which name, to whom, and what happens behind it."""

import http.client
import json
import ssl
import struct
import subprocess
import time

import pytest
import raw
from backend import Backend
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from process import program, wait_for
from tlsfetch import tls_fetch


@pytest.fixture
def web(domain):
    """A manager and one replica, web1."""
    domain.replica("web1")
    return domain


def names_of(handshake):
    cert = x509.load_der_x509_certificate(handshake.chain[0])
    san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return san.get_values_for_type(x509.DNSName)


def test_exact_before_wildcard_before_default(web):
    web.replica("web2", ports=port(fallback="fallback.test.example"))
    for name in ("www.test.example", "*.test.example", "fallback.test.example"):
        web.cli("cert", "add", name, "--issuer", "micro", "--access", "web1,web2")
    for node in ("web1", "web2"):
        web.wait_served(node, "fallback.test.example")
        assert names_of(web.fetch(node, "www.test.example")) == ["www.test.example"]
        assert names_of(web.fetch(node, "mail.test.example")) == ["*.test.example"]
        assert names_of(web.fetch(node, "MAIL.Test.Example")) == ["*.test.example"]
    for unknown in ("a.b.test.example", "test.example", "other.org", None):
        assert not web.fetch("web1", unknown).ok, unknown
        assert names_of(web.fetch("web2", unknown)) == ["fallback.test.example"]


def test_rsa_and_ecdsa_side_by_side(web):
    web.add("www.test.example", ["web1"])
    web.cli("cert", "add", "www.test.example", "--name", "www-rsa", "--issuer", "micro",
            "--key-type", "rsa-2048", "--access", "web1")

    def both():
        kinds = [web.fetch("web1", "www.test.example", "-sigalgs", algs)
                 for algs in ("RSA-PSS+SHA256:RSA+SHA256", "ECDSA+SHA256")]
        return all(h.ok for h in kinds) and kinds

    rsa, ecdsa = wait_for(both, 15, "both kinds to be served")
    key = [x509.load_der_x509_certificate(h.chain[0]).public_key() for h in (rsa, ecdsa)]
    assert isinstance(key[0], RSAPublicKey) and isinstance(key[1], EllipticCurvePublicKey)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_versions_and_resumption(web, version):
    web.add("www.test.example", ["web1"])
    session = web.folder / "session"
    first = fetch_with_ticket(web, "www.test.example", version, "-sess_out", session)
    assert first.ok and not first.reused
    again = web.fetch("web1", "www.test.example", version, "-sess_in", session)
    assert again.ok and again.reused


def fetch_with_ticket(web, name, *options):
    """A handshake that waits for the ticket: a page is asked for and read to its end."""
    request = f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
    return tls_fetch(web.port("web1"), name, *map(str, options), "-ign_eof", send=request)


@pytest.mark.parametrize("action", ["archive", "delete", "no access", "renewed"])
def test_no_ticket_outlives_its_credential(web, action):
    web.add("www.test.example", ["web1"])
    web.add("other.test.example", ["web1"])
    session = web.folder / "session"
    first = fetch_with_ticket(web, "www.test.example", "-sess_out", session)
    assert first.ok and session.exists()
    if action == "renewed":
        web.cli("cert", "renew", "www.test.example")
        web.wait_served("web1", "www.test.example", other_than=first.fingerprint)
    else:
        web.cli(*{"archive": ("cert", "archive", "www.test.example"),
                  "delete": ("cert", "delete", "www.test.example"),
                  "no access": ("cert", "access", "www.test.example", "--remove", "web1")}[action])
        web.wait_refused("web1", "www.test.example")
    again = web.fetch("web1", "www.test.example", "-sess_in", str(session))
    assert not again.reused, again.text
    assert again.ok == (action == "renewed")
    assert web.fetch("web1", "other.test.example").ok


def test_archived_and_back(web):
    added = web.add("www.test.example", ["web1"])
    web.cli("cert", "archive", "www.test.example")
    web.wait_refused("web1", "www.test.example")
    web.cli("cert", "archive", "www.test.example", "--undo")
    web.wait_served("web1", "www.test.example")
    assert added


def test_old_tls_versions_are_refused(web):
    web.add("www.test.example", ["web1"])
    for version in ("-tls1", "-tls1_1"):
        assert not web.fetch("web1", "www.test.example", version, "-cipher", "ALL:@SECLEVEL=0").ok


def test_whole_chain_by_s_client(web):
    """S002-11: plain s_client -showcerts prints the chain that is served; it verifies."""
    web.add("www.test.example", ["web1"])
    roots = web.folder / "micro.pem"
    roots.write_text(web.json("ca", "show", "default")["certificate"])
    got = web.fetch("web1", "www.test.example", "-CAfile", str(roots), "-verify_hostname",
                    "www.test.example", "-verify_return_error")
    assert got.ok and got.verified, got.text


def test_connected_host_and_sni_differ(web):
    """S002-9: what is connected does not matter."""
    web.add("www.elsewhere.example", ["web1"])
    assert web.fetch("web1", "www.elsewhere.example").ok


@pytest.mark.parametrize("kind", ["tcp", "unix", "proxy"])
def test_backend(web, kind):
    backend = Backend(str(web.folder / "backend.sock") if kind == "unix" else None)
    extra = "proxy-protocol = true" if kind == "proxy" else ""
    web.replica("web2", ports=port(backend=backend.address, more=extra))
    web.add("www.test.example", ["web2"])
    body = b"x" * 300000
    with raw.tls(web.port("web2"), sni="www.test.example") as s:
        assert s.recv(8) == b"backend\n"
        s.sendall(body)
        got = b""
        while len(got) < len(body):
            got += s.recv(65536)
        source = s.getsockname()
    if kind == "proxy":
        # Behind the header of this connection; those before it were handshakes of the fixture.
        heard = PROXY_V2 + b"".join(backend.heard).rpartition(PROXY_V2)[2]
        assert heard[12:14] == b"\x21\x11"
        assert heard[16:20] == bytes(map(int, source[0].split(".")))
        assert struct.unpack(">H", heard[24:26])[0] == source[1]
        assert heard.endswith(body[:1000])
    else:
        assert got == body
    backend.close()


PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"


def test_backend_away(web):
    """The handshake is done and the connection then ends; others go on."""
    backend = Backend()
    backend.close()
    web.replica("web2", ports=port(backend=backend.address))
    web.add("www.test.example", ["web1", "web2"])
    with raw.tls(web.port("web2"), sni="www.test.example") as s:
        assert raw.is_closed(s)
    assert web.fetch("web1", "www.test.example").ok


def page(web, path):
    """(status, body) of a page of the built-in backend."""
    with raw.tls(web.port("web1"), sni="www.test.example") as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: www.test.example\r\n"
                  "Connection: close\r\n\r\n".encode())
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2]


def test_status_page(web):
    web.add("www.test.example", ["web1"])
    status, body = page(web, "/status")
    assert status == 200 and json.loads(body)["node"] == "web1"
    status, body = page(web, "/")
    assert status == 200 and b"web1" in body
    assert page(web, "/../etc/passwd")[0] in (400, 404)
    assert page(web, "/nothing")[0] == 404


def test_http_port_redirects(web):
    web.replica("web2", ports=port() + 'port "plain" {\n    listen = "127.0.0.1:0"\n'
                '    kind = "http"\n    https-port = 8443\n}\n')
    page = http.client.HTTPConnection(*raw.parse(web.port("web2", "plain")))
    page.request("GET", "/a?b=c", headers={"Host": "www.test.example"})
    answer = page.getresponse()
    assert answer.status in (301, 308)
    assert answer.headers["Location"] == "https://www.test.example:8443/a?b=c"
    for host in ("www.test.example\\", "a b", "x" * 400, "<script>"):
        evil = http.client.HTTPConnection(*raw.parse(web.port("web2", "plain")))
        evil.request("GET", "/", headers={"Host": host})
        answer = evil.getresponse()
        assert answer.status == 400 and "Location" not in answer.headers, host
    challenge = http.client.HTTPConnection(*raw.parse(web.port("web2", "plain")))
    challenge.request("GET", "/.well-known/acme-challenge/abc", headers={"Host": "x.example"})
    assert challenge.getresponse().status == 404


def test_client_certificates(web):
    stranger = raw.Stranger(web.folder)
    cert, key = stranger.leaf("somebody")
    roots = web.folder / "client-roots.pem"
    from cryptography.hazmat.primitives import serialization
    roots.write_bytes(stranger.cert.public_bytes(serialization.Encoding.PEM))
    web.replica("web2", ports=port(more=f'client-certificates = "require"\nclient-ca = "{roots}"'))
    web.add("www.test.example", ["web2"])

    def status(**files):
        try:
            with raw.tls(web.port("web2"), sni="www.test.example", **files) as s:
                s.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return s.recv(100)
        except (ssl.SSLError, ConnectionError):
            return None

    assert b"200" in status(cert=cert, key=key)
    assert not status()
    other = raw.Stranger(web.folder, "other")
    cert2, key2 = other.leaf("somebody-else")
    assert not status(cert=cert2, key=key2)


def test_manager_down(web):
    """Serves with the manager away, and after a restart of its own too."""
    web.add("www.test.example", ["web1"])
    before = web.fetch("web1", "www.test.example").fingerprint
    web.server.stop()
    assert web.fetch("web1", "www.test.example").fingerprint == before
    web.replicas["web1"].stop()
    web.replicas["web1"].start()
    web.wait_served("web1", "www.test.example", before)
    web.server.start()
    web.cli("cert", "renew", "www.test.example")
    web.wait_served("web1", "www.test.example", other_than=before)


def test_no_handshake_fails_while_renewals_swap(web):
    """A swap is one step: every handshake of a busy client brings one of the generations."""
    web.add("www.test.example", ["web1"])
    seen, failed = set(), 0
    for _ in range(10):
        web.cli("cert", "renew", "www.test.example", "--no-wait")
        for _ in range(8):
            got = web.fetch("web1", "www.test.example")
            failed += not got.ok
            seen.add(got.fingerprint)
    assert failed == 0 and len(seen) > 5


def port(fallback=None, backend=None, more=""):
    lines = ['listen = "127.0.0.1:0"']
    lines += [f'fallback = "{fallback}"'] if fallback else []
    lines += [f'backend = "{backend}"'] if backend else []
    return 'port "https" {\n    ' + "\n    ".join(lines + more.splitlines()) + "\n}\n"


def test_stale_after(pair):
    """Without news for so long a node stops serving it, over a restart too; other credentials
    stay, and with the manager it is back."""
    pair.add("ever.test.example", ["web1"])
    pair.add("week.test.example", ["web1"], "--stale-after", "7d")
    assert "7 days" in pair.cli("cert", "show", "week.test.example").out
    assert "7 days" in pair.cli("explain", "week.test.example").out
    assert "never" in pair.cli("explain", "ever.test.example").out
    web1, kept = pair.replicas["web1"], pair.folder / "web1/last-fresh"
    wait_for(kept.exists, 10, "web1 to note that it is fresh")
    pair.server.stop()
    web1.stop()
    now = int(kept.read_text())
    assert abs(now - time.time()) < 60
    web1.start()
    assert pair.fetch("web1", "week.test.example").ok
    web1.stop()
    kept.write_text(f"{now - 8 * 86400}\n")
    web1.start()
    assert not pair.fetch("web1", "week.test.example").ok
    assert pair.fetch("web1", "ever.test.example").ok
    pair.server.start()
    pair.wait_served("web1", "week.test.example")
    wait_for(lambda: "serves" in pair.cli("why-not", "web1", "week.test.example").out, 10,
             "web1 to say that it serves it again")
    # What cannot be read is as good as no file.
    web1.stop()
    pair.server.stop()
    kept.write_text("yesterday\n")
    web1.start()
    assert pair.fetch("web1", "week.test.example").ok
    assert "last-fresh" in web1.log()


@pytest.mark.parametrize("lines,says", [
    ('port "a" {\n listen = "127.0.0.1:8443"\n}\nport "b" {\n listen = "127.0.0.1:8443"\n}',
     "ports 'a' and 'b' both listen on 127.0.0.1:8443"),
    ('port "a" {\n listen = "127.0.0.1:0"\n ciphers = "NONE-SUCH"\n}', "'NONE-SUCH'"),
    ('port "a" {\n listen = "127.0.0.1:0"\n fallback = "a b"\n}', "fallback"),
    ('port "a" {\n listen = "127.0.0.1:0"\n client-certificates = require\n'
     ' client-ca = "/no/such/file"\n}', "/no/such/file"),
    ("secure-memory = 3000", "power of two"),
])
def test_check_config(tmp_path, lines, says):
    """What the start would refuse, --check-config does, and does not call it good before."""
    (tmp_path / "c").write_text(lines + "\n")
    answer = subprocess.run([program("certherd-replica"), "--check-config", "--config",
                             str(tmp_path / "c")], capture_output=True, text=True, check=False)
    assert answer.returncode == 2 and says in answer.stderr and answer.stdout == "", answer
