"""Certificates from a CA outside: OpenSSL's ca command, by hand and by the script of
deploy/examples/manual-ca (S000-1 to S000-16, S001-9, S001-10)."""

import json
import os
import pathlib
import signal
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from process import program, wait_for
from records import openssl

NAME = "shop.test.example"
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "deploy/examples/manual-ca"
MANUAL = ("--issuer", "manual", "--access", "web1")
SUBJECT = ("--subject", "C=DE", "--subject", "O=Example, Inc.")


class Ca:
    """A CA of OpenSSL's ca command, as the example makes one."""

    def __init__(self, folder):
        self.folder = folder
        subprocess.run([EXAMPLE / "make-openssl-ca", folder], check=True, capture_output=True)

    def sign(self, csr):
        return subprocess.run([EXAMPLE / "sign-with-openssl-ca", self.folder], input=csr, text=True,
                              check=True, capture_output=True).stdout


@pytest.fixture
def ca(tmp_path):
    return Ca(tmp_path / "ca")


def csr_of(domain, name=NAME):
    return domain.cli("cert", "csr", name).out


def show(domain, name=NAME):
    return domain.json("cert", "show", name)


def public_key(thing):
    return thing.public_key().public_bytes(serialization.Encoding.DER,
                                           serialization.PublicFormat.SubjectPublicKeyInfo)


def leaf(domain, node="web1", name=NAME):
    return x509.load_der_x509_certificate(domain.fetch(node, name).chain[0])


def test_by_hand(pair, ca):
    """From a draft to a certificate that is served, and no key has left the domain."""
    pair.cli("cert", "add", NAME, "www.test.example", "192.0.2.1", *MANUAL, *SUBJECT, "--draft")
    assert show(pair)["state"] == "draft"
    assert "no CSR" in pair.cli("cert", "csr", NAME, status=1).err
    said = pair.cli("cert", "submit", NAME).out
    assert f"certherd cert csr {NAME}" in said and f"certherd cert paste {NAME}" in said
    assert show(pair)["state"] == "waiting" and show(pair)["csr"]
    csr = x509.load_pem_x509_csr(csr_of(pair).encode())
    assert csr.is_signature_valid
    assert csr.subject.rfc4514_string() == rf"CN={NAME},O=Example\, Inc.,C=DE"
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAME, "www.test.example"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]
    assert not pair.fetch("web1", NAME).ok
    assert "CSR waits" in pair.json("why-not", "web1", NAME)["why"]
    result = pair.cli("cert", "paste", NAME, stdin=ca.sign(csr_of(pair)))
    assert "warning" not in result.out, result
    fetched = pair.fetch("web1", NAME, "-CAfile", str(ca.folder / "ca.pem"), "-verify_hostname", NAME)
    assert fetched.verified, fetched.text
    assert public_key(leaf(pair)) == public_key(csr)
    shown = show(pair)
    assert (shown["state"], shown["csr"], shown["generation"]) == ("issued", False, 1)
    assert not pair.fetch("web2", NAME).ok
    assert "no CSR" in pair.cli("cert", "csr", NAME, status=1).err


ANSWERS = {
    "text around it": lambda f: b"Dear customer,\r\n\r\n" + f["pem"].replace(b"\n", b"\r\n") + b"\r\nBye\r\n",
    "issuer first": lambda f: f["ca"] + b"\n" + f["leaf"],
    "DER": lambda f: openssl("x509", "-outform", "DER", stdin=f["leaf"]).stdout,
    "PKCS#7": lambda f: openssl("crl2pkcs7", "-nocrl", "-certfile", f["file"]).stdout,
    "PKCS#7 in DER": lambda f: openssl("crl2pkcs7", "-nocrl", "-certfile", f["file"], "-outform",
                                       "DER").stdout,
}


@pytest.mark.parametrize("form", ANSWERS)
def test_forms_of_answers(domain, ca, tmp_path, form):
    domain.cli("cert", "add", NAME, "--issuer", "manual", "--access", "")
    pem = ca.sign(csr_of(domain)).encode()
    parts = pem.split(b"-----BEGIN")
    (tmp_path / "chain.pem").write_bytes(pem)
    answer = tmp_path / "answer"
    answer.write_bytes(ANSWERS[form]({"pem": pem, "leaf": b"-----BEGIN" + parts[1],
                                      "ca": b"-----BEGIN" + parts[2],
                                      "file": str(tmp_path / "chain.pem")}))
    result = domain.cli("cert", "paste", NAME, answer, "--json").json
    incomplete = [w for w in result["change"]["warnings"] if "is not here" in w]
    assert bool(incomplete) == (form == "DER")
    chain = domain.cli("cert", "show", NAME, "--chain").out
    assert chain.count("BEGIN CERTIFICATE") == (1 if form == "DER" else 2)


