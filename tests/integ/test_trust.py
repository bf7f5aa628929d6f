"""Trusted roots from files and servers, what they complete, and the health of chains (S000-9,
S000-19, S001-27, S004-5)."""

import datetime
import os
import pathlib
import pty
import socket
import ssl
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from process import program, wait_for

NAME = "shop.test.example"
DAY = datetime.timedelta(days=1)
SYSTEM = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


def pem(*certs):
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certs)


def sha256(cert):
    return cert.fingerprint(hashes.SHA256()).hex()


class Outside:
    """A CA that nobody here knows: a root, an intermediate below it."""

    def __init__(self, name="Outside Root"):
        self.now = datetime.datetime.now(datetime.timezone.utc)
        self.root_key, self.issuer_key = (ec.generate_private_key(ec.SECP256R1()) for _ in "12")
        self.root = self.sign(name, self.root_key.public_key(), None, self.root_key, ca=True)
        self.issuer = self.sign("Outside Issuer", self.issuer_key.public_key(), self.root,
                                self.root_key, ca=True)

    def sign(self, name, key, above, signing, ca=False, names=()):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = (x509.CertificateBuilder().subject_name(subject)
                .issuer_name(above.subject if above else subject).public_key(key)
                .serial_number(x509.random_serial_number())
                .not_valid_before(self.now - DAY).not_valid_after(self.now + 90 * DAY)
                .add_extension(x509.BasicConstraints(ca, None), critical=True))
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return made.sign(signing, hashes.SHA256())

    def cross(self, other):
        """The issuer once more, below the root of another: same name and key."""
        return self.sign("Outside Issuer", self.issuer_key.public_key(), other.root, other.root_key,
                         ca=True)

    def leaf(self, key, name=NAME):
        return self.sign(name, key, self.issuer, self.issuer_key, names=[x509.DNSName(name)])


@pytest.fixture
def outside():
    return Outside()


@pytest.fixture
def server(outside, tmp_path):
    """A TLS server with a chain of the outside CA: call it with the certificates to send."""
    open_sockets = []

    def start(*chain, with_leaf=True):
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = outside.leaf(key.public_key(), "localhost")
        file = tmp_path / "server.pem"
        file.write_text(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()).decode() + pem(leaf, *chain))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(file)
        listener = socket.create_server(("127.0.0.1", 0))
        open_sockets.append(listener)

        def serve():
            while True:
                try:
                    one, _ = listener.accept()
                except OSError:
                    return
                try:
                    tls.wrap_socket(one, server_side=True).close()
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()
        return "127.0.0.1:%d" % listener.getsockname()[1]

    yield start
    for s in open_sockets:
        s.close()


def health(domain, name=NAME):
    return domain.json("cert", "show", name)["chain_health"]


def codes(domain, name=NAME):
    return [r["code"] for r in health(domain, name)["reasons"]]


def manual(domain, outside, access="web1"):
    domain.cli("cert", "add", NAME, "--issuer", "manual", "--access", access)
    csr = x509.load_pem_x509_csr(domain.cli("cert", "csr", NAME).out.encode())
    return outside.leaf(csr.public_key())


def sent(domain):
    return domain.fetch("web1", NAME).chain


def test_leaf_alone_is_completed(pair, outside, tmp_path):
    """What is stored before the answer comes completes it: the leaf alone is enough."""
    bundle = tmp_path / "outside.pem"
    bundle.write_text("some text\n" + pem(outside.issuer, outside.root))
    assert "2 of 2" in pair.cli("trust", "add", bundle).out
    assert "stored already" in pair.cli("trust", "add", bundle).out
    leaf = manual(pair, outside)
    pair.cli("cert", "paste", NAME, stdin=pem(leaf))
    pair.wait_served("web1", NAME)
    stored = pair.json("cert", "show", NAME, "--chain")
    assert stored["chain"] == pem(leaf, outside.issuer, outside.root)
    assert [x509.load_der_x509_certificate(c) for c in sent(pair)] == [leaf, outside.issuer]
    assert health(pair) == {"grade": "green", "can_complete": False, "reasons": []}
    assert "chain         green\n" in pair.cli("cert", "show", NAME).out


