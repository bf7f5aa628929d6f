"""Files of formats that nobody here made: what openssl, certtool, pk12util, keytool and Python's
cryptography-vectors bring is read, and what is written here is opened by all of them."""

import hashlib
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import zipfile

import pytest

import process

PASSWORD = "k\u00e4se und brot"
ASCII = "cheese and bread"  # Java takes nothing else with PBES2
VECTORS = "cryptography-vectors==38.0.4"


def need(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def run(*args, cwd=None, stdin="", fail=False, env=None):
    answer = subprocess.run([str(a) for a in args], cwd=cwd, input=stdin.encode(), timeout=120,
                            capture_output=True, check=False,
                            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
    output = (answer.stdout + answer.stderr).decode(errors="replace")
    assert (answer.returncode != 0) == fail, f"{args}: {answer.returncode}\n{output}"
    return answer.stdout.decode(errors="replace")


def tool(*args, passwords=(), fail=False, env=None):
    return run(process.build_dir() / "tests/support/formats", *args,
               stdin="".join(p + "\n" for p in passwords), fail=fail, env=env)


class Item:
    def __init__(self, line):
        (self.kind, self.place, self.hash, self.pair, self.role, self.locked, self.why,
         self.text) = line.split("\t")


def lift(*files, passwords=(), env=None):
    return [Item(line) for line in tool("lift", *files, passwords=passwords,
                                        env=env).splitlines()]


def lift_each(files, passwords=()):
    """Each file by itself, in one process: {file: items}."""
    found = {f: [] for f in files}
    for line in tool("each", *files, passwords=passwords).splitlines():
        name, _, rest = line.partition("\t")
        found[pathlib.Path(name)].append(Item(rest))
    return found


def kinds(items):
    return "".join({"key": "k", "certificate": "c", "request": "r", "revocation-list": "l",
                    "problem": "!"}[i.kind] for i in items)


def check_pair(items, spki, what):
    """One key, of this public key, paired with a certificate; nothing but remarks beside."""
    problems = [i.text for i in items if i.why not in ("-", "ignored", "unverified")]
    assert not problems, (what, problems)
    keys = [i for i in items if i.kind == "key"]
    assert [k.hash for k in keys] == [spki], what
    assert items[int(keys[0].pair)].kind == "certificate", what


class Pair:
    """A key and a certificate that openssl made, for one key type."""

    TYPES = {"ec-p256": ["EC", "ec_paramgen_curve:P-256"],
             "ec-p384": ["EC", "ec_paramgen_curve:P-384"],
             "ec-p521": ["EC", "ec_paramgen_curve:P-521"],
             "rsa-2048": ["RSA", "rsa_keygen_bits:2048"],
             "ed25519": ["ED25519"]}

    def __init__(self, folder, kind):
        self.key, self.cert, self.csr = (folder / f"{kind}.{e}" for e in ("key", "crt", "csr"))
        self.kind = kind
        options = self.TYPES[kind]
        run("openssl", "genpkey", "-algorithm", options[0], "-out", self.key,
            *(["-pkeyopt", options[1]] if len(options) > 1 else []))
        run("openssl", "req", "-x509", "-key", self.key, "-subj", "/CN=" + kind, "-days", "30",
            "-addext", "basicConstraints=CA:FALSE", "-out", self.cert)
        run("openssl", "req", "-new", "-key", self.key, "-subj", "/CN=" + kind, "-out", self.csr)
        spki = subprocess.run(["openssl", "pkey", "-in", str(self.key), "-pubout", "-outform",
                               "DER"], capture_output=True, check=True).stdout
        self.spki = hashlib.sha256(spki).hexdigest()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    return {kind: Pair(folder, kind) for kind in Pair.TYPES}


@pytest.fixture(scope="module")
def legacy():
    answer = subprocess.run(["openssl", "list", "-providers", "-provider", "legacy"],
                            capture_output=True, check=False)
    if answer.returncode != 0:
        pytest.skip("openssl has no legacy provider")


def test_openssl_keys(pairs, tmp_path, legacy):
    """Every form in which openssl writes a private key, clear and under passwords."""
    ec, rsa = pairs["ec-p256"], pairs["rsa-2048"]
    out = tmp_path / "key"
    word = "pass:" + PASSWORD
    forms = [(p, ["pkey", "-outform", form]) for p in pairs.values() for form in ("PEM", "DER")]
    forms += [(rsa, ["rsa", "-traditional"]), (rsa, ["rsa", "-traditional", "-outform", "DER"]),
              (ec, ["ec"]), (ec, ["ec", "-outform", "DER"]),
              (ec, ["ec", "-conv_form", "compressed"])]
    for cipher in ("-aes128", "-aes256", "-des3", "-camellia256"):
        forms.append((rsa, ["rsa", "-traditional", cipher, "-passout", word]))
    forms.append((ec, ["ec", "-aes192", "-passout", word]))
    for form in ("PEM", "DER"):
        for how in (["-v2", "aes-256-cbc"], ["-v2", "des3", "-v2prf", "hmacWithSHA1"],
                    ["-v2", "aria-128-cbc", "-v2prf", "hmacWithSHA512", "-iter", "70000"],
                    ["-scrypt"], ["-v2", "rc2-cbc"], ["-v1", "PBE-MD5-DES"],
                    ["-v1", "PBE-SHA1-RC2-64"], ["-v1", "PBE-SHA1-3DES"],
                    ["-v1", "PBE-SHA1-RC2-40"], ["-v1", "PBE-SHA1-RC4-128"]):
            forms.append((ec, ["pkcs8", "-topk8", *how, "-outform", form, "-passout", word,
                               "-provider", "default", "-provider", "legacy"]))
    for pair, command in forms:
        run("openssl", *command, "-in", pair.key, "-out", out)
        items = lift(pair.cert, out, passwords=["not this one", PASSWORD])
        check_pair(items, pair.spki, command)
        locked = any(c in ("-passout",) for c in command)
        assert items[1].locked == ("locked" if locked else "open"), command
        if locked:
            assert lift(out)[0].why == "password-needed", command
            assert lift(out, passwords=["wrong"])[0].why == "password-wrong", command


def test_openssl_pkcs12(pairs, tmp_path, legacy):
    pair = pairs["ec-p384"]
    out = tmp_path / "out.p12"
    base = ["openssl", "pkcs12", "-export", "-inkey", pair.key, "-in", pair.cert, "-out", out,
            "-name", "a name"]
    cases = [(PASSWORD, o) for o in (
        [], ["-legacy"], ["-nomac"], ["-keypbe", "NONE", "-certpbe", "NONE"], ["-iter", "1"],
        ["-keypbe", "PBE-SHA1-RC4-40", "-certpbe", "PBE-SHA1-RC2-128", "-legacy"],
        ["-keypbe", "PBE-SHA1-2DES", "-certpbe", "camellia-128-cbc", "-legacy"],
        ["-macalg", "sha512"], ["-macalg", "sha3-256"])]
    cases += [("", []), ("", ["-legacy"])]
    for password, options in cases:
        run(*base, "-passout", "pass:" + password, *options)
        check_pair(lift(out, passwords=[password] if password else []), pair.spki, options)
        if password and "-nomac" not in options and "NONE" not in options:
            assert lift(out)[0].why == "password-needed", options
            assert lift(out, passwords=["wrong"])[0].why == "password-wrong", options


def test_openssl_containers(pairs, tmp_path):
    """Certificates alone, in PKCS#7, requests, revocation lists, as DER and PEM; any order."""
    pair = pairs["rsa-2048"]
    for form in ("PEM", "DER"):
        p7, der, csr = tmp_path / "a.p7b", tmp_path / "a.crt", tmp_path / "a.csr"
        run("openssl", "crl2pkcs7", "-nocrl", "-certfile", pair.cert, "-certfile",
            pairs["ed25519"].cert, "-outform", form, "-out", p7)
        assert kinds(lift(p7)) == "cc"
        run("openssl", "x509", "-in", pair.cert, "-outform", form, "-out", der)
        run("openssl", "req", "-in", pair.csr, "-outform", form, "-out", csr)
        items = lift(csr, der, pair.key)
        assert kinds(items) == "rck" and items[0].pair == "2" and items[1].pair == "2"
    (tmp_path / "index").touch()
    (tmp_path / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_md=sha256\n"
                                     "default_crl_days=9\n")
    run("openssl", "ca", "-gencrl", "-config", "ca.cnf", "-keyfile", pair.key, "-cert", pair.cert,
        "-out", "a.crl", cwd=tmp_path)
    assert kinds(lift(tmp_path / "a.crl")) == "l"
    trusted = tmp_path / "trusted.pem"
    run("openssl", "x509", "-in", pair.cert, "-trustout", "-addtrust", "serverAuth", "-out",
        trusted)
    assert "TRUSTED" in trusted.read_text() and kinds(lift(trusted)) == "c"
    text = tmp_path / "text"
    text.write_text(run("openssl", "x509", "-in", pair.cert, "-text") + "and the key:\n" +
                    pair.key.read_text())
    check_pair(lift(text), pair.spki, "text")


def test_every_cut(pairs, tmp_path):
    """A file that was cut short anywhere is refused with a text, and nothing breaks."""
    out = tmp_path / "whole.p12"
    run("openssl", "pkcs12", "-export", "-inkey", pairs["ec-p256"].key, "-in",
        pairs["ec-p256"].cert, "-out", out, "-passout", "pass:x", "-iter", "1", "-nomac")
    whole = out.read_bytes()
    names = []
    for n in range(0, len(whole), 7):
        names.append(tmp_path / f"cut-{n}")
        names[-1].write_bytes(whole[:n])
    for at in range(0, len(names), 40):
        items = lift(*names[at:at + 40], passwords=["x"])
        assert set(kinds(items)) == {"!"} and all(i.text for i in items)


def test_pbmac1(pairs, tmp_path):
    """RFC 9579, which openssl 3.0 does not know: its code is put over a file without one."""
    out = tmp_path / "a.p12"
    pair = pairs["ec-p256"]
    run("openssl", "pkcs12", "-export", "-inkey", pair.key, "-in", pair.cert, "-out", out,
        "-passout", "pass:" + PASSWORD, "-nomac")

    def tlv(tag, *parts):
        body = b"".join(parts)
        size = len(body)
        head = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
        return bytes([tag]) + head + body

    def number(n):
        return tlv(2, n.to_bytes(n.bit_length() // 8 + 1, "big"))

    def split(data):
        size, head = data[1], 2
        if size & 0x80:
            head += size & 0x7f
            size = int.from_bytes(data[2:head], "big")
        return data[head:head + size], data[head + size:]

    pfx, _ = split(out.read_bytes())
    safe, content = pfx[3:], split(split(split(pfx[3:])[0][11:])[0])[0]
    key = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), b"saltsalt", 5000, 32)
    import hmac
    mac = hmac.new(key, content, "sha256").digest()
    oid = lambda text: tlv(6, bytes.fromhex(text))
    algorithm = tlv(0x30, oid("2a864886f70d01050e"), tlv(
        0x30, tlv(0x30, oid("2a864886f70d01050c"), tlv(
            0x30, tlv(4, b"saltsalt"), number(5000), number(32),
            tlv(0x30, oid("2a864886f70d020b"), b"\x05\x00"))),
        tlv(0x30, oid("2a864886f70d0209"), b"\x05\x00")))

    def write(mac):
        out.write_bytes(tlv(0x30, number(3), safe, tlv(
            0x30, tlv(0x30, algorithm, tlv(4, mac)), tlv(4, b"unused"), number(1))))

    write(mac)
    check_pair(lift(out, passwords=[PASSWORD]), pair.spki, "pbmac1")
    assert lift(out, passwords=["wrong"])[0].why == "password-wrong"
    write(bytes(32))
    assert lift(out, passwords=[PASSWORD])[0].why == "password-wrong"


def test_without_legacy_provider(pairs, tmp_path, legacy):
    """Where it is not installed, what needs it is named, and all else is read."""
    out = tmp_path / "a.p12"
    pair = pairs["ec-p256"]
    base = ["openssl", "pkcs12", "-export", "-inkey", pair.key, "-in", pair.cert, "-out", out,
            "-passout", "pass:x"]
    nowhere = {"OPENSSL_MODULES": str(tmp_path)}
    run(*base, "-legacy", "-keypbe", "PBE-SHA1-RC2-40")
    items = lift(out, passwords=["x"], env=nowhere)
    assert [i.why for i in items] == ["unsupported", "unsupported"]
    assert "legacy provider" in items[0].text
    run(*base)
    check_pair(lift(out, passwords=["x"], env=nowhere), pair.spki, "modern")


def test_certtool(pairs, tmp_path, legacy):
    need("certtool")
    pair = pairs["rsa-2048"]
    made = tmp_path / "made.key"
    made.write_text(run("certtool", "--generate-privkey", "--key-type", "ecdsa"))
    items = lift(made)  # with pages of text before the block
    assert "k" in kinds(items) and not [i for i in items if i.why == "damaged"]
    for cipher in ("3des-pkcs12", "rc2-40", "aes-256"):
        out = tmp_path / "a.p12"
        run("certtool", "--to-p12", "--load-privkey", pair.key, "--load-certificate", pair.cert,
            "--p12-name", "name", "--pkcs-cipher", cipher, "--password", PASSWORD, "--outder",
            "--outfile", out)
        check_pair(lift(out, passwords=[PASSWORD]), pair.spki, cipher)
        run("certtool", "--to-p8", "--load-privkey", pair.key, "--pkcs-cipher", cipher,
            "--password", PASSWORD, "--outfile", out)
        check_pair(lift(pair.cert, out, passwords=[PASSWORD]), pair.spki, cipher)


def test_pk12util(pairs, tmp_path, legacy):
    need("pk12util", "certutil")
    pair = pairs["rsa-2048"]
    source, out, store = tmp_path / "in.p12", tmp_path / "out.p12", f"sql:{tmp_path}"
    run("certutil", "-N", "-d", store, "--empty-password")
    run("openssl", "pkcs12", "-export", "-inkey", pair.key, "-in", pair.cert, "-out", source,
        "-name", "nss", "-passout", "pass:x")
    run("pk12util", "-i", source, "-d", store, "-W", "x")
    for options in ([], ["-c", "PKCS #12 V2 PBE With SHA-1 And 3KEY Triple DES-CBC",
                     "-C", "PKCS #12 V2 PBE With SHA-1 And 40 Bit RC2 CBC"],
                    ["-C", "none"]):
        run("pk12util", "-o", out, "-n", "nss", "-d", store, "-W", PASSWORD, *options)
        check_pair(lift(out, passwords=[PASSWORD]), pair.spki, options)


def keytool(*args, legacy_form=False):
    options = ["-J-Dkeystore.pkcs12.legacy"] if legacy_form else []
    return run("keytool", *options, "-J-XX:TieredStopAtLevel=1", *args, "-storepass", "changeit",
               "-noprompt")


def test_keytool(tmp_path, legacy):
    """PKCS#12 of Java in both generations, several keys in one; JKS and JCEKS are explained."""
    need("keytool")
    for old in (False, True):
        store = tmp_path / f"{old}.p12"
        keytool("-genkeypair", "-alias", "one", "-keyalg", "EC", "-groupname", "secp256r1",
                "-dname", "CN=one", "-keystore", store, legacy_form=old)
        keytool("-genkeypair", "-alias", "two", "-keyalg", "Ed25519", "-dname", "CN=two",
                "-keystore", store, legacy_form=old)
        items = lift(store, passwords=["changeit"])
        keys = [i for i in items if i.kind == "key"]
        assert sorted(k.text for k in keys) == ["one", "two"] and sorted(kinds(items)) == [
            "c", "c", "k", "k"]
        assert all(items[int(k.pair)].kind == "certificate" for k in keys)
        rfc = tmp_path / "one.crt"
        rfc.write_text(keytool("-exportcert", "-rfc", "-alias", "one", "-keystore", store))
        assert kinds(lift(rfc)) == "c"
    for kind in ("JKS", "JCEKS"):
        store = tmp_path / f"store.{kind}"
        keytool("-genkeypair", "-alias", "one", "-keyalg", "EC", "-dname", "CN=one", "-keystore",
                store, "-storetype", kind, "-keypass", "changeit")
        item = lift(store, passwords=["changeit"])[0]
        assert item.why == "foreign" and "keytool -importkeystore" in item.text


# --- Python's cryptography-vectors ---------------------------------------------------------------


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """The package's files; CERTHERD_VECTORS names a wheel where there is no network."""
    folder = tmp_path_factory.mktemp("vectors")
    wheel = os.environ.get("CERTHERD_VECTORS")
    if wheel is None:
        answer = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps",
                                 "--timeout", "20", "--retries", "1", "-d", str(folder), VECTORS],
                                capture_output=True, text=True, timeout=200, check=False)
        if answer.returncode != 0:
            pytest.skip(f"{VECTORS} cannot be fetched: {answer.stderr.strip()[-200:]}")
        wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        wanted = [n for n in archive.namelist() if re.search(
            r"/(x509|pkcs7|pkcs12|asymmetric/(PKCS8|PEM_S\w+|DER_S\w+|Trad\w+|OpenSSH))/", n)]
        archive.extractall(folder, wanted)
    return folder / "cryptography_vectors"


