"""Keys and certificates that were made elsewhere: by openssl, keytool, pk12util and Python's
cryptography, brought in by `cert import` (S001-3 to S001-8)."""

import datetime
import json
import os
import pathlib
import secrets
import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID
from process import program, wait_for
from records import openssl

NAME = "shop.test.example"
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
PASSWORD = "correct horse battery"
UMLAUTS = "käse und größeres brot"


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Ca:
    """A root and an issuer below it, which nobody here knows."""

    def __init__(self):
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self.issue("Old Root", self.root_key, ca=True, signer=(None, self.root_key))
        self.cert = self.issue("Old Issuer", self.key, ca=True, signer=(self.root, self.root_key))

    def issue(self, name, key, ca=False, signer=None, days=(-1, 90), names=None):
        issuer, issuer_key = signer or (self.cert, self.key)
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder(
            issuer.subject if issuer else name_of(name), name_of(name), key.public_key(),
            x509.random_serial_number(), now + datetime.timedelta(days[0]),
            now + datetime.timedelta(days[1])).add_extension(
            x509.BasicConstraints(ca, None), critical=True)
        if not ca:
            builder = builder.add_extension(x509.SubjectAlternativeName(
                [x509.DNSName(n) for n in names or [name]]), critical=False)
        algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        return builder.sign(issuer_key, algorithm)


@pytest.fixture(scope="module")
def ca():
    return Ca()


def pem(*things):
    return b"".join(t.public_bytes(PEM) for t in things)


def key_pem(key, password=None):
    how = (serialization.BestAvailableEncryption(password.encode()) if password
           else serialization.NoEncryption())
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, how)


class Made:
    """One key and its leaf, as files in a folder."""

    def __init__(self, ca, folder, name=NAME, key=None, **more):
        self.folder, self.name = pathlib.Path(folder), name
        self.folder.mkdir(exist_ok=True)
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.leaf = ca.issue(name, self.key, **more)
        self.chain = [self.leaf, ca.cert]

    def file(self, name, *contents):
        path = self.folder / name
        path.write_bytes(b"".join(contents))
        return path

    def bundle(self, name="bundle.pem"):
        return self.file(name, key_pem(self.key), pem(*self.chain))

    @property
    def fingerprint(self):
        return self.leaf.fingerprint(hashes.SHA256()).hex()


def results(domain, *words, status=0):
    return domain.cli("cert", "import", *words, "--json", status=status).json


def secret_file(folder, text=PASSWORD, name="password"):
    path = folder / name
    path.write_text(text + "\n")
    return path


def test_served_after_import(pair, ca, tmp_path):
    """One command, and a node with access serves it, with its issuer and without the root."""
    made = Made(ca, tmp_path / "old")
    made.chain.append(ca.root)
    file = made.bundle()
    said = pair.cli("cert", "import", file, "--access", "web1").out
    assert f"imported: {NAME}, generation 1" in said and str(file) in said
    assert "a root is in the files, and not trusted" in said and "CN=Old Root" in said
    assert "left as it is, with its private key" in said and file.exists()
    pair.wait_served("web1", NAME, made.fingerprint)
    assert not pair.fetch("web2", NAME).ok
    shown = pair.json("cert", "show", NAME)
    assert (shown["issuer"], shown["state"], shown["key_type"]) == ("imported", "issued", "ec-p256")
    pair.cli("cert", "access", NAME, "--add", "web2")
    pair.wait_served("web2", NAME, made.fingerprint)


def test_access_before_or_after(pair, ca, tmp_path):
    """Without --access it is the domain's default; both orders end in the same (S001-8)."""
    pair.cli("default-access", "set", "web2")
    made = Made(ca, tmp_path / "a")
    pair.cli("cert", "import", made.bundle())
    pair.wait_served("web2", NAME, made.fingerprint)
    other = Made(ca, tmp_path / "b", "other.test.example")
    out = pair.cli("cert", "import", other.bundle(), "--access", "").out
    assert "no server may open it" in out
    pair.cli("cert", "access", other.name, "--add", "web1")
    pair.wait_served("web1", other.name, other.fingerprint)


DATA = pathlib.Path(__file__).resolve().parents[1] / "data/lift"


def stored_key(name):
    return serialization.load_pem_private_key((DATA / name).read_bytes(), None)


