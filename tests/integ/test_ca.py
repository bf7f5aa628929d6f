"""Micro CAs as others see them: openssl(1) judges leaves by the revocation lists that it fetches from
the http ports of replicas, under the addresses that stand in the leaves."""

import re
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest
from domain import free_port
from process import program, wait_for
from records import openssl

NAME = "www.test.example"


def ports_of(http):
    return ('port "https" {\n    listen = "127.0.0.1:0"\n}\n'
            f'port "plain" {{\n    kind = "http"\n    listen = "127.0.0.1:{http}"\n}}\n')


class Pki:
    """A domain with two replicas, whose http ports are behind one name each."""

    def __init__(self, domain):
        self.domain, self.http = domain, {"web1": free_port(), "web2": free_port()}
        for name, port in self.http.items():
            domain.replica(name, ports=ports_of(port))
        self.folder = domain.folder

    def address(self, node="web1"):
        return f"http://127.0.0.1:{self.http[node]}"

    def get(self, url, node=None):
        """Body and type; node: asked in place of the one in the URL."""
        if node:
            url = self.address(node) + re.sub(r"^http://[^/]*", "", url)
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.read(), answer.headers["Content-Type"]

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def leaf(self, file="leaf", node="web1", name=NAME):
        """What a node serves: path of the leaf, of what it sends behind it, and the leaf's text."""
        chain = [ssl.DER_cert_to_PEM_cert(c) for c in self.domain.fetch(node, name).chain]
        leaf = self.file(f"{file}.pem", chain[0])
        others = self.file(f"{file}.others.pem", "".join(chain[1:])) if chain[1:] else None
        return leaf, others, openssl("x509", "-in", leaf, "-noout", "-text").stdout.decode()

    def root(self, ca="default"):
        path = self.folder / f"{ca}.root.pem"
        self.domain.cli("ca", "export", ca, "--chain", "--out", path)
        return path

    def list_of(self, text, node=None):
        """The list that a leaf names, as PEM in a file."""
        url = re.search(r"URI:(http://\S+\.crl)", text).group(1)
        body, kind = self.get(url, node)
        assert kind == "application/pkix-crl"
        path = self.file("list.der", body)
        pem = self.folder / "list.pem"
        openssl("crl", "-inform", "DER", "-in", path, "-out", pem)
        return pem

    def verify(self, leaf, root, *lists, untrusted=None):
        words = ["-untrusted", untrusted] if untrusted else []
        for one in lists:
            words += ["-CRLfile", one]
        return openssl("verify", "-x509_strict", "-crl_check", "-CAfile", root, *words, leaf)

    def cert(self, name=NAME):
        return self.domain.json("cert", "show", name)


@pytest.fixture
def pki(domain):
    return Pki(domain)


def test_revoked_leaf(pki):
    """A leaf names the list and the CA; it verifies, is revoked, and does not verify any more; no
    replica serves it when the command is done."""
    domain = pki.domain
    domain.cli("ca", "create", "default", "--default", "--address", pki.address() + "/")
    domain.add(NAME, ["web1", "web2"])
    leaf, _, text = pki.leaf()
    root = pki.root()
    assert f"URI:{pki.address()}/crl/" in text and "CRL Distribution Points" in text
    ca_url = re.search(r"CA Issuers - URI:(http://\S+\.crt)", text).group(1)
    body, kind = pki.get(ca_url)
    assert kind == "application/pkix-cert"
    assert openssl("x509", "-inform", "DER", "-in", pki.file("ca.der", body)).stdout.decode() \
        == root.read_text()
    wait_for(lambda: pki.verify(leaf, root, pki.list_of(text)).returncode == 0, 10, "a list")
    listed = openssl("crl", "-in", pki.list_of(text, "web2"), "-noout", "-text", "-CAfile",
                     root)
    assert b"No Revoked Certificates" in listed.stdout and b"verify OK" in listed.stderr

    before = pki.cert()
    out = domain.cli("cert", "revoke", NAME, "--reason", "superseded").out
    assert "generation 1" in out and "confirmed" not in out
    # At once: not after some time, on neither replica.
    for node in ("web1", "web2"):
        assert not domain.fetch(node, NAME).ok, node
        wait_for(lambda n=node: b"certificate revoked" in pki.verify(
            leaf, root, pki.list_of(text, n)).stderr, 5, f"{node} to have the list")
    text_of_list = openssl("crl", "-in", pki.list_of(text), "-noout", "-text").stdout.decode()
    serial = openssl("x509", "-in", leaf, "-noout", "-serial").stdout.decode().strip()
    assert serial.partition("=")[2].lstrip("0") in text_of_list
    assert "Superseded" in text_of_list
    after = pki.cert()
    assert before["state"] == "issued" and after["state"] == "revoked"
    generation = after["generations"][0]
    assert generation["revoked"] and generation["reason"] == "superseded"
    assert "revoked already" in domain.cli("cert", "revoke", NAME, status=1).err

    # A new certificate ends that; the old one stays in the list, also over a restart.
    domain.cli("cert", "renew", NAME)
    domain.wait_served("web1", NAME)
    fresh = pki.leaf("fresh")[0]
    assert pki.verify(fresh, root, pki.list_of(text)).returncode == 0
    assert pki.verify(leaf, root, pki.list_of(text)).returncode != 0
    domain.restart_server()
    domain.replicas["web2"].stop()
    domain.replicas["web2"].start()
    assert serial.partition("=")[2].lstrip("0") in openssl(
        "crl", "-in", pki.list_of(text, "web2"), "-noout", "-text").stdout.decode()
    shown = domain.json("ca", "show", "default")
    assert shown["crl"]["entries"] == 1 and shown["crl"]["unlisted"] == 0
    domain.agree()


