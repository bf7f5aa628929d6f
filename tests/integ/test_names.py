"""Names of certificates, from what is typed to what a TLS client and openssl see of them."""

import pytest
from cryptography import x509

LABEL = "a" * 60


def leaf(domain, node, name):
    return x509.load_der_x509_certificate(domain.fetch(node, name).chain[0])


def san(cert):
    return cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def test_a_hundred_names(pair):
    """All in the certificate, each is served, and a client that verifies takes each."""
    names = [f"n{i}.test.example" for i in range(98)] + ["*.w.test.example", "192.0.2.7"]
    pair.cli("cert", "add", *names, "--access", "web1")
    pair.wait_served("web1", names[0])
    there = san(leaf(pair, "web1", names[0]))
    assert there.get_values_for_type(x509.DNSName) == names[:99]
    assert [str(a) for a in there.get_values_for_type(x509.IPAddress)] == names[99:]
    roots = pair.folder / "micro.pem"
    roots.write_text(pair.cli("ca", "show", "default", "--pem").out)
    for name in ("n0.test.example", "n97.test.example", "any.w.test.example"):
        got = pair.fetch("web1", name, "-CAfile", str(roots), "-verify_hostname", name)
        assert got.verified, got.text
    assert pair.json("cert", "show", names[0])["names"] == names
    # The longest that can be: a hundred of 253 characters go through every format on the way.
    longest = [f"{LABEL}.{LABEL}.{LABEL}.{'c' * 60}.n{i:02}.org" for i in range(100)]
    said = pair.cli("cert", "add", *longest, "--access", "web1", "--name", "longest").out
    assert "the names alone make the certificate" in said
    pair.wait_served("web1", longest[99])
    assert len(san(leaf(pair, "web1", longest[99]))) == 100


def test_one_too_many(domain):
    names = [f"n{i}.test.example" for i in range(100)]
    before = domain.json("status")["seq"]
    refused = domain.cli("cert", "add", *names, "last.test.example", "--access", "", status=2).err
    assert "'last.test.example'" in refused and "100" in refused
    assert domain.json("status")["seq"] == before
    # What is named twice counts once in the certificate.
    domain.cli("cert", "add", *names[:60], *names[20:60], "--access", "")
    assert domain.json("cert", "show", names[0])["names"] == names[:60]


REFUSED = {
    "WWW Example.org": "a blank at character 4",
    "a_b.example.org": "'_' at character 2",
    "http://www.example.org": "without port, brackets or path",
    "www.example.org:443": "':' at character 16",
    "w*w.example.org": "a '*' stands alone",
    "*.*.example.org": "a '*' stands alone",
    "www.-a.example.org": "label '-a' begins or ends with a hyphen",
    "a..example.org": "empty label",
    "a" * 64 + ".org": "at most 63",
    ("a" * 62 + ".") * 4 + "de": "at most 253",
    "10.1.2.300": "is not one",
    "2001:db8::g": "2001:db8::g",
    "i❤.example": "character 2, '❤' (U+2764)",
    "1א.example": "character 2, 'א' (U+05D0)",
    "jane@example.org": "--profile client or smime",
}


@pytest.mark.parametrize("name", REFUSED)
def test_which_character_of_which_name(domain, name):
    refused = domain.cli("cert", "add", "good.example.org", name, "--access", "", status=2).err
    assert REFUSED[name] in refused and name[:40] in refused, refused
    assert domain.json("cert", "list")["certs"] == []


def test_as_typed(pair):
    """In their own script wherever people read them, as A-labels wherever programs do."""
    said = pair.cli("cert", "add", "Straße.Example", "*.bücher.example", "--access", "web1")
    assert "credential straße.example is made" in said.out and "xn--" not in said.out
    stored = ["xn--strae-oqa.example", "*.xn--bcher-kva.example"]
    pair.wait_served("web1", stored[0])
    assert san(leaf(pair, "web1", stored[0])).get_values_for_type(x509.DNSName) == stored
    assert pair.json("cert", "show", "STRASSE.example".replace("SS", "ß"))["names"] == stored
    for words in (("cert", "list"), ("cert", "list", "--filter", "Straße"),
                  ("explain", "Straße.Example"), ("why-not", "web1", "straße.example"),
                  ("cert", "renew", "straße.example"), ("cert", "show", stored[0])):
        out = pair.cli(*words).out
        assert "straße.example" in out, (words, out)
    shown = pair.cli("cert", "show", "straße.example").out
    assert "name          straße.example\n" in shown
    assert f"names         straße.example ({stored[0]}), *.bücher.example ({stored[1]})" in shown
    again = pair.cli("cert", "add", "STRASSE.EXAMPLE".replace("SS", "ß"), status=1).err
    assert "there is a credential 'straße.example' already" in again
    # A word of letters of two scripts is shown as it is stored, with the reason.
    mixed = pair.cli("cert", "add", "paypаl.com", "--access", "").out
    assert "xn--paypl-7ve.com" in mixed and "mixes Latin and Cyrillic" in mixed
    changed = pair.cli("cert", "change", "straße.example", "--add-name", "gооgle.com").out
    assert "mixes Latin and Cyrillic" in changed and "straße.example" in changed


def test_addresses(pair):
    """IPv4 and IPv6, in one form however they are typed."""
    pair.cli("cert", "add", "192.0.2.1", "2001:DB8:0:0::0001", "--access", "web1", "--name", "ips")
    cert = x509.load_pem_x509_certificate(pair.cli("cert", "show", "ips", "--chain").out.encode())
    assert [str(a) for a in san(cert).get_values_for_type(x509.IPAddress)] == \
        ["192.0.2.1", "2001:db8::1"]
    assert not san(cert).get_values_for_type(x509.DNSName)
    assert pair.json("cert", "show", "ips")["names"] == ["192.0.2.1", "2001:db8::1"]


def test_mail_addresses(domain):
    """For people and clients, not for servers; the domain may be of any script."""
    for profile in ("client", "smime"):
        domain.cli("cert", "add", "Jane.Doe@Straße.example", "--profile", profile, "--name", profile,
                   "--access", "")
        cert = x509.load_pem_x509_certificate(
            domain.cli("cert", "show", profile, "--chain").out.encode())
        assert san(cert).get_values_for_type(x509.RFC822Name) == \
            ["Jane.Doe@xn--strae-oqa.example"]
        usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert (x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION in usage) == (profile == "smime")
    domain.cli("cert", "add", "joe@straße.example", "--profile", "smime", "--access", "")
    assert "joe@straße.example" in domain.cli("cert", "show", "joe@Straße.example").out
    domain.cli("cert", "add", "a@example.org", "--issuer", "manual", "--profile", "smime",
               "--access", "")
    csr = x509.load_pem_x509_csr(domain.cli("cert", "csr", "a@example.org").out.encode())
    assert san(csr).get_values_for_type(x509.RFC822Name) == ["a@example.org"]
    for name, says in (("Jürgen@example.org", "'ü' (U+00FC) at character 2"),
                       ("a b@example.org", "a blank at character 2"),
                       ("a@192.0.2.1", "behind the '@' stands a DNS name"),
                       ("a@b@example.org", "'@' at character 2")):
        refused = domain.cli("cert", "add", name, "--profile", "smime", "--access", "", status=2)
        assert says in refused.err, refused
