"""Who may connect for the link, and what happens to those who may no longer (AT-03, AT-07)."""

import pathlib
import socket
import ssl

import pytest
import raw
from process import wait_for
from records import read_keys


def pem_key(domain, data, name="identity"):
    out = domain.folder / f"{data.name}.{name}.pem"
    out.write_bytes(read_keys(data / f"keys/{name}.key")[name])
    return out


def serves_on(domain):
    domain.in_step()
    assert all(p.running for p in domain.replicas.values())


def test_no_certificate(pair):
    assert raw.link_refuses(pair.public)
    serves_on(pair)


def test_another_root(pair):
    """The right name and even the right URI, but signed by a stranger."""
    uris = raw.identity_uris(pair.folder / "web1/identity.pem")
    cert, key = raw.Stranger(pair.folder).leaf("web1", uris)
    assert raw.link_refuses(pair.public, cert, key)
    serves_on(pair)


def test_self_signed_with_a_members_key(pair):
    """A member's key in a certificate that no manager issued."""
    stranger = raw.Stranger(pair.folder)
    key_file = pem_key(pair, pair.folder / "web1")
    from cryptography.hazmat.primitives import serialization
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    uris = raw.identity_uris(pair.folder / "web1/identity.pem")
    cert = stranger.sign(key.public_key(), "web1", uris=uris, issuer_key=key, issuer_name="web1")
    cert_file = pair.folder / "self.pem"
    cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    assert raw.link_refuses(pair.public, cert_file, key_file)
    serves_on(pair)


