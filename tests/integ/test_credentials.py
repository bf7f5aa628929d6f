"""The life of a credential, as an administrator sees it, and what each node may open of it."""

import datetime

import pytest
from cryptography import x509
from process import wait_for
from records import openssl

ROOT = ("www.test.example",)


def show(domain, name):
    return domain.json("cert", "show", name)


def readers(domain, name):
    return sorted(r["node"] for r in domain.json("who-can-read", name)["readers"]
                  if r["role"] == "replica")


def leaf(domain, node, name):
    return x509.load_der_x509_certificate(domain.fetch(node, name).chain[0])


KEY_TYPES = {"rsa-2048": 2048, "rsa-3072": 3072, "rsa-4096": 4096, "ec-p256": 256, "ec-p384": 384,
             "ec-p521": 521}


def test_every_key_type(pair):
    for key_type in KEY_TYPES:
        pair.cli("cert", "add", f"{key_type}.test.example", "--key-type", key_type, "--access",
                 "web1")
    for key_type, bits in KEY_TYPES.items():
        pair.wait_served("web1", f"{key_type}.test.example")
        assert leaf(pair, "web1", f"{key_type}.test.example").public_key().key_size == bits


def test_settings(pair):
    """Defaults of the domain, for what is made from then on; a restart keeps them."""
    pair.cli("setting", "set", "key-type", "rsa-2048")
    pair.cli("setting", "set", "lifetime", "7d")
    pair.cli("setting", "set", "new-key", "yes")
    pair.cli("setting", "set", "default-access", "web1")
    pair.cli("setting", "set", "renew-percent", "50")
    pair.cli("setting", "set", "ca-lifetime", "3y")
    assert "one of no, yes" in pair.cli("setting", "set", "new-key", "maybe", status=2).err
    assert "no setting 'colour'" in pair.cli("setting", "set", "colour", "red", status=1).err
    pair.restart_server()
    assert pair.cli("setting", "get", "default-access").out == "web1\n"
    pair.cli("cert", "add", *ROOT)
    made = show(pair, *ROOT)
    assert (made["key_type"], made["lifetime"], made["new_key"], made["access"]) == \
        ("rsa-2048", 7 * 86400, True, ["web1"])
    due, end = (datetime.datetime.fromisoformat(made[m].rstrip("Z")) for m in ("renew_at", "not_after"))
    assert 3.4 <= (end - due).days + 1 <= 4
    ca = datetime.datetime.fromisoformat(pair.json("ca", "show", "default")["not_after"].rstrip("Z"))
    assert 1090 < (ca - end).days + 7 < 1100
    pair.cli("cert", "add", "kept.test.example", "--keep-key", "--key-type", "ec-p256")
    kept = show(pair, "kept.test.example")
    assert (kept["key_type"], kept["new_key"]) == ("ec-p256", False)
    for name in ("key-type", "new-key", "default-access"):
        pair.cli("setting", "reset", name)
    values = {s["name"]: s["value"] for s in pair.json("setting", "list")["settings"]}
    assert (values["key-type"], values["lifetime"], values["default-access"]) == \
        ("ec-p256", "7d", "")
    pair.cli("setting", "set", "issuer", "manual")
    pair.cli("cert", "add", "outside.test.example", "--access", "web1")
    assert show(pair, "outside.test.example")["state"] == "waiting"


def test_names_of_other_scripts(pair):
    """Typed and shown as people read them; A-labels in the certificate."""
    pair.cli("cert", "add", "*.straße.example", "faß.de", "--access", "web1")
    stored = ["*.xn--strae-oqa.example", "xn--fa-hia.de"]
    pair.wait_served("web1", "www.xn--strae-oqa.example")
    san = leaf(pair, "web1", "xn--fa-hia.de").extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == stored
    assert show(pair, "*.straße.example")["names"] == stored
    assert "faß.de (xn--fa-hia.de)" in pair.cli("cert", "show", "*.Straße.example").out
    assert "*.straße.example  " in pair.cli("cert", "list", "--filter", "straße").out
    assert pair.json("explain", "www.straße.example")["candidates"][0]["serves"]
    refused = pair.cli("cert", "add", "www.😀.example", status=2).err
    assert "character 5, '😀' (U+1F600), is not allowed" in refused, refused
    assert pair.json("cert", "list")["certs"][0]["name"] == stored[0]