KEYS = {
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-3072": lambda: rsa.generate_private_key(65537, 3072),
    "rsa-4096": lambda: rsa.generate_private_key(65537, 4096),
    "rsa-8192": lambda: stored_key("rsa-8192.key"),
    "ec-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ec-p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


def test_key_types(pair, ca, tmp_path):
    """Taken, and served: the handshake is one by that key."""
    for kind, make in KEYS.items():
        made = Made(ca, tmp_path, f"{kind}.test.example", make())
        result = results(pair, made.bundle(f"{kind}.pem"), "--access", "web1")["results"][0]
        assert (result["result"], result["name"]) == ("imported", made.name)
        assert pair.json("cert", "show", made.name)["key_type"] == kind
        pair.wait_served("web1", made.name, made.fingerprint)


def test_weak_keys_are_warned_of(domain, ca, tmp_path):
    """Two primes that lie close together: anybody can find them."""
    def next_prime(n):
        n |= 1
        while pow(3, n - 1, n) != 1 or pow(7, n - 1, n) != 1:
            n += 2
        return n

    p = next_prime(secrets.randbits(1022) | 3 << 1022)
    q = next_prime(p + 2)
    d = pow(65537, -1, (p - 1) * (q - 1))
    key = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p),
                                rsa.RSAPublicNumbers(65537, p * q)).private_key()
    made = Made(ca, tmp_path / "weak", key=key)
    said = results(domain, made.bundle(), "--access", "")["results"][0]
    assert any("RSA of close primes" in w for w in said["warnings"]), said

    def reasons():
        return [r["code"] for r in domain.json("cert", "show", NAME)["health"]["reasons"]]

    # Chains are judged behind the import, some at a time.
    wait_for(lambda: "weak-key" in reasons(), 20, "a word about the key")