def test_root_is_sent_on_request(pair, outside, tmp_path):
    """A port says whether it sends the root that is stored; without one it sends the same."""
    port = 'port "https" {{ listen = "127.0.0.1:0" send-root = {} }}'
    pair.replica("web3", port.format("true"))
    pair.replica("web4", port.format("false"))
    (tmp_path / "outside.pem").write_text(pem(outside.issuer, outside.root))
    pair.cli("trust", "add", tmp_path / "outside.pem")
    leaf = manual(pair, outside, "web1,web3,web4")
    pair.cli("cert", "paste", NAME, stdin=pem(leaf))
    for node, chain in (("web1", [leaf, outside.issuer]), ("web4", [leaf, outside.issuer]),
                        ("web3", [leaf, outside.issuer, outside.root])):
        pair.wait_served(node, NAME)
        for version in ("-tls1_2", "-tls1_3"):
            got = pair.fetch(node, NAME, version).chain
            assert [x509.load_der_x509_certificate(c) for c in got] == chain, (node, version)


def test_root_that_comes_later(pair, outside, tmp_path):
    """A stored chain is completed by one command, without a new certificate."""
    leaf = manual(pair, outside)
    warned = pair.cli("cert", "paste", NAME, stdin=pem(leaf)).out
    assert "warning" in warned
    pair.wait_served("web1", NAME)
    before = pair.json("cert", "show", NAME)
    assert before["chain_health"]["grade"] == "yellow" and codes(pair) == ["incomplete"]
    assert "nothing better" in pair.cli("cert", "chain", NAME, "--complete").out
    assert len(sent(pair)) == 1
    (tmp_path / "root.pem").write_text(pem(outside.root))
    (tmp_path / "issuer.der").write_bytes(outside.issuer.public_bytes(serialization.Encoding.DER))
    pair.cli("trust", "add", tmp_path / "root.pem", tmp_path / "issuer.der")
    assert health(pair)["can_complete"]
    assert "--complete" in pair.cli("cert", "show", NAME).out
    pair.cli("cert", "chain", NAME, "--complete")
    wait_for(lambda: len(sent(pair)) == 2, 15, "web1 to send the issuer")
    after = pair.json("cert", "show", NAME)
    assert after["chain_health"]["grade"] == "green"
    assert [after[m] for m in ("generation", "fingerprint")] == \
        [before[m] for m in ("generation", "fingerprint")]
    table = pair.cli("cert", "chain", NAME).out
    assert "CN=Outside Issuer" in table and "green" in table
    # Trusted no longer: the chain stays, and is yellow.
    pair.cli("trust", "remove", "Outside Root")
    assert codes(pair) == ["root-untrusted"] and len(sent(pair)) == 2


def test_all_are_completed(pair, outside, tmp_path):
    """One command for all whose issuers came later; repeated, it has nothing to do."""
    names = [f"n{i}.test.example" for i in range(3)]
    for name in names:
        pair.cli("cert", "add", name, "--issuer", "manual", "--access", "web1")
        csr = x509.load_pem_x509_csr(pair.cli("cert", "csr", name).out.encode())
        pair.cli("cert", "paste", name, stdin=pem(outside.leaf(csr.public_key(), name)))
    pair.add("micro.test.example", ["web1"])
    pair.cli("cert", "add", "draft.test.example", "--draft", "--access", "")
    assert "0 of 4 chains" in pair.cli("cert", "chain", "--complete", "--all").out
    (tmp_path / "outside.pem").write_text(pem(outside.issuer, outside.root))
    pair.cli("trust", "add", tmp_path / "outside.pem")
    done = pair.json("cert", "chain", "--complete", "--all")["results"]
    assert [d["name"] for d in done] == names
    for name in names:
        wait_for(lambda n=name: len(pair.fetch("web1", n).chain) == 2, 15, f"{name}'s issuer")
    assert "0 of 4 chains" in pair.cli("cert", "chain", "--complete", "--all").out
    for words in (("--all",), (), (names[0], "--complete", "--all")):
        assert "--complete --all" in pair.cli("cert", "chain", *words, status=2).err


