"""Keys and certificates of a credential that follow each other: older ones, rekey, changes."""

import pathlib
import random
import subprocess
import threading

import pytest
from cryptography import x509
from process import wait_for

NAME = "www.test.example"
NEW = "shop.test.example"
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "deploy/examples/manual-ca"


@pytest.fixture
def sign(tmp_path):
    """A CA outside: CSR to answer."""
    subprocess.run([EXAMPLE / "make-openssl-ca", tmp_path / "ca"], check=True, capture_output=True)
    return lambda csr: subprocess.run([EXAMPLE / "sign-with-openssl-ca", tmp_path / "ca"], input=csr,
                                      text=True, check=True, capture_output=True).stdout


def san(domain, node, name):
    """DNS names of the leaf that a node serves for a name."""
    leaf = x509.load_der_x509_certificate(domain.fetch(node, name).chain[0])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


def generations(domain, name=NAME):
    """Number to what the command says of it."""
    return {g["number"]: g for g in domain.json("cert", "generations", name)["generations"]}


def states(domain, name=NAME):
    return {number: g["state"] for number, g in generations(domain, name).items()}


def test_older_ones(pair):
    """An older one comes back within a moment on every node; what is put away nobody opens."""
    pair.add(NAME, ["web1", "web2"])
    leaf = pair.wait_served("web1", NAME)
    pair.cli("cert", "renew", NAME, "--new-key")
    second = pair.wait_served("web1", NAME, other_than=leaf)
    assert states(pair) == {1: "older", 2: "in force"}
    assert generations(pair)[1]["key"] != generations(pair)[2]["key"]
    said = pair.cli("cert", "activate", NAME, 1)
    assert "generation 1" in said.out and "served by 2 of 2" in said.out
    for node in ("web1", "web2"):
        assert pair.fetch(node, NAME).fingerprint == leaf
    assert states(pair) == {1: "in force", 2: "older"}
    assert "in force already" in pair.cli("cert", "activate", NAME, 1, status=1).err
    assert "is in force" in pair.cli("cert", "archive", NAME, "--generation", 1, status=1).err
    assert "no generation 9" in pair.cli("cert", "activate", NAME, 9, status=1).err
    assert "count from 1" in pair.cli("cert", "activate", NAME, "last", status=2).err
    pair.cli("cert", "archive", NAME, "--generation", 2)
    assert states(pair)[2] == "archived" and generations(pair)[2]["archived"]
    assert pair.fetch("web1", NAME).fingerprint == leaf
    # From the archive it comes back too, sealed to the servers again.
    pair.cli("cert", "activate", NAME, 2)
    assert pair.wait_served("web2", NAME, second) == second
    table = pair.cli("cert", "generations", NAME).out.splitlines()
    assert table[1].split()[:3] == ["2", "in", "force"] and table[2].split()[:2] == ["1", "older"]
    pair.agree()


def test_access_is_taken_from_older_ones(pair):
    """Who has lost access does not get back to an older key, and who has it still does."""
    pair.add(NAME, ["web1", "web2"])
    leaf = pair.wait_served("web2", NAME)
    pair.cli("cert", "renew", NAME, "--new-key")
    pair.cli("cert", "access", NAME, "--remove", "web1")
    pair.wait_refused("web1", NAME)
    pair.cli("cert", "activate", NAME, 1)
    assert pair.wait_served("web2", NAME, leaf) == leaf
    assert not pair.fetch("web1", NAME).ok
    assert "not among the servers" in pair.json("why-not", "web1", NAME)["why"]


def test_change_of_a_micro_ca(pair):
    """Names, key type and issuer: served within a moment, with the key as long as its type fits."""
    pair.add(NAME, ["web1", "web2"])
    leaf = pair.wait_served("web1", NAME)
    said = pair.cli("cert", "change", NAME, "--add-name", NEW).out
    assert "is changed: generation 2" in said and "served by 2 of 2" in said
    for node in ("web1", "web2"):
        assert san(pair, node, NEW) == [NAME, NEW] == san(pair, node, NAME)
    assert pair.fetch("web1", NAME).fingerprint != leaf
    assert generations(pair)[1]["key"] == generations(pair)[2]["key"]
    pair.cli("cert", "change", NAME, "--remove-name", NAME, "--key-type", "rsa-2048")
    pair.wait_refused("web2", NAME)
    assert san(pair, "web2", NEW) == [NEW]
    assert generations(pair)[3]["key_type"] == "rsa-2048"
    before = pair.json("status")["seq"]
    assert "like that already" in pair.cli("cert", "change", NAME, "--key-type", "rsa-2048").out
    for words, status, says in (
            (("--add-name", "not a name"), 1, "not a name"),
            (("--remove-name", NEW), 1, "no name left"),
            (("--remove-name", "x.test.example"), 1, "no name 'x.test.example'"),
            (("--ca", "Nobody"), 1, "Nobody"),
            (("--key-type", "rsa-1"), 1, "rsa-1"),
            (("--issuer", "manual", "--lifetime", "1d"), 1, "decides the lifetime"),
            ((), 1, "nothing is said")):
        answer = pair.cli("cert", "change", NAME, *words, status=None)
        assert answer.status in (1, 2) and says in answer.err, (words, answer)
    assert pair.json("status")["seq"] == before
    # An older one has older names; nobody else's are touched.
    pair.cli("cert", "activate", NAME, 1)
    assert pair.wait_served("web1", NAME, leaf) == leaf
    pair.wait_refused("web1", NEW)
    pair.agree()