def test_every_key_type_of_micro_cas(domain):
    domain.replica("web1")
    for key_type, bits in KEY_TYPES.items():
        domain.cli("ca", "create", f"ca-{key_type}", "--key-type", key_type)
    cas = {c["name"]: c for c in domain.json("ca", "list")["cas"]}
    assert all(cas[f"ca-{k}"]["state"] == "enabled" for k in KEY_TYPES)
    for key_type in KEY_TYPES:
        domain.cli("cert", "add", f"{key_type}.test.example", "--ca", f"ca-{key_type}", "--access",
                   "web1")
        domain.wait_served("web1", f"{key_type}.test.example")
        issuer = leaf(domain, "web1", f"{key_type}.test.example").issuer.rfc4514_string()
        assert f"ca-{key_type}" in issuer


def test_ed25519(pair):
    """Key and CA; clients that can do it get it (browsers cannot)."""
    pair.cli("ca", "create", "ca-ed25519", "--key-type", "ed25519")
    pair.add(*ROOT, ["web1"], "--key-type", "ed25519", "--ca", "ca-ed25519")
    roots = pair.folder / "micro.pem"
    roots.write_text(pair.json("ca", "show", "ca-ed25519")["certificate"])
    got = pair.fetch("web1", *ROOT, "-CAfile", str(roots), "-verify_hostname", *ROOT)
    assert got.verified and b"\x2b\x65\x70" in got.chain[0], got.text
    assert not pair.fetch("web1", *ROOT, "-sigalgs", "ECDSA+SHA256").ok


def test_default_ca_is_made_on_demand(domain):
    assert domain.json("ca", "list")["cas"] == []
    domain.cli("cert", "add", *ROOT, "--access", "")
    cas = domain.json("ca", "list")["cas"]
    assert len(cas) == 1 and cas[0]["default"] and cas[0]["state"] == "enabled"
    domain.cli("cert", "add", "mail.test.example", "--access", "")
    assert len(domain.json("ca", "list")["cas"]) == 1


def test_leaf_profile(pair):
    """docs: 90 days, server authentication, the names and nothing else."""
    pair.cli("cert", "add", "www.test.example", "*.test.example", "10.1.2.3", "--access", "web1")
    pair.wait_served("web1", "www.test.example")
    cert = leaf(pair, "web1", "www.test.example")
    lines = openssl("x509", "-inform", "DER", "-noout", "-startdate", "-enddate",
                    stdin=pair.fetch("web1", "www.test.example").chain[0]).stdout.decode()
    start, end = (datetime.datetime.strptime(line.split("=")[1], "%b %d %H:%M:%S %Y %Z")
                  for line in lines.splitlines())
    assert 89 <= (end - start).days <= 91
    san = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["www.test.example", "*.test.example"]
    assert [str(a) for a in san.get_values_for_type(x509.IPAddress)] == ["10.1.2.3"]
    key_usage = cert.extensions.get_extension_for_class(x509.KeyUsage)
    assert key_usage.critical and key_usage.value.digital_signature
    assert not key_usage.value.key_cert_sign
    usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert x509.oid.ExtendedKeyUsageOID.SERVER_AUTH in usage
    assert cert.serial_number.bit_length() >= 64
    for extension in cert.extensions:
        if extension.oid == x509.BasicConstraints.oid:
            assert not extension.value.ca
    for absent in (x509.CRLDistributionPoints, x509.AuthorityInformationAccess):
        with pytest.raises(x509.ExtensionNotFound):
            cert.extensions.get_extension_for_class(absent)


def test_chain_and_signature_verify(pair):
    """OpenSSL's verifier, told only the Micro CA, accepts it for the name and refuses another."""
    pair.add(*ROOT, ["web1"])
    roots = pair.folder / "micro.pem"
    roots.write_text(pair.json("ca", "show", "default")["certificate"])
    for name, good in (("www.test.example", True), ("evil.test.example", False)):
        got = pair.fetch("web1", "www.test.example", "-CAfile", str(roots), "-verify_hostname", name)
        assert got.verified == good, got.text


def test_renew_keeps_the_key_unless_told_otherwise(pair):
    pair.add(*ROOT, ["web1"])
    first = leaf(pair, "web1", *ROOT)
    pair.cli("cert", "renew", *ROOT)
    second = leaf(pair, "web1", *ROOT)
    pair.cli("cert", "renew", *ROOT, "--new-key")
    third = leaf(pair, "web1", *ROOT)
    numbers = [c.public_key().public_numbers() for c in (first, second, third)]
    assert first.serial_number != second.serial_number != third.serial_number
    assert numbers[0] == numbers[1] != numbers[2]
    shown = show(pair, *ROOT)
    assert shown["generation"] == 3