def test_cross_signed(pair, outside, tmp_path):
    """Two issuers of one name and key, of which one leads to a trusted root, in either order; and
    the root that is preferred, by name or fingerprint, among several."""
    other = Outside("Other Root")
    dead_end, way = outside.cross(other), outside.issuer
    leaf = manual(pair, outside)
    (tmp_path / "root.pem").write_text(pem(outside.root))
    pair.cli("trust", "add", tmp_path / "root.pem")
    pair.cli("cert", "paste", NAME, stdin=pem(dead_end, leaf, way))
    pair.wait_served("web1", NAME)
    chain = lambda: pair.json("cert", "show", NAME, "--chain")["chain"]
    assert chain() == pem(leaf, way, outside.root) and health(pair)["grade"] == "green"
    # Both roots are trusted now: which of them is a matter of taste.
    (tmp_path / "other.pem").write_text(pem(other.root, dead_end, way))
    pair.cli("trust", "add", tmp_path / "other.pem")
    assert "nothing better" in pair.cli("cert", "chain", NAME, "--complete").out
    said = pair.cli("cert", "chain", NAME, "--prefer-root", "cn=other root").out
    assert "has a new chain" in said
    assert chain() == pem(leaf, dead_end, other.root) and health(pair)["grade"] == "green"
    wait_for(lambda: [x509.load_der_x509_certificate(c) for c in sent(pair)] == [leaf, dead_end], 15,
             "the other issuer to be sent")
    pair.cli("cert", "chain", NAME, "--prefer-root", sha256(outside.root))
    assert chain() == pem(leaf, way, outside.root)
    assert sha256(outside.root) in pair.cli("cert", "show", NAME).out
    # A restart, and what comes later, keep to it; one that is out of reach is said, and no harm.
    pair.restart_server()
    pair.cli("cert", "chain", NAME, "--prefer-root", "Other Root")
    pair.cli("cert", "renew", NAME)
    csr = x509.load_pem_x509_csr(pair.cli("cert", "csr", NAME).out.encode())
    pair.cli("cert", "paste", NAME, stdin=pem(outside.leaf(csr.public_key())))
    assert chain().endswith(pem(dead_end, other.root))
    out = pair.cli("cert", "chain", NAME, "--prefer-root", "Nobody's Root").out
    assert "Nobody's Root" in out and codes(pair) == ["not-preferred"]
    assert health(pair)["grade"] == "yellow"
    pair.cli("cert", "chain", NAME, "--prefer-root", "")
    assert health(pair)["grade"] == "green" and "preferred_root" not in pair.json(
        "cert", "show", NAME)


def test_roots_that_ran_out(pair, outside, tmp_path):
    """The cross-signed certificate of a root that has run out is not what is sent."""
    before, new_key = outside.now, ec.generate_private_key(ec.SECP256R1())
    outside.now = before - 400 * DAY
    old = outside.sign("Old Root", outside.root_key.public_key(), None, outside.root_key, ca=True)
    outside.now = before
    new = outside.sign("New Root", new_key.public_key(), None, new_key, ca=True)
    cross = outside.sign("New Root", new_key.public_key(), old, outside.root_key, ca=True)
    issuer = outside.sign("Outside Issuer", outside.issuer_key.public_key(), new, new_key, ca=True)
    outside.issuer = issuer
    (tmp_path / "roots.pem").write_text(pem(old, new))
    pair.cli("trust", "add", tmp_path / "roots.pem")
    leaf = manual(pair, outside)
    pair.cli("cert", "paste", NAME, stdin=pem(leaf, cross, issuer))
    assert pair.json("cert", "show", NAME, "--chain")["chain"] == pem(leaf, issuer, new)
    assert [r["code"] for r in health(pair)["reasons"] if r["grade"] != "green"] == []
    pair.cli("trust", "remove", "New Root")
    assert set(codes(pair)) >= {"root-untrusted"}


def chained(domain, outside, leaf, *above):
    """Pasted, and the codes of what is said of it."""
    domain.cli("cert", "paste", NAME, stdin=pem(leaf, *above))
    return set(codes(domain)), health(domain)