def test_compromised_key(pki):
    """All that was certified for a compromised key goes, and the next renewal has another one."""
    domain = pki.domain
    domain.add(NAME, ["web1"])
    assert "no revocation list" in domain.cli("ca", "export", "default", "--crl", status=1).err
    domain.cli("cert", "renew", NAME)
    domain.cli("cert", "revoke", NAME, "--reason", "key-compromise")
    generations = pki.cert()["generations"]
    assert [g["revoked"] for g in generations] == [True, True]
    key = generations[0]["key"]
    domain.cli("cert", "renew", NAME)
    assert pki.cert()["generations"][0]["key"] != key
    listed = domain.json("ca", "show", "default")["crl"]
    assert listed["entries"] == 2
    reasons = domain.cli("ca", "export", "default", "--crl").out
    assert domain.cli("ca", "export", "default", "--crl", "--out", "-").out == reasons
    assert subprocess.run([program("certherd"), "ca", "export", "default", "--crl", "--format", "der",
                           "--data", domain.data], capture_output=True, check=True).stdout == \
        ssl.PEM_cert_to_DER_cert(reasons.replace("X509 CRL", "CERTIFICATE")), "also through a pipe"
    shown = openssl("crl", "-noout", "-text", stdin=reasons.encode()).stdout.decode()
    assert shown.count("Key Compromise") == 2
    refused = domain.cli("cert", "activate", NAME, "1", status=1).err
    assert "never comes into force" in refused
    assert "no reason" in domain.cli("cert", "revoke", NAME, "--reason", "boredom", status=2).err


def test_intermediate(pki):
    """A leaf comes with the intermediate, and both lists are where the certificates say."""
    domain = pki.domain
    domain.cli("ca", "create", "root", "--address", pki.address())
    domain.cli("ca", "create", "issuing", "--under", "root", "--default")
    domain.add(NAME, ["web1"])
    leaf, between, text = pki.leaf()
    root = pki.file("root.pem", domain.cli("ca", "export", "root").out)
    assert between.read_text().count("BEGIN CERTIFICATE") == 1, "the root is not sent"
    between_text = openssl("x509", "-in", between, "-noout", "-text").stdout.decode()
    assert "pathlen:0" in between_text
    assert "pathlen:1" in openssl("x509", "-in", root, "-noout", "-text").stdout.decode()
    of_leaf = wait_for(lambda: pki.list_of(text).rename(pki.folder / "leaf.crl"), 10, "a list")
    of_root = pki.list_of(between_text)
    checked = openssl("verify", "-x509_strict", "-crl_check_all", "-CAfile", root, "-untrusted",
                      between, "-CRLfile", of_leaf, "-CRLfile", of_root, leaf)
    assert checked.returncode == 0, checked
    assert domain.cli("ca", "create", "deeper", "--under", "issuing", status=2)
    assert "green" in domain.cli("cert", "chain", NAME).out
    # One command makes the root one that other parts of the domain trust.
    domain.cli("trust", "add", "--ca", "issuing", "--for", "client", "--label", "inside")
    trusted = domain.json("trust", "show", "inside")
    assert trusted["certificate"].strip() == root.read_text().strip()