def test_vectors(vectors, legacy):
    """None breaks anything; certificates, keys and containers are found where there are any."""
    words = ["cryptography", "password", "123456", "foobar", "baz", "a123456"]
    files = [f for f in sorted(vectors.rglob("*")) if f.is_file() and "PKITS" not in str(f)
             and f.suffix in (".pem", ".der", ".p12", ".p7b", ".key", ".pub")]
    assert len(files) > 250
    found = {str(path.relative_to(vectors)): items
             for path, items in lift_each(files, words).items()}
    assert not [name for name, items in found.items() if not items]
    # All PKCS#12 files open, with their key if they have one.
    for name, items in found.items():
        if name.startswith("pkcs12/"):
            assert not [i.text for i in items if i.why not in ("-", "unverified")], name
            without = "no-key" in name or "/no-cert-n" in name
            assert ("key" not in [i.kind for i in items]) == without, name
    # Certificates that are refused, and why: OpenSSL refuses them too, or they are text of others.
    refused = sorted(n for n, items in found.items() if n.startswith("x509/")
                     and "/ocsp/" not in n and not set(kinds(items)) - {"!"})
    assert len(refused) < 25, refused
    good = [n for n, items in found.items() if set(kinds(items)) & set("kcrl")]
    assert len(good) > 170