def test_renews_by_itself(pair):
    """A lifetime of a minute and a renewal when 90 per cent of it are left."""
    pair.add(*ROOT, ["web1"], "--lifetime", "60s", "--renew-percent", "90")
    before = pair.fetch("web1", *ROOT).fingerprint
    pair.wait_served("web1", *ROOT, other_than=before, seconds=20)


def test_access_added_and_removed(pair):
    pair.add(*ROOT, ["web1"])
    assert readers(pair, *ROOT) == ["web1"]
    assert not pair.fetch("web2", *ROOT).ok
    before = leaf(pair, "web1", *ROOT)
    pair.cli("cert", "access", *ROOT, "--add", "web2")
    pair.wait_served("web2", *ROOT)
    assert readers(pair, *ROOT) == ["web1", "web2"]
    assert leaf(pair, "web2", *ROOT) == before, "giving access made a new certificate"
    pair.cli("cert", "access", *ROOT, "--remove", "web1")
    pair.wait_refused("web1", *ROOT)
    pair.wait_served("web2", *ROOT)
    after = leaf(pair, "web2", *ROOT)
    assert before.public_key().public_numbers() != after.public_key().public_numbers(), \
        "who was taken away knows the key that is served"
    assert readers(pair, *ROOT) == ["web2"]


def test_access_removed_with_the_key_kept(pair):
    pair.add(*ROOT, ["web1", "web2"])
    before = leaf(pair, "web2", *ROOT)
    pair.cli("cert", "access", *ROOT, "--remove", "web1", "--keep-key")
    pair.wait_refused("web1", *ROOT)
    after = leaf(pair, "web2", *ROOT)
    assert before.public_key().public_numbers() == after.public_key().public_numbers()


def test_default_access(make_domain):
    """Without --access: at first the replica on the manager's host."""
    domain = make_domain()
    domain.init()
    domain.start_server()
    domain.replica("local", join=False)
    domain.replica("web1")
    domain.cli("cert", "add", *ROOT)
    domain.wait_served("local", *ROOT)
    assert not domain.fetch("web1", *ROOT).ok


def test_nobody_may_open_it(domain):
    """A credential without access is made, with a warning that says so."""
    result = domain.cli("cert", "add", *ROOT, "--access", "", "--json")
    assert result.json["change"]["warnings"], result
    assert domain.json("status")["certs_without_access"] == 1
    assert "by no server" in domain.cli("status").out


def test_groups(pair):
    """A group is a recipient: who joins it can open at once, who leaves cannot open what follows."""
    pair.cli("group", "create", "webs", "web1")
    pair.cli("cert", "add", *ROOT, "--access", "@webs")
    pair.wait_served("web1", *ROOT)
    assert not pair.fetch("web2", *ROOT).ok
    before = pair.fetch("web1", *ROOT).fingerprint
    pair.cli("group", "add", "webs", "web2")
    pair.wait_served("web2", *ROOT, before)
    assert readers(pair, *ROOT) == ["web1", "web2"]
    pair.cli("group", "remove", "webs", "web1")
    wait_for(lambda: readers(pair, *ROOT) == ["web2"], 10, "web1 to leave the readers")
    pair.cli("cert", "renew", *ROOT, "--new-key", "--no-wait")
    new = pair.wait_served("web2", *ROOT, other_than=before)
    assert pair.fetch("web1", *ROOT).fingerprint != new
    answer = pair.cli("group", "delete", "webs", status=1)
    assert "www.test.example" in answer.err or "access" in answer.err
    pair.cli("cert", "delete", *ROOT)
    pair.cli("group", "delete", "webs")
    assert all(g["name"] != "webs" for g in pair.json("group", "list")["groups"])


def test_archive_and_delete(pair):
    pair.add(*ROOT, ["web1"])
    pair.cli("cert", "archive", *ROOT)
    pair.wait_refused("web1", *ROOT)
    assert show(pair, *ROOT)["state"] == "archived"
    pair.cli("cert", "delete", *ROOT)
    assert pair.cli("cert", "show", *ROOT, status=1).err
    pair.add(*ROOT, ["web1"])


MOVES = {
    # state: what is not possible in it, and what each says beside the name
    "draft": {("csr",): "cert submit", ("archive", "--undo"): "not archived"},
    "waiting": {("submit",): "cert csr", ("renew",): "waits for its certificate already",
                ("archive", "--undo"): "not archived"},
    "issued": {("csr",): "no CSR", ("archive", "--undo"): "not archived"},
    "archived": {("submit",): "cert archive --undo", ("renew",): "cert archive --undo",
                 ("archive",): "archived already"},
}