def test_key_types_that_are_not_taken(domain, ca, tmp_path):
    """Too small, too large, curves and kinds that TLS servers do not have: each by its name."""
    seq = domain.json("status")["seq"]
    for make, says in (
            (lambda: rsa.generate_private_key(65537, 1024), "RSA key of 1024 bits"),
            (lambda: ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
            (lambda: ec.generate_private_key(ec.SECP224R1()), "secp224r1"),
            (lambda: ec.generate_private_key(ec.BrainpoolP256R1()), "brainpoolP256r1"),
            (ed448.Ed448PrivateKey.generate, "ED448"),
            (lambda: dsa.generate_private_key(2048), "DSA"),
            (None, "PSS")):
        file = tmp_path / "key.pem"
        file.write_bytes(key_pem(make()) if make else (DATA / "rsa_pss_2048.pem").read_bytes())
        refused = domain.cli("cert", "import", file, "--access", "", status=None)
        assert refused.status in (1, 2) and says in refused.err, (says, refused)
    assert domain.json("status")["seq"] == seq


def p12_openssl(m, password, *more):
    return openssl("pkcs12", "-export", "-in", str(m.bundle()), "-passout", f"pass:{password}",
                   *more).stdout


FORMS = {
    "chain first": lambda m: pem(*m.chain) + key_pem(m.key),
    "text around": lambda m: b"From: ca\n\n" + key_pem(m.key) + b"\nthanks\n" + pem(*m.chain),
    "SEC 1": lambda m: m.key.private_bytes(
        PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
        + pem(*m.chain),
    "PKCS#8 under a password": lambda m: key_pem(m.key, PASSWORD) + pem(*m.chain),
    "traditional under a password": lambda m: m.key.private_bytes(
        PEM, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(PASSWORD.encode())) + pem(*m.chain),
    "PKCS#12": lambda m: p12_openssl(m, PASSWORD),
    "PKCS#12, RC2 and 3DES": lambda m: p12_openssl(m, PASSWORD, "-legacy"),
    "PKCS#12 without integrity code": lambda m: p12_openssl(m, PASSWORD, "-nomac"),
    "PKCS#12, a password beyond ASCII": lambda m: p12_openssl(m, UMLAUTS),
    "PKCS#12, RC2 and 3DES, beyond ASCII": lambda m: p12_openssl(m, UMLAUTS, "-legacy"),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(domain, ca, tmp_path, form):
    made = Made(ca, tmp_path / "made")
    file = made.file("foreign", FORMS[form](made))
    result = results(domain, file, "--access", "", "--password-file", secret_file(tmp_path),
                     "--password-file", secret_file(tmp_path, UMLAUTS, "umlauts"))
    assert [r["fingerprint"] for r in result["results"]] == [made.fingerprint], result
    assert result["imported"] == 1
    assert domain.cli("cert", "show", NAME, "--chain").out.count("BEGIN") == 2


def test_several_files(domain, ca, tmp_path):
    """A key here, its leaf there, the issuer in DER in a third: looked at together."""
    made = Made(ca, tmp_path / "made")
    files = (made.file("a", ca.cert.public_bytes(DER)), made.file("b", pem(made.leaf)),
             made.file("c", key_pem(made.key)))
    assert results(domain, *files, "--access", "")["imported"] == 1
    assert domain.cli("cert", "show", NAME, "--chain").out.count("BEGIN") == 2


@pytest.mark.skipif(shutil.which("keytool") is None, reason="keytool is not installed")
def test_keytool(domain, tmp_path):
    store = tmp_path / "java.p12"
    for alias in ("one", "two"):
        subprocess.run(["keytool", "-genkeypair", "-keystore", store, "-storetype", "PKCS12",
                        "-storepass", PASSWORD, "-alias", alias, "-keyalg", "EC", "-dname",
                        f"CN={alias}.test.example", "-ext", f"SAN=dns:{alias}.test.example"],
                       check=True, capture_output=True)
    words = (store, "--access", "", "--password-file", secret_file(tmp_path))
    refused = domain.cli("cert", "import", *words, status=2)
    assert "there are 2 keys" in refused.err and "--key N" in refused.err
    assert "one.test.example" in refused.out and "two.test.example" in refused.out
    assert domain.json("cert", "list")["certs"] == []
    chosen = results(domain, *words, "--key", "2")["results"]
    assert [r["name"] for r in chosen] == ["two.test.example"]
    both = results(domain, *words, "--all")
    assert (both["imported"], both["unchanged"]) == (1, 1)


@pytest.mark.skipif(shutil.which("pk12util") is None, reason="pk12util is not installed")
def test_pk12util(domain, ca, tmp_path):
    made = Made(ca, tmp_path / "made")
    first, db, out = made.file("a.p12", p12_openssl(made, PASSWORD)), tmp_path / "db", tmp_path / "b.p12"
    db.mkdir()
    for command in (["certutil", "-N", "-d", db, "--empty-password"],
                    ["pk12util", "-i", first, "-d", db, "-W", PASSWORD],
                    ["pk12util", "-o", out, "-d", db, "-W", PASSWORD, "-n", NAME]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "-n" in command and done.returncode != 0:  # its nickname is the subject's
            listed = subprocess.run(["certutil", "-L", "-d", db], capture_output=True, text=True,
                                    check=True).stdout
            nickname = next(line for line in listed.splitlines() if "u,u,u" in line).rsplit(None, 1)[0]
            done = subprocess.run([*command[:-1], nickname], capture_output=True, text=True,
                                  check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    result = results(domain, out, "--access", "", "--password-file", secret_file(tmp_path))
    assert [r["fingerprint"] for r in result["results"]] == [made.fingerprint]


def test_same_again(domain, ca, tmp_path):
    """What is here is recognised; another certificate of that name wants --replace or --name."""
    made = Made(ca, tmp_path / "made")
    file = made.bundle()
    assert results(domain, file, "--access", "")["imported"] == 1
    seq = domain.json("status")["seq"]
    again = results(domain, file, "--access", "")
    assert (again["imported"], again["unchanged"]) == (0, 1)
    assert again["results"][0].get("warnings", []) == []
    said = domain.cli("cert", "import", file, "--access", "@managers").out
    assert "unchanged" in said and "access of 'shop.test.example' stays as it is" in said
    assert "nobody" in domain.cli("cert", "import", file, "--access", "nobody", status=None).err
    other = Made(ca, tmp_path / "other")
    refused = domain.cli("cert", "import", other.bundle(), status=1)
    assert "--replace" in refused.err and "--name" in refused.err
    assert domain.json("status")["seq"] == seq
    replaced = results(domain, other.folder / "bundle.pem", "--replace")["results"][0]
    assert (replaced["result"], replaced["generation"]) == ("imported", 2)
    assert domain.json("cert", "show", NAME)["fingerprint"] == other.fingerprint
    older = results(domain, file, "--replace")["results"][0]
    assert older["result"] == "unchanged" and "cert activate shop.test.example 1" in older["warnings"][0]
    assert "was imported" in domain.cli("cert", "csr", NAME, status=None).err
    named = results(domain, file, "--access", "", "--name", "second")["results"][0]
    assert (named["result"], named["name"]) == ("imported", "second")
    domain.cli("cert", "add", "micro.test.example", "--access", "")
    micro = Made(ca, tmp_path / "micro", "micro.test.example")
    assert "its issuer 'micro'" in domain.cli(
        "cert", "import", micro.bundle(), "--replace", status=2).err


def test_refusals(domain, ca, tmp_path):
    """Each says what is wrong with which file, and nothing is changed."""
    made, other = Made(ca, tmp_path / "made"), Made(ca, tmp_path / "other", "x.test.example")
    seq = domain.json("status")["seq"]
    password = secret_file(tmp_path)
    wrong = secret_file(tmp_path, "not this one", "wrong")
    locked = made.file("locked.pem", key_pem(made.key, PASSWORD), pem(*made.chain))
    cases = [
        ([made.file("k.pem", key_pem(made.key))], "certificate of this key is not here"),
        ([made.file("c.pem", pem(*made.chain))], "no private key in it"),
        ([made.file("mixed.pem", key_pem(made.key), pem(other.leaf))], "is not here"),
        ([made.file("ca.pem", key_pem(ca.key), pem(ca.cert))], "one of a CA"),
        ([made.file("cut.pem", key_pem(made.key)[:-40], pem(*made.chain))], "cut.pem"),
        ([made.file("empty.pem")], "empty.pem"),
        ([made.file("java.jks", b"\xfe\xed\xfe\xed" + bytes(60))], "keytool"),
        ([locked], "password"),
        ([locked, "--password-file", wrong], "password"),
        ([made.folder / "none.pem"], "none.pem"),
        ([made.bundle(), "--key", "2"], "--key"),
        ([made.bundle(), "--root", "00" * 32], "root"),
        ([made.bundle(), "--root", "zz"], "--root"),
        ([made.bundle(), "--access", "nobody"], "nobody"),
        ([made.bundle(), "--name", "a b"], "name of a credential"),
    ]
    for words, text in cases:
        refused = domain.cli("cert", "import", *words, status=None)
        assert refused.status in (1, 2) and text in refused.err, (words, refused)
    assert "none of" not in domain.cli("cert", "import", locked, status=1).err
    assert "does not open it" in domain.cli("cert", "import", locked, "--password-file", wrong, status=1).err
    # A long line in JSON is one result that failed.
    failed = results(domain, made.folder / "k.pem", status=1)
    assert failed["failed"] == 1 and failed["results"][0]["error"]["code"] == "not-found"
    assert domain.json("status")["seq"] == seq
    assert results(domain, locked, "--access", "", "--password-file", password)["imported"] == 1


def test_folder_with_strangers(domain, ca, tmp_path):
    """What is locked or foreign keeps nobody from what lies beside it; what is damaged does, since it
    may be a chain. Named files are all or nothing."""
    folder = tmp_path / "folder"
    made = Made(ca, folder)
    made.file("a.key", key_pem(made.key))
    made.file("a.crt", pem(*made.chain))
    made.file("store.jks", b"\xfe\xed\xfe\xed" + bytes(60))
    made.file("locked.key", key_pem(ec.generate_private_key(ec.SECP256R1()), PASSWORD))
    cut = made.file("cut.pem", pem(ca.cert)[:-40])
    named = sorted(p for p in folder.iterdir() if p != cut)
    assert results(domain, *named, "--access", "", status=1)["imported"] == 0
    assert results(domain, folder, "--access", "", status=1)["imported"] == 0
    cut.unlink()
    done = results(domain, folder, "--access", "", status=1)
    assert (done["imported"], done["failed"]) == (1, 2)
    failed = {pathlib.Path(r["file"]).name: r["error"] for r in done["results"] if "error" in r}
    assert failed["store.jks"]["code"] == "unavailable" and failed["locked.key"]["code"] == "denied"
    assert f"-srckeystore {folder}/store.jks" in failed["store.jks"]["text"]


def test_choice_for_programs(domain, ca, tmp_path):
    """Which keys there are is said to a program, too."""
    one, two = (Made(ca, tmp_path / n, f"{n}.test.example") for n in ("one", "two"))
    both = one.file("both.pem", key_pem(one.key), key_pem(two.key), pem(two.leaf, one.leaf))
    listed = results(domain, both, status=2)
    assert [(k["key"], k["names"]) for k in listed["keys"]] == [
        (1, "one.test.example"), (2, "two.test.example")]
    assert listed["results"] == [] and listed["imported"] == 0
    taken = results(domain, both, "--access", "", "--key", "2")["results"]
    assert [r["name"] for r in taken] == ["two.test.example"]


def test_times_are_warned_of(domain, ca, tmp_path):
    for days, word in (((-30, -1), "expired"), ((5, 10), "not valid")):
        made = Made(ca, tmp_path / word.split()[0], f"{word.split()[0]}.test.example", days=days)
        said = results(domain, made.bundle(), "--access", "")["results"][0]
        assert any("ran out" in w or "valid only from" in w for w in said["warnings"]), said


def test_watch_tells_of_the_clock(domain, ca, tmp_path):
    """Nobody does anything, and whoever watches hears that it is due, and that it has run out."""
    made = Made(ca, tmp_path / "made", days=(0, 12 / 86400))
    with subprocess.Popen(["timeout", "60", program("certherd"), "watch", "--json", "--data",
                           domain.data], stdout=subprocess.PIPE, text=True) as watch:
        events = (json.loads(line) for line in watch.stdout if line.strip())
        assert next(events)["event"] == "begin"
        results(domain, made.bundle(), "--access", "")
        told = []
        while len(told) < 2:
            event = next(events)
            if event["event"] == "clock":
                told += [(r["name"], r["was"], r["state"]) for r in event["records"]]
        watch.terminate()
    assert told == [(NAME, "issued", "renewal-due"), (NAME, "renewal-due", "expired")]


def test_names_that_cannot_be_served(domain, ca, tmp_path):
    """What is left out of a certificate's names is said; one without any needs another name."""
    made = Made(ca, tmp_path / "odd", names=["a_b.test.example", "good.test.example", "f*.test.example"])
    said = results(domain, made.bundle(), "--access", "")["results"][0]
    assert said["name"] == "good.test.example"
    assert any("a_b.test.example, f*.test.example" in w for w in said["warnings"]), said
    made = Made(ca, tmp_path / "none", names=["a_b.test.example"])
    refused = domain.cli("cert", "import", made.bundle(), "--access", "", status=2).err
    assert "--name" in refused and "none" in refused
    said = results(domain, made.bundle(), "--access", "", "--name", "none")["results"][0]
    assert any("no alternative name" in w for w in said["warnings"]), said


def test_directory(domain, ca, tmp_path):
    """Many in one command: by the name before the dot, or a folder for each as ACME clients keep
    them; what is damaged is said, and the rest is there. Repeated, only the rest is done."""
    sites = tmp_path / "sites"
    for i in range(20):
        made = Made(ca, sites, f"n{i}.test.example")
        made.file(f"n{i}.key", key_pem(made.key))
        made.file(f"n{i}.crt", pem(*made.chain))
    live = tmp_path / "live"
    live.mkdir()
    for i in range(3):
        made = Made(ca, live / f"l{i}", f"l{i}.test.example")
        made.file("privkey.pem", key_pem(made.key))
        made.file("fullchain.pem", pem(*made.chain))
        made.file("README", b"This directory contains your keys and certificates.\n")
    (sites / "n7.key").write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    done = results(domain, sites, live, "--access", "", status=1)
    assert (done["imported"], done["failed"]) == (22, 1), done
    failed = [r for r in done["results"] if r["result"] == "failed"]
    assert "n7" in failed[0]["file"] and "n7.key" in failed[0]["error"]["text"]
    made = Made(ca, sites, "n7.test.example")
    made.file("n7.key", key_pem(made.key))
    made.file("n7.crt", pem(*made.chain))
    again = domain.cli("cert", "import", sites, live, "--access", "").out
    assert "1 imported, 22 unchanged, 0 failed" in again
    assert "23 files are left as they are" in again
    assert domain.json("cert", "list")["certs"].__len__() == 23


def test_killed_in_the_middle(domain, ca, tmp_path):
    """What was done before is recognised when the command is repeated."""
    sites, count = tmp_path / "sites", 300
    key = ec.generate_private_key(ec.SECP256R1())
    for i in range(count):
        made = Made(ca, sites, f"n{i}.test.example", key)
        made.bundle(f"n{i}.pem")
    with subprocess.Popen([program("certherd"), "cert", "import", sites, "--access", "", "--data",
                           domain.data], stdout=subprocess.PIPE, cwd=tmp_path,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}) as running:
        wait_for(lambda: domain.json("cert", "list")["certs"], 60, "a first import")
        running.kill()
    done = results(domain, sites, "--access", "")
    assert done["unchanged"] > 0 and done["imported"] + done["unchanged"] == count
    assert done["failed"] == 0


def test_no_key_reaches_the_server(domain, ca, tmp_path):
    """Neither the request nor the store has it in clear."""
    made = Made(ca, tmp_path / "made")
    number = made.key.private_numbers().private_value.to_bytes(32, "big")
    results(domain, made.bundle(), "--access", "")
    for path in domain.data.rglob("*"):
        if path.is_file():
            assert number not in path.read_bytes(), path


def test_reader_has_limits(domain, ca, tmp_path):
    """A set that ends its reader is refused, and the next one is read by another."""
    made = Made(ca, tmp_path / "made")
    words = [program("certherd"), "--read-foreign"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "reader of foreign files" in done.stderr
    assert results(domain, made.bundle(), "--access", "")["imported"] == 1