def test_renewed_ca(pki):
    """With its key all leaves stay good under either certificate; with a new key who trusts the old
    CA believes the leaves of the new one, and the old one goes on listing what it has issued."""
    domain = pki.domain
    domain.cli("ca", "create", "default", "--default", "--lifetime", "400d", "--address",
               pki.address())
    domain.add(NAME, ["web1"])
    leaf, _, text = pki.leaf()
    first = pki.root().read_text()
    domain.cli("ca", "renew", "default", "--lifetime", "800d")
    second = pki.root().read_text()
    assert first != second
    for root in (first, second):
        assert pki.verify(leaf, pki.file("r.pem", root), pki.list_of(text)).returncode == 0
    assert domain.cli("ca", "renew", "default", "--lifetime", "300d", status=2)

    warned = domain.cli("ca", "renew", "default", "--new-key")
    assert "believes them" in warned.out + warned.err
    names = {ca["name"]: ca for ca in domain.json("ca", "list")["cas"]}
    assert names["default.1"]["state"] == "superseded"
    assert names["default.1"]["successor"] == "default" and names["default"]["default"]
    domain.cli("cert", "renew", NAME)
    domain.wait_served("web1", NAME, other_than=domain.fetch("web2", NAME).fingerprint)
    fresh, between, fresh_text = pki.leaf("fresh")
    assert between.read_text().count("BEGIN CERTIFICATE") == 1
    # Completing leaves the certificate by the CA of before, which clients need until they are moved.
    chain = domain.cli("cert", "chain", NAME).out
    assert "green" in chain and "better" not in chain
    assert "0 of 1 chains" in domain.cli("cert", "chain", "--complete", "--all").out
    fresh_list = wait_for(lambda: pki.list_of(fresh_text), 10, "its list")
    assert pki.verify(fresh, pki.root(), fresh_list).returncode == 0
    old = pki.file("old.pem", second)
    assert pki.verify(fresh, old, fresh_list, untrusted=between).returncode == 0
    assert pki.verify(fresh, old, fresh_list).returncode != 0
    # The leaf of before is revoked by who has issued it.
    domain.cli("cert", "revoke", NAME, "--generation", "1")
    assert pki.cert()["state"] == "issued"
    assert domain.json("ca", "show", "default.1")["crl"]["entries"] == 1
    wait_for(lambda: b"certificate revoked" in pki.verify(leaf, old, pki.list_of(text)).stderr,
             10, "web1 to have the list")


def test_disabled(pki):
    """One that is off issues nothing and is not the default one; what it has issued stays."""
    domain = pki.domain
    domain.add(NAME, ["web1"])
    assert "default one" in domain.cli("ca", "disable", "default", status=1).err
    domain.cli("ca", "create", "other")
    domain.cli("ca", "default", "other")
    domain.cli("ca", "disable", "default")
    assert "not enabled" in domain.cli("cert", "renew", NAME, status=2).err
    assert domain.fetch("web1", NAME).ok
    domain.cli("ca", "enable", "default")
    domain.cli("cert", "renew", NAME)
    assert "https" in domain.cli("ca", "change", "other", "--address", "https://x", status=2).err
    domain.cli("ca", "change", "other", "--address", pki.address())
    shown = wait_for(lambda: domain.json("ca", "show", "other").get("crl") and
                     domain.json("ca", "show", "other"), 10, "a list")
    assert shown["crl_url"].startswith(pki.address() + "/crl/")
    domain.cli("ca", "change", "other", "--address", "none")
    assert "address" not in domain.json("ca", "show", "other")


def test_what_is_not_there(pki):
    for path in ("/crl/" + "0" * 32 + ".crl", "/ca/" + "0" * 32 + ".crt"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            pki.get(pki.address() + path)
        assert refused.value.code == 404


def test_refresh(pki):
    """A list is signed anew at half of its lifetime, and each replica gives out the new one."""
    domain = pki.domain
    domain.cli("setting", "set", "crl-lifetime", "60s")
    domain.cli("ca", "create", "default", "--default", "--address", pki.address())
    shown = wait_for(lambda: domain.json("ca", "show", "default").get("crl"), 10, "a list")
    later = wait_for(lambda: (lambda crl: crl if crl["number"] > shown["number"] else None)(
        domain.json("ca", "show", "default")["crl"]), 60, "the next list")
    assert later["next_update"] > shown["next_update"]