def test_moves_that_are_refused(domain, tmp_path):
    """Each by the name of the credential, with what to do first; and it is as it was."""
    manual = ("--issuer", "manual", "--access", "")
    domain.cli("cert", "add", "draft.test.example", *manual, "--draft")
    for state in ("waiting", "issued", "archived"):
        domain.cli("cert", "add", f"{state}.test.example", *manual)
    ca = openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", tmp_path / "ca.key", "-subj", "/CN=Outside").stdout
    (tmp_path / "ca.pem").write_bytes(ca)
    for state in ("issued", "archived"):
        csr = domain.cli("cert", "csr", f"{state}.test.example").out.encode()
        made = openssl("x509", "-req", "-CA", tmp_path / "ca.pem", "-CAkey", tmp_path / "ca.key",
                       "-copy_extensions", "copy", "-CAcreateserial", stdin=csr).stdout
        domain.cli("cert", "paste", f"{state}.test.example", stdin=made.decode())
    domain.cli("cert", "archive", "archived.test.example")
    before = domain.json("status")["seq"]
    for state, moves in MOVES.items():
        name = f"{state}.test.example"
        for words, says in moves.items():
            refused = domain.cli("cert", words[0], name, *words[1:], status=None)
            assert refused.status in (1, 2), (state, words, refused)
            assert f"'{name}'" in refused.err and says in refused.err, (state, words, refused)
        assert show(domain, name)["state"] == state
    assert domain.json("status")["seq"] == before


def test_names_are_unique(pair):
    pair.add(*ROOT, ["web1"])
    answer = pair.cli("cert", "add", *ROOT, "--access", "web1", status=1)
    assert "www.test.example" in answer.err
    pair.cli("cert", "add", *ROOT, "--name", "second", "--access", "web1")


BAD = {
    "space in a name": ("cert", "add", "www test.example"),
    "double dot": ("cert", "add", "www..example"),
    "star inside": ("cert", "add", "w*w.test.example"),
    "long label": ("cert", "add", "a" * 64 + ".example"),
    "unknown key type": ("cert", "add", *ROOT, "--key-type", "rsa-1024"),
    "unknown node": ("cert", "add", *ROOT, "--access", "nobody"),
    "unknown group": ("cert", "add", *ROOT, "--access", "@nobody"),
    "unknown ca": ("cert", "add", *ROOT, "--ca", "nobody"),
    "no lifetime": ("cert", "add", *ROOT, "--lifetime", "5"),
    "unknown credential": ("cert", "renew", "nobody.test.example"),
    "unknown to remove": ("node", "remove", "nobody"),
    "the manager itself": ("node", "remove", "manager"),
    "built-in group": ("group", "delete", "managers"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_wishes(domain, what):
    """Refused with a text that names the object and says what to do; nothing is changed."""
    before = domain.json("status")["seq"]
    answer = domain.cli(*BAD[what], status=None)
    assert answer.status in (1, 2) and len(answer.err) > 20, answer
    assert "bug" not in answer.err.lower()
    assert domain.json("status")["seq"] == before


def test_explain_and_why_not(pair):
    pair.add(*ROOT, ["web1"])
    explained = pair.json("explain", *ROOT, "--node", "web1")
    assert explained["candidates"][0]["serves"]
    explained = pair.json("explain", *ROOT, "--node", "web2")
    assert not any(c["serves"] for c in explained["candidates"])
    assert pair.json("why-not", "web1", *ROOT)["should_serve"]
    why = pair.json("why-not", "web2", *ROOT)
    assert not why["should_serve"] and "access" in why["why"]


def test_receipts(pair):
    """The manager knows who serves which generation."""
    pair.add(*ROOT, ["web1", "web2"])
    pair.cli("cert", "renew", *ROOT)

    def converged():
        shown = show(pair, *ROOT)
        return (shown["served"], shown["expected"]) == (2, 2) and shown

    shown = wait_for(converged, 10, "both receipts")
    fingerprints = {n["node"]: n["fingerprint"] for n in shown["nodes"]}
    assert fingerprints["web1"] == pair.fetch("web1", *ROOT).fingerprint == shown["fingerprint"]
    pair.restart_server()
    wait_for(converged, 20, "the receipts to be asked for again")
    # One that has not answered is in the list, too.
    pair.replicas["web2"].stop()
    pair.cli("cert", "add", "late.test.example", "--access", "web1,web2", "--no-wait")
    assert [n["node"] for n in show(pair, "late.test.example")["nodes"]] == ["web1", "web2"]
    assert show(pair, "late.test.example")["nodes"][1]["generation"] is None
    assert "has not answered" in pair.cli("cert", "show", "late.test.example").out
