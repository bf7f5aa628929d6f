"""Keys that may leave the domain: made so with a password, given out for it alone, in formats that
the programs open which they are for (S000-20, S001-5, S001-12, S002-3 to S002-7)."""

import base64
import contextlib
import http.client
import json
import os
import pty
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from process import environment, program, slow, wait_for
from records import openssl, read_store
from test_import import Ca, Made

NAME = "www.test.example"
PASSWORD = "violet hammock 72 rain"
OTHER = "another long pass phrase 9"
ACTIONS = ("cert.export", "cert.export-chain", "cert.export-refused")


def need(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def run(*args, fail=False):
    answer = subprocess.run([str(a) for a in args], timeout=120, capture_output=True, check=False,
                            env={**os.environ, "LC_ALL": "C.UTF-8"})
    output = (answer.stdout + answer.stderr).decode(errors="replace")
    assert (answer.returncode != 0) == fail, f"{args}: {answer.returncode}\n{output}"
    return output


def word(domain, text=PASSWORD, name="word"):
    """A password in a file, as an option takes it."""
    path = domain.folder / name
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def add(domain, *options, name=NAME, text=PASSWORD):
    return domain.json("cert", "add", name, "--access", "web1", "--export-password-file",
                       word(domain, text), *options)


def show(domain, name=NAME):
    return domain.json("cert", "show", name)


def export(domain, name, *options, text=PASSWORD, status=0, told="told"):
    return domain.cli("cert", "export", name, "--export-password-file", word(domain, text, told),
                      *options, status=status)


def public_pem(key_pem, password=None):
    key = serialization.load_pem_private_key(key_pem, password)
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


def served_key(domain, name=NAME, node="web1"):
    cert = x509.load_der_x509_certificate(domain.fetch(node, name).chain[0])
    return cert.public_key().public_bytes(serialization.Encoding.PEM,
                                          serialization.PublicFormat.SubjectPublicKeyInfo)


def audit(domain):
    """[(action, object)] of exports, once the server has ended."""
    domain.server.stop()
    with sqlite3.connect(domain.data / "server/store.db") as db:
        rows = db.execute("SELECT action, object FROM audit ORDER BY number").fetchall()
    return [row for row in rows if row[0] in ACTIONS]


def changed(answer):
    return answer["results"][0]["change"]


def export_records(domain):
    found = {}
    for r in read_store(domain.data / "server", domain.folder):
        if r.kind == "EXPORT_KEY":
            found[r.id] = r
    return [r for r in found.values() if not r.removed]


def blocks(path):
    return re.findall(r"-----BEGIN ([A-Z ]+)-----", path.read_text())


# --- every format, opened by those whom it is for -------------------------------------------------


@pytest.fixture
def shop(pair):
    """One credential of each key type that programs take everywhere, all of one password."""
    add(pair)
    add(pair, "--key-type", "rsa-2048", name="rsa.test.example")
    return pair


NAMES = (NAME, "rsa.test.example")


def test_every_format(shop):
    """All formats of a key that a Micro CA has certified, and each export in the audit log."""
    out = shop.folder / "out"
    out.mkdir()
    for name in NAMES:
        key = served_key(shop, name)
        files = {}
        for kind in ("pem", "p12", "stored-pem", "haproxy", "chain"):
            files[kind] = out / f"{name}.{kind}"
            export(shop, name, "--format", kind, "--out", files[kind])
        export(shop, name, "--format", "nginx", "--out", out / name)
        export(shop, name, "--format", "p12", "--legacy", "--out", out / f"{name}.old.p12")
        export(shop, name, "--encrypt", "--out", out / f"{name}.enc")
        for path in out.glob(f"{name}*"):
            secret = path.suffix not in (".chain", ".crt")
            assert path.stat().st_mode & 0o777 == (0o600 if secret else 0o644), path
        assert blocks(files["pem"]) == ["PRIVATE KEY", "CERTIFICATE"]
        assert blocks(files["haproxy"]) == ["CERTIFICATE", "PRIVATE KEY"]
        assert blocks(files["stored-pem"]) == ["ENCRYPTED PRIVATE KEY"]
        assert blocks(files["chain"]) == blocks(out / f"{name}.crt") == ["CERTIFICATE"]
        assert public_pem(files["pem"].read_bytes()) == key
        assert public_pem((out / f"{name}.key").read_bytes()) == key
        for path in (files["stored-pem"], out / f"{name}.enc"):
            assert public_pem(path.read_bytes(), PASSWORD.encode()) == key
        # The root is there for whoever asks for it.
        assert blocks(files["chain"]) == ["CERTIFICATE"]
        export(shop, name, "--format", "chain", "--with-root", "--out", files["chain"])
        assert len(blocks(files["chain"])) == 2
        check_openssl(out, name, key)
        check_others(out, name)
    check_servers(out)
    told = audit(shop)
    assert [action for action, _ in told].count("cert.export") == 2 * 7
    assert [action for action, _ in told].count("cert.export-chain") == 2 * 2
    assert {name for _, name in told} == set(NAMES)


def check_openssl(out, name, key):
    for suffix in ("stored-pem", "enc"):
        got = openssl("pkey", "-in", out / f"{name}.{suffix}", "-passin", f"pass:{PASSWORD}",
                      "-pubout")
        assert got.stdout == key, got.stderr
    text = run("openssl", "asn1parse", "-in", out / f"{name}.stored-pem")
    assert "PBKDF2" in text and "aes-256-cbc" in text and ":0927C0" in text  # 600,000
    for suffix in ("p12", "old.p12"):
        text = run("openssl", "pkcs12", "-in", out / f"{name}.{suffix}", "-passin",
                   f"pass:{PASSWORD}", "-nodes", "-info")
        assert f"friendlyName: {name}" in text and text.count("BEGIN CERTIFICATE") == 1
        assert ("PBES2" in text) == (suffix == "p12"), text
        run("openssl", "pkcs12", "-in", out / f"{name}.{suffix}", "-passin", f"pass:{OTHER}",
            "-nodes", fail=True)


def check_others(out, name):
    for suffix in ("p12", "old.p12"):
        file = out / f"{name}.{suffix}"
        if shutil.which("certtool"):
            text = run("certtool", "--p12-info", "--inder", "--infile", file, "--password",
                       PASSWORD)
            assert text.count("BEGIN CERTIFICATE") == 1
        if shutil.which("pk12util"):
            assert f"Friendly Name: {name}" in run("pk12util", "-l", file, "-W", PASSWORD)
        if shutil.which("keytool"):
            text = run("keytool", "-J-XX:TieredStopAtLevel=1", "-list", "-v", "-keystore", file,
                       "-storetype", "PKCS12", "-storepass", PASSWORD)
            assert "PrivateKeyEntry" in text and f"Alias name: {name}" in text


def check_servers(out):
    if shutil.which("nginx"):
        servers = "".join(f"server {{ listen 127.0.0.1:44397 ssl; server_name {name}; "
                          f"ssl_certificate {out}/{name}.crt; "
                          f"ssl_certificate_key {out}/{name}.key; }}\n" for name in NAMES)
        (out / "nginx.conf").write_text(
            f"pid {out}/pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{ access_log off;\n{servers} }}\n")
        run("nginx", "-t", "-c", out / "nginx.conf", "-p", out)
    if shutil.which("haproxy"):
        certs = " ".join(f"crt {out}/{name}.haproxy" for name in NAMES)
        (out / "haproxy.cfg").write_text(
            "defaults\n timeout client 1s\n timeout connect 1s\n timeout server 1s\n"
            f"frontend f\n mode tcp\n bind 127.0.0.1:44396 ssl {certs}\n")
        run("haproxy", "-c", "-f", out / "haproxy.cfg")


def test_to_standard_output(pair):
    """A pipe gets the bytes and nothing else; a terminal gets no key unless it is forced."""
    add(pair)
    got = export(pair, NAME, "--out", "-")
    assert got.out.startswith("-----BEGIN PRIVATE KEY-----") and got.err == ""
    assert public_pem(got.out.encode()) == served_key(pair)
    chain = pair.cli("cert", "export", NAME, "--format", "chain")
    assert x509.load_pem_x509_certificate(chain.out.encode()).subject
    told = word(pair)
    for force in (False, True):
        theirs, given = pty.openpty()
        answer = subprocess.Popen(
            [program("certherd"), "cert", "export", NAME, "--export-password-file", str(told),
             "--out", "-", "--data", str(pair.data), *(["--force"] if force else [])],
            stdout=given, stderr=subprocess.PIPE, env=environment(pair.logs))
        os.close(given)
        err = answer.communicate(timeout=60 * slow())[1].decode()
        assert (answer.returncode == 0) == force, err
        assert force or "terminal" in err
        os.close(theirs)


def test_refused_options(pair):
    add(pair)
    for options, says in (
            ((), "--out"),
            (("--format", "jks", "--out", "x"), "no format"),
            (("--legacy", "--out", "x"), "--legacy"),
            (("--format", "haproxy", "--encrypt", "--out", "x"), "--encrypt"),
            (("--format", "nginx", "--out", "-"), "two files"),
            (("--out", "-", "--json"), "--json"),
            (("--stored-pem", "--format", "p12", "--out", "x"), "contradict"),
            (("--file-password-file", "x", "--out", "x"), "--encrypt")):
        assert says in export(pair, NAME, *options, status=2).err, options
    # Nowhere to write: nothing is left behind, and the export stands in the log all the same.
    assert export(pair, NAME, "--out", pair.folder / "nowhere/x", status=1).err
    assert [a for a, _ in audit(pair)] == ["cert.export"]


def test_other_password_for_the_file(pair):
    """A PKCS#12 under a password of its own; Java takes none beyond ASCII, which is said."""
    text = "k\u00e4se und brot aus linz"
    add(pair, text=text)
    made = export(pair, NAME, "--format", "p12", "--out", "a.p12", text=text)
    assert "Java" in made.out
    made = export(pair, NAME, "--format", "p12", "--out", "b.p12", "--file-password-file",
                  word(pair, OTHER, "other"), text=text)
    assert "Java" not in made.out
    for file, password in (("a.p12", text), ("b.p12", OTHER)):
        run("openssl", "pkcs12", "-in", pair.folder / file, "-passin", f"pass:{password}",
            "-nodes")
    weak = export(pair, NAME, "--format", "p12", "--out", "c.p12", "--file-password-file",
                  word(pair, "password1234", "other"), text=text, status=2)
    assert "password" in weak.err and not (pair.folder / "c.p12").exists()


# --- marked ----------------------------------------------------------------------------------------


def test_marked(pair):
    """At creation, with a new generation later, at import, before the first request."""
    pair.add(NAME, ["web1"])
    assert show(pair)["export"] == "no" and show(pair)["export_key"] is None
    refused = export(pair, NAME, "--out", "x", status=2).err
    assert "not made exportable" in refused and f"cert renew {NAME} --exportable" in refused
    before = served_key(pair)
    made = pair.json("cert", "renew", NAME, "--exportable", "--generate-password")["results"][0]
    password = made["export_password"]
    assert len(password) >= 24 and show(pair)["export"] == "yes"
    export(pair, NAME, "--out", pair.folder / "a.pem", text=password)
    assert public_pem((pair.folder / "a.pem").read_bytes()) != before
    # A renewal keeps the key and its export: what was exported stays good (S002-7).
    pair.cli("cert", "renew", NAME)
    export(pair, NAME, "--out", pair.folder / "b.pem", text=password)
    assert public_pem((pair.folder / "a.pem").read_bytes()) == public_pem(
        (pair.folder / "b.pem").read_bytes()) == served_key(pair)
    # A new key without a password lapses it.
    lapsed = changed(pair.json("cert", "renew", NAME, "--new-key"))
    assert "--exportable" in " ".join(lapsed["warnings"]) and show(pair)["export"] == "lapsed"
    assert not export_records(pair)
    assert "any more" in export(pair, NAME, "--out", "x", status=2).err
    told = [e["event"] for e in pair.json("events")["events"]]
    assert told.count("credential.export_lapsed") == 1
    assert told.count("credential.exported") == 2
    # A new key by its own command asks for one as well.
    pair.cli("cert", "rekey", NAME, "--reason", "compromised", "--export-password-file", word(pair))
    export(pair, NAME, "--out", pair.folder / "c.pem")
    assert public_pem((pair.folder / "c.pem").read_bytes()) == served_key(pair)
    pair.cli("cert", "rekey", NAME)
    assert show(pair)["export"] == "lapsed"
    # Another key type is a new key as well.
    pair.cli("cert", "change", NAME, "--key-type", "ec-p384", "--export-password-file", word(pair))
    export(pair, NAME, "--out", pair.folder / "d.pem")
    assert public_pem((pair.folder / "d.pem").read_bytes()) == served_key(pair)
    refused = pair.cli("cert", "change", NAME, "--lifetime", "30d", "--export-password-file",
                       word(pair), status=None)
    assert refused.status != 0 and "--exportable" in refused.err, refused
    # What was printed once is nowhere else.
    for log in pair.logs.rglob("*"):
        assert password not in log.read_text(errors="replace")


def test_generated_for_people(pair):
    made = pair.cli("cert", "add", NAME, "--access", "web1", "--generate-password")
    password = re.search(r"export password (\S+)", made.out).group(1)
    export(pair, NAME, "--out", "a.pem", text=password)
    text = pair.cli("cert", "show", NAME).out
    assert re.search(r"export +yes, since .*, last exported 2", text), text
    assert password not in text


def test_manual(pair):
    """A draft is marked, its key gets its password, and the CSR's certificate makes it exportable."""
    ca = Ca()
    pair.cli("cert", "add", NAME, "--issuer", "manual", "--access", "web1", "--draft",
             "--exportable")
    assert show(pair)["export"] == "waiting"
    pair.cli("cert", "submit", NAME, "--export-password-file", word(pair))
    assert show(pair)["export"] == "waiting" and len(export_records(pair)) == 1
    assert "no certificate" in export(pair, NAME, "--out", "x", status=1).err
    csr = x509.load_pem_x509_csr(pair.cli("cert", "csr", NAME).out.encode())
    leaf = ca.issue(NAME, FakeKey(csr.public_key()))
    (pair.folder / "answer.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    pair.cli("cert", "paste", NAME, "answer.pem")
    export(pair, NAME, "--out", pair.folder / "a.pem")
    assert public_pem((pair.folder / "a.pem").read_bytes()) == served_key(pair)
    # A CSR with a new key, unattended: what is in force can still be exported, until it is not.
    said = changed(pair.json("cert", "submit", NAME, "--new-key"))["warnings"]
    assert "no export password" in " ".join(said) and show(pair)["export"] == "yes"
    csr = x509.load_pem_x509_csr(pair.cli("cert", "csr", NAME).out.encode())
    leaf = ca.issue(NAME, FakeKey(csr.public_key()))
    (pair.folder / "answer.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    said = pair.json("cert", "paste", NAME, "answer.pem")["change"]["warnings"]
    assert "cannot be exported" in " ".join(said) and show(pair)["export"] == "lapsed"


class FakeKey:
    """The public half, where a key is asked only for that."""

    def __init__(self, public):
        self.public = public

    def public_key(self):
        return self.public


def test_imported(pair):
    """S001-5: not exportable unless marked, with a strong password."""
    ca = Ca()
    plain = Made(ca, pair.folder / "plain", "plain.test.example")
    marked = Made(ca, pair.folder / "marked", "marked.test.example")
    pair.cli("cert", "import", plain.bundle(), "--access", "web1")
    assert show(pair, "plain.test.example")["export"] == "no"
    for weak in ("short", "password1234", "aaaaaaaaaaaaaaaa", "qwertyuiop123456"):
        assert pair.cli("cert", "import", marked.bundle(), "--exportable",
                        "--export-password-file", word(pair, weak), status=2).err
    pair.cli("cert", "import", marked.bundle(), "--access", "web1", "--exportable",
             "--export-password-file", word(pair))
    export(pair, "marked.test.example", "--out", pair.folder / "a.pem")
    assert public_pem((pair.folder / "a.pem").read_bytes()) == marked.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    # The same certificate once more, now exportable: only if it is to be imported anew.
    again = ("cert", "import", plain.bundle(), "--export-password-file", word(pair))
    assert "--replace" in pair.cli(*again, status=1).err
    pair.cli(*again, "--replace")
    assert show(pair, "plain.test.example")["export"] == "yes"


def test_many_imported(pair):
    """A folder of files under one password: each key has a seal and a record of its own."""
    ca = Ca()
    for n in range(12):
        Made(ca, pair.folder / "many", f"n{n}.test.example").bundle(f"n{n}.pem")
    made = pair.json("cert", "import", pair.folder / "many", "--exportable",
                     "--generate-password")
    assert made["imported"] == 12 and len(export_records(pair)) == 12
    export(pair, "n7.test.example", "--out", "a.pem", text=made["export_password"])


def test_end(pair):
    """Archiving and deleting take the exportable key along."""
    add(pair)
    said = pair.json("cert", "archive", NAME)["warnings"]
    assert "exported" in " ".join(said) and not export_records(pair)
    pair.cli("cert", "archive", NAME, "--undo")
    assert show(pair)["export"] == "lapsed"
    add(pair, name="b.test.example")
    assert len(export_records(pair)) == 1
    pair.cli("cert", "delete", "b.test.example")
    assert not export_records(pair)


# --- the terminal ----------------------------------------------------------------------------------


def at_terminal(domain, *argv, answers):
    """certherd with a terminal as standard input; each answer when its question has come."""
    theirs, given = pty.openpty()
    child = subprocess.Popen([program("certherd"), *map(str, argv), "--data", str(domain.data)],
                             stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=environment(domain.logs), cwd=domain.folder)
    os.close(given)
    seen = b""
    for question, answer in answers:
        while question not in seen:
            more = os.read(child.stderr.fileno(), 300)
            assert more, seen
            seen += more
        seen = seen.split(question, 1)[1]
        os.write(theirs, answer.encode() + b"\n")
    out, err = child.communicate(timeout=60 * slow())
    os.close(theirs)
    return child.returncode, out.decode(), (seen + err).decode()


def test_asked_twice(pair):
    """A mistyped or weak password is asked for again; nothing is echoed."""
    status, out, err = at_terminal(
        pair, "cert", "add", NAME, "--access", "web1", "--exportable", answers=(
            (b"Export password", "short"), (b"Export password", PASSWORD), (b"again", OTHER),
            (b"differ", ""), (b"Export password", PASSWORD), (b"again", PASSWORD))[:3] + (
            (b"Export password", PASSWORD), (b"again", PASSWORD)))
    assert status == 0, err
    assert PASSWORD not in out + err
    status, out, err = at_terminal(pair, "cert", "export", NAME, "--out", "a.pem",
                                   answers=((b"Export password of", PASSWORD),))
    assert status == 0 and PASSWORD not in out + err
    # Somebody is there when the exportable one gets a new key: asked again.
    status, _, err = at_terminal(pair, "cert", "renew", NAME, "--new-key", answers=(
        (b"Export password", OTHER), (b"again", OTHER)))
    assert status == 0, err
    export(pair, NAME, "--out", "b.pem", text=OTHER)
    status, out, _ = at_terminal(pair, "cert", "renew", NAME, "--new-key", "--no-export",
                                 answers=())
    assert status == 0 and "cannot be exported" in out


# --- attacks ---------------------------------------------------------------------------------------


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def post(domain, path, body):
    c = Unix(domain.data / "server/api.sock")
    c.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = c.getresponse()
    return answer.status, json.loads(answer.read())


def test_wrong_many_times(pair):
    """Five wrong ones in a row, at once or one behind the other; then the right one waits too."""
    add(pair)
    answers = []

    def guess(n):
        answers.append(export(pair, NAME, "--out", "x", text=OTHER, status=1, told=f"told{n}").err)

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(9)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted("too many" in a for a in answers) == [False] * 5 + [True] * 4
    assert not (pair.folder / "x").exists()
    answer = export(pair, NAME, "--out", "x", status=1).err
    assert "too many wrong passwords" in answer and re.search(r"in \d+ s", answer)
    assert show(pair)["export_refusals"] == 5
    # Other credentials are not held up, and their passwords open nothing here.
    add(pair, name="b.test.example", text=OTHER)
    export(pair, "b.test.example", "--out", "b.pem", text=OTHER)
    assert "wrong" in export(pair, "b.test.example", "--out", "x", status=1).err
    told = audit(pair)
    assert told.count(("cert.export-refused", NAME)) == 5
    assert told.count(("cert.export", NAME)) == 0


def test_replayed(pair):
    """What went over the socket once is of no use again, nor for another credential."""
    add(pair)
    add(pair, name="b.test.example")
    bodies = spy_on_export(pair, NAME)
    assert len(bodies) == 1
    path = f"/v1/certs/{NAME}/export"
    status, answer = post(pair, path, bodies[0])
    assert status == 403 and "used before" in answer["error"]["text"], answer
    other = show(pair, "b.test.example")["export_key"]["id"]
    status, answer = post(pair, "/v1/certs/b.test.example/export",
                          {**bodies[0], "export_key": other})
    assert status >= 400 and answer["error"]["code"] == "crypto", answer
    # A seal that makes a key exportable is for that one key.
    for body in ({"nonce": bodies[0]["nonce"]}, {"export_key": other, "password": "AAAA"},
                 {"export_key": other, "nonce": bodies[0]["nonce"], "password": ""},
                 {"export_key": other, "nonce": bodies[0]["nonce"], "password": "AAAA"},
                 {"export_key": "zz" * 16, "nonce": bodies[0]["nonce"], "password": "AAAA"}):
        assert post(pair, path, body)[0] >= 400, body


def spy_on_export(domain, name):
    """The bodies that the command posts, by a socket between it and the server."""
    between = domain.folder / "between.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(between))
    listener.listen(8)
    seen = []

    def relay():
        while True:
            try:
                a = listener.accept()[0]
            except OSError:
                return
            b = socket.socket(socket.AF_UNIX)
            b.connect(str(domain.data / "server/api.sock"))
            for x, y, keep in ((a, b, True), (b, a, False)):
                threading.Thread(target=pump, args=(x, y, seen if keep else None),
                                 daemon=True).start()

    def pump(x, y, keep):
        data = b""
        try:
            while chunk := x.recv(65536):
                data += chunk
                y.sendall(chunk)
        except OSError:
            pass
        if keep is not None:
            keep.append(data)
        for end in (x, y):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=relay, daemon=True).start()
    root = json.loads((domain.data / "server/domain.json").read_text())["root_fingerprint"]
    answer = domain.run("certherd", "cert", "export", name, "--export-password-file", word(domain),
                        "--out", "spied.pem", "--socket", between, "--root", root)
    assert answer.status == 0, answer
    wait_for(lambda: any(b"/export " in d for d in seen), 10, "the request to be seen")
    listener.close()
    posted = [d for d in seen if b"/export " in d.split(b"\r\n")[0]]
    assert PASSWORD.encode() not in b"".join(seen)
    return [json.loads(d.split(b"\r\n\r\n", 1)[1]) for d in posted]


def test_killed_signer(pair):
    """The signer dies with the question: the command says so, and the next one is answered."""
    add(pair)
    children = subprocess.run(["pgrep", "-P", str(pair.server.pid), "-f", "signer"],
                              capture_output=True, text=True, check=False).stdout.split()
    assert len(children) == 1
    os.kill(int(children[0]), signal.SIGSTOP)
    thread = threading.Thread(target=lambda: export(pair, NAME, "--out", "x", status=1))
    thread.start()
    wait_for(lambda: pair.json("status")["commit"]["queued"] >= 0, 5, "the server to answer")
    os.kill(int(children[0]), signal.SIGKILL)
    thread.join(60 * slow())
    assert not thread.is_alive() and not (pair.folder / "x").exists()

    def works():
        return export(pair, NAME, "--out", "y", status=None).status == 0

    wait_for(works, 20, "the next signer to answer")
    assert [a for a, _ in audit(pair)] == ["cert.export"]


def test_no_trace(pair):
    """Neither password nor key is in any file, log, or record that is not the exported one's."""
    add(pair)
    export(pair, NAME, "--format", "pem", "--out", pair.folder / "out.pem")
    key = serialization.load_pem_private_key((pair.folder / "out.pem").read_bytes(), None)
    secret = key.private_numbers().private_value.to_bytes(32, "big")
    (pair.folder / "out.pem").unlink()
    for name in ("word", "told"):
        (pair.folder / name).unlink(missing_ok=True)
    pair.server.stop()
    for path in pair.folder.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        assert secret not in content and PASSWORD.encode() not in content, path
        assert base64.b64encode(secret)[:40] not in content, path