def test_pkits(vectors):
    """NIST's suite of path validation: what has a valid path has one here, and what has a fault
    in names, dates, signatures or constraints is not called good. Policies, revocation and DSA are
    not looked at."""
    certs = vectors / "x509/PKITS_data/certs"
    bundle = vectors / "authorities.pem"
    with bundle.open("w") as out:
        for path in sorted(certs.glob("*.crt")):
            if not path.name.endswith("EE.crt"):
                out.write(ssl.DER_cert_to_PEM_cert(path.read_bytes()))

    def verdicts(pattern, without):
        names = [f for f in sorted(certs.glob(pattern)) if not without.search(f.name)]
        leaves = vectors / "leaves.pem"
        leaves.write_text("".join(ssl.DER_cert_to_PEM_cert(f.read_bytes()) for f in names))
        lines = tool("chain", "1500000000", leaves, certs / "TrustAnchorRootCertificate.crt",
                     bundle).splitlines()
        assert len(lines) == len(names)
        remarks = {"surplus", "no-names", "leaf-is-ca", "issuer-ends"}
        return {f.name: (line, line.split()[2] == "trusted" and not
                         set(line.split()[4:]) - remarks) for f, line in zip(names, lines)}

    valid = verdicts("Valid*EE.crt", re.compile("DSA"))
    assert len(valid) > 80 and not [v for v in valid.items() if not v[1][1]]
    other = re.compile("CRL|cRL|Polic|Revoked|Serial|Separate|SelfIssued(New|Old)|BasicSelfIssued|"
                       "onlySome|onlyContains|distributionPoint|IDP|DSA|delta|pre2000CRL")
    faulty = verdicts("Invalid*EE.crt", other)
    assert len(faulty) > 40 and not [v for v in faulty.items() if v[1][1]]


