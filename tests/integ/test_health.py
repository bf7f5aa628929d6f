"""How credentials are, and looks from outside: at Debian's own servers, and at hostile ones."""

import datetime
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from process import slow, wait_for
from tls_servers import REAL, Scripted, free_port

NAME = "mail.test.example"
PEM = serialization.Encoding.PEM


class Ca:
    """A root and an issuer below it, outside of the domain."""

    def __init__(self):
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self.sign("Root", self.root_key, None, self.root_key, ca=True,
                              days=(-90, 900))
        self.cert = self.sign("Issuer", self.key, self.root, self.root_key, ca=True,
                              days=(-90, 900))

    def sign(self, name, key, above, signer, ca=False, days=(-1, 90), digest=hashes.SHA256):
        now = datetime.datetime.utcnow()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = x509.CertificateBuilder(
            above.subject if above else subject, subject, key.public_key(),
            x509.random_serial_number(), now + datetime.timedelta(days[0]),
            now + datetime.timedelta(days[1])).add_extension(
            x509.BasicConstraints(ca, None), critical=True)
        if not ca:
            made = made.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return made.sign(signer, digest())

    def leaf(self, name=NAME, days=(-1, 90)):
        """The PEM of a chain without its root, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert = self.sign(name, key, self.cert, self.key, days=days)
        return Leaf(cert, self.cert, key)


class Leaf:
    def __init__(self, cert, issuer, key):
        self.alone = cert.public_bytes(PEM)
        self.chain = self.alone + issuer.public_bytes(PEM)
        self.key = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption())
        self.sha256 = cert.fingerprint(hashes.SHA256()).hex()


@pytest.fixture(scope="module")
def ca():
    return Ca()


@pytest.fixture
def mail(domain, ca, tmp_path):
    """A manager that trusts the CA outside and holds the credential of Leaf mail.leaf."""
    (tmp_path / "root.pem").write_bytes(ca.root.public_bytes(PEM))
    domain.cli("trust", "add", tmp_path / "root.pem")
    domain.leaf = import_leaf(domain, ca.leaf(), tmp_path)
    return domain


def import_leaf(domain, leaf, tmp_path, *options):
    file = tmp_path / "leaf.pem"
    file.write_bytes(leaf.key + leaf.chain)
    domain.cli("cert", "import", file, *options)
    return leaf


@pytest.fixture
def scripted():
    """scripted(...): a server of our own, closed in the end."""
    made = []

    def make(*args, **kwargs):
        made.append(Scripted(*args, **kwargs))
        return made[-1]

    yield make
    for server in made:
        server.close()


def look(domain, *addresses, status=1, name=NAME):
    """Results of certherd check at these addresses."""
    words = [w for a in addresses for w in ("--address", a)]
    found = domain.cli("check", name, *words, "--json", status=status).json["results"]
    return found[0]["results"]


@pytest.mark.parametrize("kind", REAL, ids=lambda k: k.__name__)
def test_servers_of_debian(mail, ca, kind):
    """A look at each, with the certificate that should be there and with another one."""
    why = kind.missing()
    if why:
        pytest.skip(why)
    for leaf, finding in ((mail.leaf, []), (ca.leaf(), ["wrong-certificate"])):
        server = kind(leaf.chain, leaf.key)
        try:
            found, = look(mail, server.address, status=len(finding))
        finally:
            server.stop()
        assert found["findings"] == finding, found
        assert found["fingerprint"] == leaf.sha256 and found["not_after"] > "20"
        assert found.get("generation") == (None if finding else 1)


def test_root_that_is_not_sent(domain, ca, scripted, tmp_path):
    """Nobody sends it: one that is trusted for outgoing connections is the end of what is sent."""
    leaf = import_leaf(domain, ca.leaf(), tmp_path)
    server = scripted(chain=leaf.chain, key=leaf.key)
    found, = look(domain, f"{server.address}/{NAME}")
    assert found["findings"] == ["chain-incomplete"]
    (tmp_path / "root.pem").write_bytes(ca.root.public_bytes(PEM))
    domain.cli("trust", "add", tmp_path / "root.pem", "--for", "outgoing")
    found, = look(domain, f"{server.address}/{NAME}", status=0)
    assert found["findings"] == []
    alone = scripted(chain=leaf.alone, key=leaf.key)
    found, = look(domain, f"{alone.address}/{NAME}")
    assert found["findings"] == ["chain-incomplete"]


def test_findings(mail, ca, scripted, tmp_path):
    """Every finding by its name, and the name that is asked for."""
    good = scripted(chain=mail.leaf.chain, key=mail.leaf.key)
    found, = look(mail, f"127.0.0.1:{good.port}", status=0)
    assert found["findings"] == [] and found["grade"] == "green" and found["generation"] == 1
    found, = look(mail, f"{good.address}/other.test.example")
    assert found["findings"] == ["name-mismatch"] and "other.test.example" in found["text"]
    assert good.names == [NAME, "other.test.example"]
    alone = scripted(chain=mail.leaf.alone, key=mail.leaf.key)
    expired = ca.leaf(days=(-9, -1))
    old = scripted(chain=expired.chain, key=expired.key)
    http = scripted(says=[b"HTTP/1.1 400 Bad Request\r\n\r\n"])
    results = look(mail, alone.address, old.address, http.address, f"127.0.0.1:{free_port()}")
    assert [r["findings"] for r in results] == [
        ["chain-incomplete"], ["wrong-certificate", "expired"], ["no-handshake"], ["unreachable"]]
    assert [r["grade"] for r in results] == ["yellow", "red", "red", "red"]
    assert expired.sha256.startswith(results[1]["text"].split("SHA-256 ")[1].split(",")[0])
    # The server of before goes on when a new certificate is there.
    import_leaf(mail, ca.leaf(), tmp_path, "--replace")
    found, = look(mail, good.address)
    assert found["findings"] == ["older-generation"] and found["generation"] == 1
    assert "generation 1 is still served" in found["text"] and "2 is in force" in found["text"]
    # For people, and without a name.
    answer = mail.cli("check", NAME, "--address", f"127.0.0.1:{good.port}", status=1)
    assert "generation 1 is still served" in answer.out and "1 of 1 are not" in answer.err
    assert "No credential has addresses" in mail.cli("check").out


EHLO = b"250-mx\r\n250 STARTTLS\r\n"
HOSTILE = [
    ("smtp", [b"220 mx\r\n", b"250 mx\r\n"], "no-starttls", "does not offer"),
    ("smtp", [b"220 mx\r\n", EHLO, b"220 go\r\n250 injected\r\n"], "no-starttls", "in clear"),
    ("smtp", [b"220-" + b"a" * 5000], "no-starttls", "longer than"),
    ("smtp", [b"220-a\r\n" * 5000], "no-starttls", "more than 100 lines"),
    ("smtp", [b"\x00\xff\x1b[2J\r\n"], "no-starttls", "no answer"),
    ("smtp", [b"220 mx\r\n", EHLO, b"220 go\r\n", b"no TLS at all\r\n"], "no-handshake", "TLS"),
    ("imap", [b"* BYE not you\r\n"], "no-starttls", "not you"),
    ("imap", [b"* OK\r\n", b"a1 OK go\r\na2 OK\r\n"], "no-starttls", "in clear"),
    ("pop3", [b"+OK\r\n", b"-ERR \xc3\x28 no\r\n"], "no-starttls", "-ERR"),
    ("ldap", [None, b"0\x84\xff\xff\xff\xff"], "no-starttls", "ldap"),
    ("ldap", [None, b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"], "no-starttls",
     "result 2"),
    ("postgres", [None, b"N"], "no-starttls", "ssl=off"),
    ("postgres", [None, b"E" + b"x" * 100], "no-starttls", "postgres"),
]


def test_hostile_servers(mail, scripted):
    """Whatever they say: one finding, a text without control characters, and the manager goes on."""
    servers = [scripted(protocol, says) for protocol, says, _, _ in HOSTILE]
    for server, (_, _, finding, text) in zip(servers, HOSTILE):
        found, = look(mail, server.address)
        assert found["findings"] == [finding] and text in found["text"], found
        assert all(" " <= c for c in found["text"])
    # One that says nothing is given up.
    silent = [scripted("smtp").address, scripted("tls").address]
    before = time.monotonic()
    results = look(mail, *silent)
    assert [r["findings"] for r in results] == [["no-starttls"], ["no-handshake"]]
    assert time.monotonic() - before < 15 + 10 * slow()


def test_addresses_and_daily_looks(mail, scripted):
    """An address that is stored is looked at by itself; what is found counts."""
    good = scripted("smtp", [b"220 mx\r\n", EHLO, b"220 go\r\n"], mail.leaf.chain, mail.leaf.key)
    bad = scripted("imap", [b"* BYE\r\n"])
    added = mail.cli("cert", "checks", NAME, "--add", good.address, "--add", bad.address)
    assert "certherd check" in added.out
    refused = mail.cli("cert", "checks", NAME, "--remove", "127.0.0.1:1", status=1)
    assert "is not checked at" in refused.err
    assert mail.cli("cert", "checks", NAME, "--add", "smtps:/x", status=2).err

    def looked():
        checks = mail.json("cert", "show", NAME)["checks"]
        return all(c["at"] for c in checks) and checks

    # Within a minute, drawn at random.
    found = wait_for(looked, 70, "both addresses to be looked at")
    assert [c["findings"] for c in found] == [[], ["no-starttls"]]
    shown = mail.json("cert", "show", NAME)["health"]
    assert shown["grade"] == "red"
    assert "check-no-starttls" in [r["code"] for r in shown["reasons"]]
    status = mail.json("status")["health"]
    assert status["addresses"] == 2 and status["addresses_bad"] == 1
    assert bad.address in mail.cli("cert", "checks", NAME).out
    mail.cli("check", status=1)
    mail.cli("cert", "checks", NAME, "--remove", bad.address)
    assert "as it should be" in mail.cli("check").out
    # A restart forgets what was found, not where to look.
    mail.restart_server()
    assert [c["address"] for c in mail.json("cert", "show", NAME)["checks"]] == [good.address]


def test_summary_and_runway(domain, ca, tmp_path):
    """Counts by colour, the worst with reasons, and until when everything goes on."""
    domain.replica("web1")
    domain.add("www.test.example", ["web1"])
    import_leaf(domain, ca.leaf("short.test.example", (-80, 5)), tmp_path, "--access", "web1")
    wait_for(lambda: domain.json("status")["health"]["red"] == 1, 20, "the red one to be seen")
    health = domain.json("status")["health"]
    assert health["worst"][0]["cert"] == "short.test.example"
    codes = [r["code"] for r in health["worst"][0]["reasons"]]
    assert codes[0] == "expiring" and "incomplete" in codes
    text = domain.cli("status").out
    assert "red     short.test.example: the certificate runs out on" in text
    runway = domain.json("status")["runway"]
    assert "'short.test.example'" in runway["because"]
    assert {e["kind"] for e in runway["ends"]} >= {"certificate", "ca", "identity", "manager"}
    # What this server renews by itself is nobody's work.
    assert "'short.test.example'" in runway["with_manager"]["because"]
    listed = {c["name"]: c["health"]["grade"] for c in domain.json("cert", "list")["certs"]}
    assert listed["short.test.example"] == "red"
    table = domain.cli("cert", "list").out
    assert "HEALTH" in table and "red" in table
    domain.cli("cert", "archive", "short.test.example")
    wait_for(lambda: domain.json("status")["health"]["red"] == 0, 20, "it to be forgotten")


WEAK = {
    "sha1": ("weak-hash", "yellow", lambda: ec.generate_private_key(ec.SECP256R1()), hashes.SHA1),
    "md5": ("broken-hash", "red", lambda: rsa.generate_private_key(65537, 2048), hashes.MD5),
    "rsa-1024": ("weak-key", "red", lambda: rsa.generate_private_key(65537, 1024), hashes.SHA256),
    "curve": ("weak-key", "red", lambda: ec.generate_private_key(ec.SECP256K1()), hashes.SHA256),
}


def test_weak_algorithms(domain, ca, tmp_path):
    """SHA-1, MD5, RSA below 2048 bits and other curves, in the issuer of what was imported."""
    for name, (code, grade, make, digest) in WEAK.items():
        key, leaf_key = make(), ec.generate_private_key(ec.SECP256R1())
        issuer = ca.sign(name, key, ca.root, ca.root_key, ca=True, days=(-90, 900))
        leaf = Leaf(ca.sign(f"{name}.test.example", leaf_key, issuer, key, digest=digest), issuer,
                    leaf_key)
        import_leaf(domain, leaf, tmp_path)

        def seen(name=name, code=code):
            shown = domain.json("cert", "show", f"{name}.test.example")["health"]
            return [r["grade"] for r in shown["reasons"] if r["code"] == code]

        assert wait_for(seen, 15, f"{name} to be judged") == [grade], name


def test_not_served(domain):
    """A node that should serve it and does not is named, once it had its moment."""
    web1 = domain.replica("web1")
    domain.add("www.test.example", ["web1"])
    web1.stop()
    domain.cli("cert", "add", "new.test.example", "--access", "web1", "--no-wait")

    def seen():
        reasons = domain.json("cert", "show", "new.test.example")["health"]["reasons"]
        return [r for r in reasons if r["code"] == "not-served" and "web1" in r["text"]]

    wait_for(seen, 45, "web1 not to serve it")
    assert "health        red" in domain.cli("cert", "show", "new.test.example").out
    web1.start()
    domain.wait_served("web1", "new.test.example")
    wait_for(lambda: not seen(), 10, "web1 to serve it")