def test_change_that_waits(pair, sign):
    """While the CSR waits, what is served does not move; not even when all are started anew."""
    pair.cli("cert", "add", NAME, "--issuer", "manual", "--access", "web1,web2")
    pair.cli("cert", "paste", NAME, stdin=sign(pair.cli("cert", "csr", NAME).out))
    leaf = pair.wait_served("web1", NAME)
    said = pair.cli("cert", "change", NAME, "--remove-name", NAME, "--add-name", NEW, "--key-type",
                    "ec-p384", "--profile", "client")
    assert "waits for its certificate" in said.out and "what is served stays" in said.out
    pair.cli("cert", "change", NAME, "--profile", "server")
    assert states(pair) == {1: "in force", 3: "waiting"}

    def unmoved():
        assert pair.fetch("web1", NAME).fingerprint == leaf == pair.fetch("web2", NAME).fingerprint
        assert not pair.fetch("web1", NEW).ok
        assert pair.json("explain", NAME)["candidates"][0]["serves"]
        assert "has not this name" in pair.json("explain", NEW)["candidates"][0]["why"]
        lines = dict(line.split(None, 1) for line in pair.cli("cert", "show", NAME).out.splitlines()
                     if line.startswith(("names ", "in force ")))
        assert lines == {"names": NEW, "in": f"force      {NAME}"}

    unmoved()
    pair.restart_server()
    for replica in pair.replicas.values():
        replica.kill()
        replica.start()
    unmoved()
    pair.cli("cert", "paste", NAME, stdin=sign(pair.cli("cert", "csr", NAME).out))
    pair.wait_served("web1", NEW)
    pair.wait_refused("web1", NAME)
    assert san(pair, "web1", NEW) == [NEW]
    assert generations(pair)[3]["key_type"] == "ec-p384"