def test_reasons(pair, outside, tmp_path):
    """Path length, name constraints, key usage: in words, with the certificate that it is about."""
    (tmp_path / "root.pem").write_text(pem(outside.root))
    pair.cli("trust", "add", tmp_path / "root.pem")
    pair.cli("cert", "add", NAME, "--issuer", "manual", "--access", "web1")
    key = x509.load_pem_x509_csr(pair.cli("cert", "csr", NAME).out.encode()).public_key()

    def issuer(name, *extensions, length=None, above=None):
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        top, signing = above or (outside.root, outside.root_key)
        made = (x509.CertificateBuilder().subject_name(subject).issuer_name(top.subject)
                .public_key(outside.issuer_key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(outside.now - DAY)
                .not_valid_after(outside.now + 60 * DAY)
                .add_extension(x509.BasicConstraints(True, length), critical=True))
        for extension in extensions:
            critical = not isinstance(extension, x509.SubjectKeyIdentifier)
            made = made.add_extension(extension, critical=critical)
        return made.sign(signing, hashes.SHA256())

    inside = x509.NameConstraints([x509.DNSName("other.example")], None)
    usage = x509.KeyUsage(True, *[False] * 4, False, True, False, False)
    short = issuer("Short", length=0)
    below = issuer("Below", above=(short, outside.issuer_key))
    # The signature says who the issuer is; that identifiers of keys differ is said.
    named = issuer("Named", x509.SubjectKeyIdentifier(b"1" * 20))
    outside.issuer = named
    subject = outside.leaf(key)
    leaf = (x509.CertificateBuilder().subject_name(subject.subject).issuer_name(named.subject)
            .public_key(key).serial_number(7).not_valid_before(outside.now - DAY)
            .not_valid_after(outside.now + 30 * DAY)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier(b"2" * 20, None, None), critical=False)
            .sign(outside.issuer_key, hashes.SHA256()))
    found, said = chained(pair, outside, leaf, named)
    assert "not-verified" in found and "key identifier" in said["reasons"][0]["text"]
    assert pair.json("cert", "show", NAME, "--chain")["chain"] == pem(leaf, named, outside.root)
    # The one whose identifier fits, if there is one, in whatever order.
    fits = issuer("Named", x509.SubjectKeyIdentifier(b"2" * 20))
    other = (x509.CertificateBuilder().subject_name(subject.subject).issuer_name(named.subject)
             .public_key(key).serial_number(8).not_valid_before(outside.now - DAY)
             .not_valid_after(outside.now + 30 * DAY)
             .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
             .add_extension(x509.AuthorityKeyIdentifier(b"2" * 20, None, None), critical=False)
             .sign(outside.issuer_key, hashes.SHA256()))
    found, said = chained(pair, outside, other, named, fits)
    assert said["grade"] == "green", said
    cases = {
        "name-constraints": [issuer("Narrow", inside)],
        "key-usage": [issuer("Revoker", usage)],
        "path-length": [below, short],
    }
    for code, above in cases.items():
        outside.issuer = above[0]
        found, said = chained(pair, outside, outside.leaf(key), *above)
        assert code in found and said["grade"] == "red", (code, said)
        text = next(r["text"] for r in said["reasons"] if r["code"] == code)
        assert "CN=" in text and text in pair.cli("cert", "show", NAME).out, text


def test_list_show_export(pair, outside, tmp_path):
    (tmp_path / "root.pem").write_text(pem(outside.root))
    pair.cli("trust", "add", tmp_path / "root.pem", "--label", "Corporate Root", "--for",
             "completion,client")
    listed = pair.json("trust", "list")["trust"]
    assert [(r["label"], r["categories"], r["fingerprint"]) for r in listed] == \
        [("Corporate Root", ["completion", "client"], sha256(outside.root))]
    assert pair.json("trust", "show", sha256(outside.root)[:12])["certificate"] == \
        pem(outside.root)
    assert "CN=Outside Root" in pair.cli("trust", "show", "Corporate Root").out
    assert pair.cli("trust", "export", "--for", "client").out == \
        "# Corporate Root\n" + pem(outside.root)
    assert "no trusted root" in pair.cli("trust", "export", "--for", "outgoing", status=1).err
    # Another category, and the label stays.
    pair.cli("trust", "add", tmp_path / "root.pem", "--for", "outgoing")
    changed = pair.json("trust", "list", "--for", "outgoing")["trust"][0]
    assert changed["label"] == "Corporate Root" and changed["categories"] == ["outgoing"]
    pair.cli("trust", "remove", "Corporate Root")
    assert "no trusted root" in pair.cli("trust", "remove", "Corporate Root", status=1).err
    assert pair.json("trust", "list")["trust"] == []