def test_several_leaves(domain, ca, tmp_path):
    """A CA that answers several requests at once: each credential finds its own by its key, and
    says what it left."""
    names = [f"n{i}.test.example" for i in range(3)]
    for name in names:
        domain.cli("cert", "add", name, "--issuer", "manual", "--access", "")
    answers = [ca.sign(csr_of(domain, name)) for name in names]
    everything = tmp_path / "answers.p7b"
    (tmp_path / "all.pem").write_text("".join(answers))
    everything.write_bytes(openssl("crl2pkcs7", "-nocrl", "-certfile", tmp_path / "all.pem",
                                   "-outform", "DER").stdout)
    for name in reversed(names):
        said = domain.cli("cert", "paste", name, everything).out
        assert "not part of the chain" in said
        chain = domain.cli("cert", "show", name, "--chain").out
        made = x509.load_pem_x509_certificate(chain.encode())
        assert made.subject.rfc4514_string().startswith(f"CN={name}"), made.subject
        assert chain.count("BEGIN CERTIFICATE") == 2


def test_refusals(domain, ca, tmp_path):
    """Each says what is wrong with what, and nothing is changed."""
    domain.cli("cert", "add", "other.test.example", "--issuer", "manual", "--access", "")
    other = ca.sign(csr_of(domain, "other.test.example"))
    domain.cli("cert", "add", "micro.test.example", "--access", "")
    domain.cli("cert", "add", NAME, "--issuer", "manual", "--access", "", "--draft")
    assert "no CSR yet" in domain.cli("cert", "paste", NAME, stdin=other, status=1).err
    domain.cli("cert", "submit", NAME)
    before = domain.json("status")["seq"]
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True,
                         text=True, check=True).stdout
    for words, stdin, says in (
            (("paste", "nobody.test.example"), other, "nobody.test.example"),
            (("paste", NAME), "", "an empty file"),
            (("paste", NAME), "no certificate today", "standard input"),
            (("paste", NAME), key, "no certificate"),
            (("paste", NAME), csr_of(domain), "no certificate"),
            (("paste", NAME), other, "SHA-256"),
            (("paste", NAME), other.replace("MII", "MIj"), "standard input"),
            (("paste", NAME), (ca.folder / "ca.pem").read_text(), "SHA-256"),
            (("paste", "micro.test.example"), other, "micro"),
            (("csr", "micro.test.example"), "", "needs no CSR"),
            (("csr", "nobody.test.example"), "", "nobody.test.example"),
            (("submit", NAME), "", "cert csr"),
            (("submit", "micro.test.example"), "", "cert renew"),
            (("paste", NAME, tmp_path / "absent"), "", "absent")):
        answer = domain.cli("cert", *words, stdin=stdin, status=None)
        assert answer.status in (1, 2) and says in answer.err, (words, answer)
    assert domain.json("status")["seq"] == before
    assert show(domain)["state"] == "waiting"


@pytest.mark.parametrize("key_type", ["rsa-2048", "ec-p384", "ed25519"])
def test_key_types(pair, ca, key_type):
    pair.cli("cert", "add", NAME, *MANUAL, "--key-type", key_type)
    pair.cli("cert", "paste", NAME, stdin=ca.sign(csr_of(pair)))
    pair.wait_served("web1", NAME)


def test_renewal_by_hand(pair, ca):
    """Same key, the leaf alone is enough, and the old one is served until it comes."""
    pair.cli("cert", "add", NAME, *MANUAL)
    pair.cli("cert", "paste", NAME, stdin=ca.sign(csr_of(pair)))
    old = pair.fetch("web1", NAME).fingerprint
    pair.cli("cert", "renew", NAME)
    assert show(pair)["csr"]
    assert pair.fetch("web1", NAME).fingerprint == old
    answer = ca.sign(csr_of(pair)).split("-----END CERTIFICATE-----\n")[0] + "-----END CERTIFICATE-----\n"
    result = pair.cli("cert", "paste", NAME, "--json", stdin=answer).json
    assert result["change"]["warnings"] == []
    pair.wait_served("web1", NAME, other_than=old)
    assert show(pair)["generation"] == 2
    pair.restart_server()
    pair.cli("cert", "renew", NAME, "--new-key")
    pair.restart_server()
    key = public_key(leaf(pair))
    pair.cli("cert", "paste", NAME, stdin=ca.sign(csr_of(pair)))
    wait_for(lambda: public_key(leaf(pair)) != key, 15, "the new key to be served")


class Script:
    """The example's carry-csr in the background, with a log of its own."""

    def __init__(self, domain, ca, *options, command=None):
        self.log = domain.folder / "carry.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [EXAMPLE / "carry-csr", "--certherd", program("certherd"), "--data", domain.data,
                 *options, "--", *(command or [EXAMPLE / "sign-with-openssl-ca", ca.folder])],
                stdout=log, stderr=log, env=os.environ, start_new_session=True)

    def end(self):
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(20)


@pytest.fixture
def carry(pair, ca):
    script = Script(pair, ca)
    yield script
    script.end()
    print(script.log.read_text())


