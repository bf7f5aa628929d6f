"""Foreign files through every command that takes one: each is refused with a text that names it,
nothing changes, and the next good one is taken all the same."""

import base64
import datetime
import pathlib
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.x509.oid import NameOID
from records import openssl

DATA = pathlib.Path(__file__).resolve().parents[1] / "data/lift"
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
WAITS, PASSWORD = "waits.test.example", "correct horse battery"
MIB = 1024 * 1024


def cert(key, ca=False, names=("old.test.example",)):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "old")])
    now = datetime.datetime.utcnow()
    return (x509.CertificateBuilder(name, name, key.public_key(), 5, now - datetime.timedelta(1),
                                    now + datetime.timedelta(90))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]),
                           critical=False).sign(key, hashes.SHA256()))


def pkcs8(key, encoding=PEM):
    return key.private_bytes(encoding, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


KEY = ec.generate_private_key(ec.SECP256R1())
LEAF = cert(KEY)
GOOD = pkcs8(KEY) + LEAF.public_bytes(PEM)


def block(label, der):
    return (b"-----BEGIN " + label + b"-----\n" + base64.encodebytes(der) + b"-----END " + label
            + b"-----\n")


def p12(*more):
    return openssl("pkcs12", "-export", "-passout", f"pass:{PASSWORD}", *more, stdin=GOOD).stdout


def nested(depth, tag=b"\x30\x80"):
    return tag * depth


# What is in no file that a command takes: not key with certificate, not an answer, not a root.
HOSTILE = {
    "empty": lambda: b"",
    "blanks": lambda: b" " * 4096,
    "zeros": lambda: bytes(4096),
    "ones": lambda: b"\xff" * 4096,
    "every byte": lambda: bytes(range(256)) * 16,
    "text": lambda: b"Dear customer, your certificate is ready.\n",
    "a page of HTML": lambda: b"<html><body>403 Forbidden</body></html>\n",
    "begin without end": lambda: b"-----BEGIN CERTIFICATE-----\nMIIB\n",
    "end without begin": lambda: b"MIIB\n-----END CERTIFICATE-----\n",
    "nothing between": lambda: b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "no base64": lambda: b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    "ten thousand begins": lambda: b"-----BEGIN CERTIFICATE-----\n" * 10000,
    "one line of 3 MiB": lambda: b"-----BEGIN CERTIFICATE-----\n" + b"A" * 3 * MIB,
    "nested without length": lambda: nested(200000),
    "nested with length": lambda: b"\x30\x84\x7f\xff\xff\xff" * 100000,
    "nested in PEM": lambda: block(b"CERTIFICATE", nested(100000)),
    "nested strings": lambda: b"\x30\x80\x24\x80" + b"\x24\x80" * 100000,
    "longer than it is": lambda: b"\x30\x84\xff\xff\xff\xff\x02\x01\x03",
    "a length of nine bytes": lambda: b"\x30\x89" + b"\xff" * 9,
    "PKCS#12 without content": lambda: bytes.fromhex("3005020103" "3000"),
    "PKCS#12 cut": lambda: p12()[:-40],
    "PKCS#12 changed": lambda: bytes(b ^ (i == 300) for i, b in enumerate(p12())),
    "certificate cut": lambda: LEAF.public_bytes(DER)[:-7],
    "certificate with more behind": lambda: LEAF.public_bytes(DER) + b"\x00\x00",
    "certificate under a key's name": lambda: block(b"PRIVATE KEY", nested(3)),
    "X25519": lambda: pkcs8(x25519.X25519PrivateKey.generate()),
    "DSA": lambda: (DATA / "dsa_private_key.pem").read_bytes(),
    "RSA-PSS": lambda: (DATA / "rsa_pss_2048.pem").read_bytes(),
    "secp256k1": lambda: pkcs8(ec.generate_private_key(ec.SECP256K1())),
    "RSA of 1024 bits": lambda: pkcs8(rsa.generate_private_key(65537, 1024)),
    "explicit curve": lambda: openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout",
                                      "-param_enc", "explicit").stdout,
    "unknown encryption": lambda: (DATA / "bad-encryption-oid.pem").read_bytes(),
    "enveloped": lambda: (DATA / "enveloped.pem").read_bytes(),
    "Java key store": lambda: b"\xfe\xed\xfe\xed\x00\x00\x00\x02" + bytes(64),
    "zip": lambda: b"PK\x03\x04" + bytes(64),
    "OpenSSH": lambda: KEY.private_bytes(PEM, serialization.PrivateFormat.OpenSSH,
                                         serialization.NoEncryption()),
    "a key alone": lambda: pkcs8(KEY),
    "ten million rounds and one": lambda: rounds(10000001),
    "rounds without end": lambda: rounds(2 ** 63),
    "no rounds": lambda: rounds(0),
}