def test_refusals(pair, outside, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    cases = {
        "leaf.pem": (pem(outside.leaf(key)), [], "not the certificate of a CA"),
        "issuer.pem": (pem(outside.issuer), ["--for", "completion"], "--for intermediate"),
        "root.pem": (pem(outside.root), ["--for", "client,intermediate"], "no other"),
        "nothing.pem": ("no certificate at all\n", [], "nothing.pem"),
        "category.pem": (pem(outside.root), ["--for", "everything"], "one of completion"),
    }
    for name, (text, options, says) in cases.items():
        (tmp_path / name).write_text(text)
        err = pair.cli("trust", "add", tmp_path / name, *options, status=None).err
        assert says in err, (name, err)
    assert pair.json("trust", "list")["trust"] == []


def test_from_a_server(pair, outside, server):
    """Nothing is believed: not without the fingerprint, not with another one."""
    address = server(outside.issuer, outside.root)
    refused = pair.cli("trust", "add", "--from", address, status=2)
    assert f"--yes {sha256(outside.root)}" in refused.err
    wrong = pair.cli("trust", "add", "--from", address, "--yes", "00" * 32, status=1)
    assert "nothing was stored" in wrong.err and sha256(outside.root) in wrong.err
    assert pair.json("trust", "list")["trust"] == []
    typed = ":".join(sha256(outside.root)[i:i + 2] for i in range(0, 64, 2)).upper()
    out = pair.cli("trust", "add", "--from", address, "--yes", typed).out
    assert "CN=localhost" in out and sha256(outside.root) in out and "2 of 2" in out
    assert {r["label"]: r["categories"] for r in pair.json("trust", "list")["trust"]} == \
        {"Outside Root": ["completion"], "Outside Issuer": ["intermediate"]}


@pytest.mark.parametrize("answer, stored", [("yes\n", 2), ("no\n", 0), ("y\n", 0), ("", 0)])
def test_from_a_server_asks(pair, outside, server, answer, stored):
    """On a terminal: the chain and its fingerprint are shown first, and only yes stores them."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([program("certherd"), "trust", "add", "--from",
                           server(outside.issuer, outside.root), "--data", pair.data], stdin=theirs,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asking:
        os.close(theirs)
        shown = ""
        while "SHA-256" not in shown or sha256(outside.root) not in shown:
            shown += os.read(asking.stdout.fileno(), 4096).decode()
        assert sha256(outside.issuer) in shown and "CN=localhost" in shown
        assert pair.json("trust", "list")["trust"] == []
        os.write(ours, (answer or "\x04").encode())
        out, err = asking.communicate(timeout=60)
        os.close(ours)
    assert "Is it the same?" in err
    assert ("2 of 2" in out) == (stored > 0) == (asking.returncode == 0), out + err
    assert len(pair.json("trust", "list")["trust"]) == stored


def test_from_a_server_without_root(pair, outside, server):
    address = server(outside.issuer)
    out = pair.cli("trust", "add", "--from", address, "--yes", sha256(outside.issuer)).out
    assert "does not send its root" in out
    assert [r["categories"] for r in pair.json("trust", "list")["trust"]] == [["intermediate"]]
    alone = pair.cli("trust", "add", "--from", server(), "--yes", "00", status=1).err
    assert "no certificate of a CA" in alone
    gone = pair.cli("trust", "add", "--from", "127.0.0.1:1", "--yes", "00", status=1).err
    assert "127.0.0.1:1" in gone


def test_micro_ca(pair):
    """In one command; its own credentials are green without that."""
    pair.add("www.test.example", ["web1"])
    assert health(pair, "www.test.example")["grade"] == "green"
    assert "1 of 1" in pair.cli("trust", "add", "--ca", "default", "--for", "client").out
    exported = pair.cli("trust", "export", "--for", "client").out
    assert pair.json("ca", "show", "default")["certificate"] in exported


@pytest.mark.skipif(not SYSTEM.exists(), reason="ca-certificates is not installed")
def test_bundle_of_the_system(pair):
    """All roots of the public Internet, over several requests and a restart of the server."""
    count = SYSTEM.read_text().count("BEGIN CERTIFICATE")
    assert f"{count} of {count}" in pair.cli("trust", "add", SYSTEM).out
    pair.restart_server()
    assert len(pair.json("trust", "list")["trust"]) == count
    assert pair.cli("trust", "export").out.count("BEGIN CERTIFICATE") == count