# --- what is written here ------------------------------------------------------------------------


def password_of(folder):
    return PASSWORD if folder.name == "rsa-2048" else ASCII


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    for kind in ("ec-p256", "rsa-2048", "ed25519"):
        (folder / kind).mkdir()
        tool("export", folder / kind, kind, passwords=[password_of(folder / kind)])
    return folder


def test_openssl_opens(exports):
    for kind in exports.iterdir():
        word = "pass:" + password_of(kind)
        public = run("openssl", "pkey", "-in", kind / "key.pem", "-pubout")
        for name in ("pbkdf2.pem", "scrypt.pem"):
            assert run("openssl", "pkey", "-in", kind / name, "-passin", word,
                       "-pubout") == public
        for name in ("modern.p12", "old.p12"):
            out = run("openssl", "pkcs12", "-in", kind / name, "-passin", word, "-nodes")
            assert out.count("BEGIN CERTIFICATE") == 2 and "friendlyName: www.example.org" in out
            assert run("openssl", "pkcs12", "-in", kind / name, "-passin", "pass:no", "-nodes",
                       fail=True) == ""
        parts = kind / "leaf.pem", kind / "ca.pem"
        blocks = re.findall(r"-----BEGIN.*?-----END[^\n]*\n", (kind / "chain.pem").read_text(),
                            re.S)
        for path, text in zip(parts, blocks):
            path.write_text(text)
        run("openssl", "verify", "-x509_strict", "-CAfile", parts[1], parts[0])