def test_imported_moves_on(pair, tmp_path, sign):
    """From a file to a CA outside, with its key, and on to a Micro CA."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                    tmp_path / "all.pem", "-out", tmp_path / "cert.pem", "-subj", f"/CN={NAME}",
                    "-addext", f"subjectAltName=DNS:{NAME}", "-addext",
                    "basicConstraints=critical,CA:FALSE"], check=True, capture_output=True)
    with open(tmp_path / "all.pem", "ab") as all_of_it:
        all_of_it.write((tmp_path / "cert.pem").read_bytes())
    pair.cli("cert", "import", tmp_path / "all.pem", "--access", "web1")
    leaf = pair.wait_served("web1", NAME)
    assert "--issuer micro or manual" in pair.cli("cert", "change", NAME, "--add-name", NEW,
                                                  status=2).err
    pair.cli("cert", "change", NAME, "--issuer", "manual", "--add-name", NEW)
    assert pair.fetch("web1", NAME).fingerprint == leaf
    pair.cli("cert", "paste", NAME, stdin=sign(pair.cli("cert", "csr", NAME).out))
    outside = pair.wait_served("web1", NEW)
    pair.cli("cert", "change", NAME, "--issuer", "micro")
    pair.wait_served("web1", NAME, other_than=outside)
    known = generations(pair)
    assert len({g["key"] for g in known.values()}) == 1 and set(known) == {1, 2, 3}
    assert {g["key_type"] for g in known.values()} == {"rsa-2048"}


def test_killed_in_the_middle(pair):
    """kill -9 at random moments of changes: each was made wholly, or not at all."""
    pair.add(NAME, ["web1", "web2"])
    rng, done = random.Random(7), threading.Event()

    def change_names():
        for i in range(30):
            pair.cli("cert", "change", NAME, "--add-name", f"n{i}.test.example", "--no-wait",
                     status=None)
        done.set()

    changer = threading.Thread(target=change_names)
    changer.start()
    rounds = 0
    while not done.wait(rng.uniform(0.05, 0.4)):
        pair.server.kill()
        pair.server.start()
        rounds += 1
    changer.join()
    assert rounds
    shown = pair.json("cert", "show", NAME)
    active = next(g for g in shown["generations"] if g["active"])
    assert active["names"] == shown["names"]
    assert len(shown["names"]) == active["number"]
    for node in ("web1", "web2"):
        wait_for(lambda: san(pair, node, NAME) == shown["names"], 20, f"{node} to serve them all")
    pair.agree()


def wait_states(domain, expected, name=NAME):
    wait_for(lambda: states(domain, name) == expected, 20, f"{name} to have {expected}")


def test_rekey(pair):
    """Three reasons: nothing happens to the old one, or it is revoked in the end, or at once."""
    pair.add(NAME, ["web1", "web2"])
    first = pair.wait_served("web1", NAME)
    said = pair.cli("cert", "rekey", NAME).out
    assert "has a new key: generation 2" in said and "revoked" not in said
    assert states(pair) == {1: "older", 2: "in force"}
    # As long as one node may still serve the old one it is believed, whatever happens meanwhile.
    pair.replicas["web2"].stop()
    said = pair.cli("cert", "rekey", NAME, "--reason", "revoke", "--wait", "0s").out
    assert "when every node serves the new one" in said
    assert generations(pair)[2]["retires"] == "when-served"
    assert "to be revoked" in pair.cli("cert", "generations", NAME).out
    assert "about to be revoked" in pair.cli("cert", "activate", NAME, 2, status=1).err
    pair.server.kill()
    pair.server.start()
    pair.wait_served("web1", NAME)
    assert states(pair) == {1: "older", 2: "older", 3: "in force"}
    pair.replicas["web2"].start()
    wait_states(pair, {1: "older", 2: "revoked", 3: "in force"})
    assert pair.wait_served("web2", NAME) == pair.fetch("web1", NAME).fingerprint != first
    # Another key has nothing to do with it.
    pair.cli("cert", "activate", NAME, 1)
    assert pair.wait_served("web1", NAME, first) == first
    # A compromised one takes all along that was certified for it, and never comes back.
    pair.cli("cert", "renew", NAME)
    said = pair.cli("cert", "rekey", NAME, "--reason", "compromised").out
    assert "has a new key: generation 5" in said and "never comes into force again" in said
    wait_states(pair, {1: "withdrawn", 2: "revoked", 3: "older", 4: "withdrawn", 5: "in force"})
    assert "compromised" in pair.cli("cert", "activate", NAME, 1, status=1).err
    assert pair.wait_served("web2", NAME) == pair.wait_served("web1", NAME) != first
    pair.agree()


def test_rekey_of_a_ca_outside(pair, sign):
    """What is in force goes on until there is another one, and it is told what remains to be done."""
    pair.cli("cert", "add", NAME, "--issuer", "manual", "--access", "web1")
    answer = sign(pair.cli("cert", "csr", NAME).out)
    pair.cli("cert", "paste", NAME, stdin=answer)
    leaf = pair.wait_served("web1", NAME)
    said = pair.cli("cert", "rekey", NAME, "--reason", "compromised").out
    assert "revoked at its CA now" in said and "waits for its certificate" in said
    assert pair.fetch("web1", NAME).fingerprint == leaf
    assert generations(pair)[1]["retires"] == "when-replaced"
    assert generations(pair)[1]["key"] != generations(pair)[2]["key"]
    pair.cli("cert", "paste", NAME, stdin=sign(pair.cli("cert", "csr", NAME).out))
    pair.wait_served("web1", NAME, other_than=leaf)
    wait_states(pair, {1: "withdrawn", 2: "in force"})
    refused = pair.cli("cert", "paste", NAME, stdin=answer, status=None)
    assert refused.status and "no certificate is for the key" in refused.err


def test_rekey_of_imported(domain, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", tmp_path / "key.pem", "-out",
                    tmp_path / "cert.pem", "-subj", f"/CN={NAME}", "-addext",
                    f"subjectAltName=DNS:{NAME}", "-addext", "basicConstraints=critical,CA:FALSE"],
                   check=True, capture_output=True)
    domain.cli("cert", "import", tmp_path / "key.pem", tmp_path / "cert.pem", "--access", "")
    refused = domain.cli("cert", "rekey", NAME, "--reason", "revoke", status=None)
    assert refused.status and "cert import --replace" in refused.err