def test_script_carries(pair, ca, carry):
    """Driven by watch --json from end to end: add, and it is served."""
    pair.cli("cert", "add", NAME, *MANUAL, *SUBJECT)
    first = pair.wait_served("web1", NAME)
    fetched = pair.fetch("web1", NAME, "-CAfile", str(ca.folder / "ca.pem"), "-verify_hostname", NAME)
    assert fetched.verified, fetched.text
    pair.cli("cert", "renew", NAME)
    pair.wait_served("web1", NAME, other_than=first)
    # Many at once, and one that the CA refuses between them.
    pair.cli("cert", "add", "x.test.example", *MANUAL, "--subject", "STREET=nowhere", "--draft")
    for i in range(5):
        pair.cli("cert", "add", f"n{i}.test.example", *MANUAL)
    for i in range(5):
        pair.wait_served("web1", f"n{i}.test.example")


def test_script_tries_again(pair, ca, tmp_path):
    """A CA that is away for a while: nobody has to start anything anew."""
    open_file = tmp_path / "open"
    sign = tmp_path / "sign"
    sign.write_text(f"#!/bin/sh\nset -eu\n[ -e '{open_file}' ] || {{ echo closed >&2; exit 1; }}\n"
                    f"exec '{EXAMPLE / 'sign-with-openssl-ca'}' '{ca.folder}'\n")
    sign.chmod(0o755)
    script = Script(pair, ca, "--again", "0.5", command=[sign])
    try:
        pair.cli("cert", "add", NAME, *MANUAL)
        wait_for(lambda: "closed" in script.log.read_text(), 20, "the first try")
        assert show(pair)["state"] == "waiting"
        open_file.touch()
        pair.wait_served("web1", NAME)
    finally:
        script.end()


def test_script_finds_what_waits(pair, ca):
    """What was asked for while nobody watched is carried at the start."""
    pair.cli("cert", "add", NAME, *MANUAL)
    script = Script(pair, ca, "--once")
    assert script.process.wait(60) == 0, script.log.read_text()
    pair.wait_served("web1", NAME)


def test_watch_reports_each_state(pair, ca):
    """A line for each move, as it happens."""
    with subprocess.Popen([program("certherd"), "watch", "--json", "--data", pair.data],
                          stdout=subprocess.PIPE, text=True) as watch:
        events = (json.loads(line) for line in watch.stdout if line.strip())
        assert next(events)["event"] == "begin"

        def state():
            for event in events:
                for record in event.get("records", []):
                    if record["kind"] == "credential":
                        return record["name"], record["issuer"], record["state"], record["csr"]
            return None

        pair.cli("cert", "add", NAME, *MANUAL, "--draft")
        assert state() == (NAME, "manual", "draft", False)
        pair.cli("cert", "submit", NAME)
        assert state() == (NAME, "manual", "waiting", True)
        csr = pair.cli("cert", "csr", NAME, "--submitted").out
        assert csr == csr_of(pair)
        assert state() == (NAME, "manual", "submitted", True)
        assert "1 with their CA" in pair.cli("status").out
        seq = pair.json("status")["seq"]
        pair.cli("cert", "csr", NAME, "--submitted")
        assert pair.json("status")["seq"] == seq, "it is noted once"
        pair.cli("cert", "paste", NAME, stdin=ca.sign(csr))
        assert state() == (NAME, "manual", "issued", False)
        assert "no CSR" in pair.cli("cert", "csr", NAME, "--submitted", status=1).err
        pair.cli("cert", "renew", NAME)
        assert state() == (NAME, "manual", "waiting", True)
        pair.cli("cert", "archive", NAME)
        assert state() == (NAME, "manual", "archived", True)
        watch.terminate()


def test_profiles(pair, ca):
    """What a CSR and a leaf of the Micro CA say that they are for; ports serve those for servers."""
    usages = {"server": {"1.3.6.1.5.5.7.3.1"}, "client": {"1.3.6.1.5.5.7.3.2"},
              "both": {"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"}}
    for profile, wanted in usages.items():
        name = f"{profile}.test.example"
        pair.cli("cert", "add", name, *MANUAL, "--profile", profile)
        csr = x509.load_pem_x509_csr(csr_of(pair, name).encode())
        pair.cli("cert", "add", f"micro-{name}", "--access", "web1", "--profile", profile,
                 *SUBJECT)
        pem = pair.cli("cert", "show", f"micro-{name}", "--chain").out
        if profile == "client":
            assert show(pair, f"micro-{name}")["expected"] == 0
            assert not pair.fetch("web1", f"micro-{name}").ok
        else:
            pair.wait_served("web1", f"micro-{name}")
        made = x509.load_pem_x509_certificate(pem.encode())
        for thing in (csr, made):
            usage = thing.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            assert {u.dotted_string for u in usage} == wanted
        assert pair.json("why-not", "web1", f"micro-{name}")["should_serve"] == (profile != "client")
        assert r"O=Example\, Inc.,C=DE" in made.subject.rfc4514_string()