def test_certtool_opens(exports):
    need("certtool")
    for kind in exports.iterdir():
        for name in ("modern.p12", "old.p12"):
            out = run("certtool", "--p12-info", "--inder", "--infile", kind / name, "--password",
                      password_of(kind))
            assert out.count("BEGIN CERTIFICATE") == 2
        run("certtool", "--key-info", "--infile", kind / "pbkdf2.pem", "--password",
            password_of(kind))


def test_pk12util_opens(exports):
    need("pk12util")
    for name in ("modern.p12", "old.p12"):
        for kind in ("ec-p256", "rsa-2048"):
            out = run("pk12util", "-l", exports / kind / name, "-W",
                      password_of(exports / kind))
            assert "Friendly Name: www.example.org" in out and out.count("Certificate") >= 2


def test_keytool_opens(exports):
    need("keytool")
    for name in ("modern.p12", "old.p12"):
        out = run("keytool", "-J-XX:TieredStopAtLevel=1", "-list", "-v", "-keystore",
                  exports / "ec-p256" / name, "-storetype", "PKCS12", "-storepass", ASCII)
        assert "PrivateKeyEntry" in out and "chain length: 2" in out, (name, out)


def test_nginx_takes(exports, tmp_path):
    need("nginx")
    for kind in ("ec-p256", "rsa-2048"):
        folder = exports / kind
        (tmp_path / "word").write_text(password_of(folder) + "\n")
        servers = "".join(f"server {{ listen 127.0.0.1:0 ssl; ssl_certificate {folder}/chain.pem; "
                          f"ssl_certificate_key {folder}/{key}; "
                          f"ssl_password_file {tmp_path}/word; }}\n"
                          for key in ("key.pem", "pbkdf2.pem"))
        config = tmp_path / "nginx.conf"
        config.write_text(f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\n"
                          f"http {{ access_log off;\n{servers} }}\n".replace(":0", ":44399"))
        run("nginx", "-t", "-c", config, "-p", tmp_path)


def test_haproxy_takes(exports, tmp_path):
    need("haproxy")
    for kind in ("ec-p256", "rsa-2048"):
        config = tmp_path / "haproxy.cfg"
        config.write_text("defaults\n timeout client 1s\n timeout connect 1s\n timeout server 1s\n"
                          f"frontend f\n mode tcp\n bind 127.0.0.1:44398 ssl crt {exports}/{kind}/"
                          "key-last.pem\n")
        run("haproxy", "-c", "-f", config)