def test_micro_ca_certificate_is_no_identity(pair):
    """A credential that a node holds, used as if it were an identity."""
    from records import Opener, read_store
    pair.add("web2", ["web1"])
    pair.in_step()
    opener = Opener(read_keys(pair.folder / "web1/keys/sealing.key")["sealing"],
                    pair.folder / "open")
    generations = [r for r in read_store(pair.folder / "web1", pair.folder)
                   if r.kind == "GENERATION"]
    pkcs8 = next(filter(None, map(opener.open_key, generations)))
    key_file, cert_file = pair.folder / "leaf.key", pair.folder / "leaf.pem"
    from cryptography.hazmat.primitives import serialization
    pem = serialization.Encoding.PEM
    key_file.write_bytes(serialization.load_der_private_key(pkcs8, None).private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    cert_file.write_text("".join(ssl.DER_cert_to_PEM_cert(der)
                                 for der in pair.fetch("web1", "web2").chain))
    assert raw.link_refuses(pair.public, cert_file, key_file)
    serves_on(pair)


def test_member_of_another_domain(make_domain):
    """With the same names and the same node name, but another root."""
    one, two = make_domain("one"), make_domain("two")
    for domain in (one, two):
        domain.init("--no-replica")
        domain.start_server()
        domain.join("web1")
    for ours, theirs in ((one, two), (two, one)):
        data = theirs.folder / "web1"
        key = pem_key(theirs, data)
        assert not raw.link_refuses(theirs.public, data / "identity.pem", key)
        assert raw.link_refuses(ours.public, data / "identity.pem", key)


def test_nothing_to_resume(pair):
    """No ticket is given out on the public port, so there is nothing to resume or to replay early;
    the counterpart is a replica's port, which gives some."""
    data = pair.folder / "web1"
    pair.replicas["web1"].stop()
    with raw.tls(pair.public, "certherd/1", data / "identity.pem", pem_key(pair, data)) as s:
        s.sendall(b"\0SP\0\0\x30\0\0")
        assert s.recv(8)
        assert not s.session.has_ticket and not s.session_reused
    with raw.tls(pair.public, "http/1.1") as s:
        s.sendall(b"GET /v1/root HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in s.recv(4096) and not s.session.has_ticket
    pair.replicas["web1"].start()
    pair.add("www.test.example", ["web1"])
    with raw.tls(pair.port("web1"), sni="www.test.example") as s:
        s.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in s.recv(4096) and s.session.has_ticket


def routes():
    """(method, path) of every operation of the API."""
    yaml = pytest.importorskip("yaml")
    page = pathlib.Path(__file__).resolve().parents[2] / "docs/openapi.yaml"
    for path, operations in yaml.safe_load(page.read_text())["paths"].items():
        for method in operations:
            if method in ("get", "post", "put", "patch", "delete"):
                yield method.upper(), path.replace("{", "").replace("}", "")


def test_a_member_may_ask_nothing_else(pair):
    """With a member's certificate, as without one, the public port answers two questions; the rest of
    the API is for the UNIX socket."""
    data = pair.folder / "web1"
    key = pem_key(pair, data)
    asked = 0
    before = pair.json("status")["seq"]
    for method, path in routes():
        for member in ({}, {"cert": data / "identity.pem", "key": key}):
            with raw.tls(pair.public, "http/1.1", **member) as s:
                body = "" if method == "GET" else "{}"
                s.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                          f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                          f"\r\n{body}".encode())
                status = int(s.recv(4096).split()[1])
            if path == "/v1/root":
                assert status == 200
            elif path == "/v1/join":
                assert status == 400
            else:
                assert status == 403, (method, path, status)
            asked += 1
    assert asked > 50
    assert pair.json("status")["seq"] == before


def test_impostor_in_the_managers_place(pair):
    """Somebody at the manager's address without its key, with a certificate of its own or of a
    member, hears nothing from a replica: it ends the handshake and serves on."""
    pair.add("www.test.example", ["web1"])
    web2 = pair.folder / "web2"
    stranger = raw.Stranger(pair.folder).leaf(
        "manager", raw.identity_uris(pair.data / "server/identity.pem"))
    member = (web2 / "identity.pem", pem_key(pair, web2))
    pair.server.stop()
    for files in (stranger, member):
        heard = listen_as(pair, files)
        assert heard == [b""] * len(heard), heard
        assert pair.fetch("web1", "www.test.example").ok
    pair.server.start()
    serves_on(pair)


def listen_as(domain, files):
    """What comes through TLS from the first three who connect to the manager's address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    context.set_alpn_protocols(["certherd/1"])
    heard = []

    def serve(client):
        client.settimeout(20)
        try:
            with context.wrap_socket(client, server_side=True) as s:
                heard.append(s.recv(100))
        except (ssl.SSLError, OSError):
            heard.append(b"")

    with socket.create_server(raw.parse(domain.address)) as listener:
        while len(heard) < 3:
            client, _ = listener.accept()
            serve(client)
    return heard


def test_tls_1_2_is_not_offered(pair):
    cert, key = pair.folder / "web1/identity.pem", pem_key(pair, pair.folder / "web1")
    assert raw.link_refuses(pair.public, cert, key, version=ssl.TLSVersion.TLSv1_2)


def test_a_members_certificate_is_accepted(pair):
    """The counterpart of the tests above: with the real one the link answers."""
    pair.replicas["web1"].stop()
    cert, key = pair.folder / "web1/identity.pem", pem_key(pair, pair.folder / "web1")
    assert not raw.link_refuses(pair.public, cert, key)
    pair.replicas["web1"].start()
    serves_on(pair)


def test_removed_node(pair):
    """Thrown out now, refused from then on, and its log says why; it serves what it has."""
    pair.add("www.test.example", ["web1", "web2"])
    removed = pair.replicas["web1"]
    cert, key = pair.folder / "web1/identity.pem", pem_key(pair, pair.folder / "web1")
    result = pair.cli("node", "remove", "web1")
    assert "www.test.example" in result.out, "the credentials it could open are not listed"
    wait_for(lambda: "removed" in removed.log(), 20, "web1 to say that it was removed")
    assert raw.link_refuses(pair.public, cert, key)
    assert pair.fetch("web1", "www.test.example").ok, "a removed node stops serving"
    removed.stop()
    removed.start()
    assert pair.fetch("web1", "www.test.example").ok
    before = pair.fetch("web1", "www.test.example").fingerprint
    pair.cli("cert", "renew", "www.test.example")
    pair.wait_served("web2", "www.test.example", other_than=before)
    assert pair.fetch("web1", "www.test.example").fingerprint == before


def test_two_connections_of_one_node(pair):
    """The newer one replaces the older one; nobody gets two."""
    pair.replicas["web1"].stop()
    cert, key = pair.folder / "web1/identity.pem", pem_key(pair, pair.folder / "web1")
    hello = b"\0SP\0\0\x30\0\0"
    with raw.tls(pair.public, "certherd/1", cert, key) as one:
        one.sendall(hello)
        assert one.recv(8)
        with raw.tls(pair.public, "certherd/1", cert, key) as two:
            two.sendall(hello)
            assert two.recv(8)
            one.settimeout(20)
            try:
                assert one.recv(1) == b""
            except (ssl.SSLError, ConnectionError):
                pass
    pair.replicas["web1"].start()
    serves_on(pair)