def tlv(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")) + body


def rounds(count):
    """A key under a password that asks for so much work."""
    oid = lambda text: tlv(6, bytes.fromhex(text))
    number = tlv(2, count.to_bytes(count.bit_length() // 8 + 1, "big"))
    kdf = tlv(0x30, oid("2a864886f70d01050c"), tlv(0x30, tlv(4, b"saltsalt"), number))
    cipher = tlv(0x30, oid("60864801650304012a"), tlv(4, bytes(16)))
    return tlv(0x30, tlv(0x30, oid("2a864886f70d01050d"), tlv(0x30, kdf, cipher)), tlv(4, bytes(32)))


@pytest.fixture
def world(domain, tmp_path):
    domain.cli("cert", "add", WAITS, "--issuer", "manual", "--access", "")
    (tmp_path / "password").write_text(PASSWORD + "\n")
    return domain


def state(domain):
    return (domain.json("status")["seq"], domain.json("cert", "list"), domain.json("trust", "list"),
            domain.json("cert", "show", WAITS))


def test_every_hostile_file(world, tmp_path):
    before = state(world)
    folder = tmp_path / "files"
    folder.mkdir()
    for i, (what, make) in enumerate(HOSTILE.items()):
        file = folder / f"f{i}"
        file.write_bytes(make())
        for words in (("cert", "import", file, "--access", "", "--password-file",
                       tmp_path / "password"),
                      ("cert", "paste", WAITS, file), ("trust", "add", file)):
            answer = world.cli(*words, status=None)
            said = answer.out + answer.err
            assert answer.status in (1, 2), (what, words, answer)
            assert f"f{i}" in said, (what, said)
            assert "signal" not in said and "reader" not in said and " bug" not in said, (what, said)
            assert all(c >= " " or c == "\n" for c in said), what
    # All of them together are a batch, in which each has its result, and the good one is taken.
    assert state(world) == before
    (folder / "good.pem").write_bytes(GOOD)
    batch = world.cli("cert", "import", folder, "--access", "", "--json", "--password-file",
                      tmp_path / "password", status=1).json
    assert batch["imported"] == 1 and batch["failed"] >= len(HOSTILE) - 1, batch
    assert {r["file"] for r in batch["results"]} == {str(f) for f in folder.iterdir()}
    assert all(r["result"] == "imported" or r["error"]["text"] for r in batch["results"])


def test_cut_anywhere(world, tmp_path):
    """A PKCS#12 file and a PEM bundle that end too early, wherever that is."""
    whole = {"p12": p12(), "pem": GOOD}
    before = state(world)
    folder = tmp_path / "cuts"
    folder.mkdir()
    for ending, data in whole.items():
        for n in range(0, len(data) - 2, 37):
            (folder / f"c{n}{ending}.{ending}").write_bytes(data[:n])
    batch = world.cli("cert", "import", folder, "--access", "", "--json", "--password-file",
                      tmp_path / "password", status=1).json
    assert batch["imported"] == batch["unchanged"] == 0
    assert len(batch["results"]) >= len(list(folder.iterdir()))
    assert state(world) == before


def test_too_large(world, tmp_path):
    """By size, by count of blocks, by count of keys, and files that never end."""
    before = state(world)
    large = tmp_path / "large"
    with large.open("wb") as out:
        out.truncate(5 * MIB)
    keys = tmp_path / "keys"
    keys.write_bytes(b"".join(pkcs8(ec.generate_private_key(ec.SECP256R1())) for _ in range(200)))
    certs = tmp_path / "certs"
    certs.write_bytes(b"".join(cert(ec.generate_private_key(ec.SECP256R1())).public_bytes(PEM)
                               for _ in range(1100)))
    for file in (large, keys, certs, pathlib.Path("/dev/zero")):
        for words in (("cert", "import", file, "--access", ""), ("cert", "paste", WAITS, file)):
            answer = world.cli(*words, status=None)
            assert answer.status in (1, 2) and len(answer.err) > 20, answer
            assert state(world)[0] == before[0]
    assert "4194304" in world.cli("cert", "import", large, status=1).err
    assert state(world) == before


WRONG = {
    # what is tried, with which password: what must be said, and what must not
    "wrong password, PKCS#8": (lambda: locked("-v2", "aes-256-cbc"), "wrong", "does not open it"),
    "wrong password, PKCS#12": (p12, "wrong", "does not open it"),
    "no password": (p12, None, "protected by a password"),
    "too much work": (lambda: rounds(10000001), PASSWORD, "10000001 rounds"),
    # Ten million rounds, the slowest kind: a machine that does them in 5 s opens it.
    "too long": (lambda: locked("-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512", "-iter",
                                "10000000"), PASSWORD, ("5 s", "certificate of this key")),
    "unsupported algorithm": (lambda: (DATA / "bad-encryption-oid.pem").read_bytes(), PASSWORD, ""),
}


def locked(*how):
    return openssl("pkcs8", "-topk8", *how, "-passout", f"pass:{PASSWORD}", stdin=pkcs8(KEY)).stdout


@pytest.mark.parametrize("what", WRONG)
def test_password_or_algorithm(world, tmp_path, what):
    """A wrong password is told apart from one that is missing, from work that is too much, and
    from an algorithm that is not known."""
    make, password, says = WRONG[what]
    file = tmp_path / "file"
    file.write_bytes(make())
    words = []
    if password is not None:
        (tmp_path / "word").write_text(password + "\n")
        words = ["--password-file", tmp_path / "word"]
    refused = world.cli("cert", "import", file, "--access", "", *words, status=None)
    told = says if isinstance(says, tuple) else (says,)
    assert refused.status in (1, 2) and any(t in refused.err for t in told), refused
    assert ("does not open" in refused.err) == what.startswith("wrong"), refused


def test_key_rings(world, tmp_path):
    """A binary key ring and its stash are known by name and content, with the three ways in; the
    text that its tool prints is read."""
    for name in ("keyfile.kyr", "KEYFILE.STH"):
        file = tmp_path / name
        file.write_bytes(b"\x01\x02\x03\xf5 ring")
        said = world.cli("cert", "import", file, status=1).err
        for way in (name, "(1)", "kyrtool show keys", "(2)", "exportable", "(3)",
                    "certmgr -importkyr", "delete them"):
            assert way in said, (way, said)
    shown = (b"Using keyring path 'C:\\keyfile.kyr'\r\nKey 1\r\n" + pkcs8(KEY) + b"END of keys\r\n"
             b"Certificate #0\r\n  Subject: CN=old\r\n" + LEAF.public_bytes(PEM))
    (tmp_path / "shown.txt").write_bytes(shown)
    done = world.cli("cert", "import", tmp_path / "shown.txt", "--access", "", "--json").json
    assert [r["name"] for r in done["results"]] == ["old.test.example"]


def test_java_key_store(world, tmp_path):
    """It is explained with the command that converts it, and that command's result is taken."""
    store, made = tmp_path / "java.jks", tmp_path / "java.jks.p12"
    keytool = ["keytool", "-J-XX:TieredStopAtLevel=1"]
    try:
        subprocess.run([*keytool, "-genkeypair", "-keystore", store, "-storetype", "JKS", "-storepass",
                        "changeit", "-keypass", "changeit", "-alias", "one", "-keyalg", "EC",
                        "-dname", "CN=java.test.example", "-ext", "SAN=dns:java.test.example"],
                       check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("keytool is not installed")
    refused = world.cli("cert", "import", store, "--access", "", status=1).err
    command = refused[refused.index("keytool -importkeystore"):].splitlines()[0].split()
    assert str(store) in command and str(made) in command, command
    subprocess.run([*keytool, *command[1:], "-srcstorepass", "changeit", "-deststorepass",
                    "changeit", "-noprompt"], check=True, capture_output=True)
    (tmp_path / "word").write_text("changeit\n")
    done = world.cli("cert", "import", made, "--access", "", "--password-file", tmp_path / "word",
                     "--json").json
    assert [r["name"] for r in done["results"]] == ["java.test.example"]
