"""Who may connect for the link, and what happens to those who may no longer (AT-07)."""

import ssl

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
