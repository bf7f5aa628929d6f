"""Records as an outsider reads them: out of a copy of a database, by the protocol pages alone, with
OpenSSL's own tools for the seals. Nothing here uses the project's code."""

import collections
import hashlib
import pathlib
import re
import shutil
import sqlite3
import subprocess

KINDS = ("UNKNOWN ROOT DESIGNATION NODE GROUP MEMBERSHIP CREDENTIAL GENERATION EXPORT_KEY "
         "TRUSTED_ROOT CHALLENGE CA CRL").split()
Record = collections.namedtuple("Record", "id kind name version public access sealed removed body")


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """{number: [value, ...]} of a protobuf message; bytes for length-delimited fields."""
    found, at = collections.defaultdict(list), 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 2:
            length, at = varint(data, at)
            found[tag >> 3].append(data[at:at + length])
            at += length
        elif tag & 7 == 0:
            value, at = varint(data, at)
            found[tag >> 3].append(value)
        else:
            raise ValueError(f"wire type {tag & 7}")
    return found


def first(message, number, default=b""):
    return message[number][0] if message[number] else default


def read_record(body):
    f = fields(body)
    kind = first(f, 2, 0)
    return Record(first(f, 1), KINDS[kind] if kind < len(KINDS) else kind,
                  first(f, 3).decode(), first(f, 7, 0), first(f, 11), f[12], first(f, 13),
                  bool(first(f, 10, 0)), body)


def read_store(data, folder):
    """All records of the database in a data directory, read from a copy."""
    copy = pathlib.Path(folder) / "copy.db"
    for suffix in ("", "-wal"):
        target = pathlib.Path(str(copy) + suffix)
        target.unlink(missing_ok=True)
        source = pathlib.Path(data) / f"store.db{suffix}"
        if source.exists():
            shutil.copy(source, target)
    with sqlite3.connect(copy) as db:
        return [read_record(body) for (body,) in db.execute("SELECT body FROM records")]


KEY = re.compile(r"certherd key ([a-z0-9-]+)\n(-----BEGIN PRIVATE KEY-----\n.*?"
                 r"-----END PRIVATE KEY-----\n)", re.S)


def read_keys(path):
    """{name: PEM} of a key file."""
    return {name: pem.encode() for name, pem in KEY.findall(pathlib.Path(path).read_text())}


def openssl(*argv, stdin=None):
    return subprocess.run(["openssl", *map(str, argv)], input=stdin, capture_output=True,
                          check=False)


class Opener:
    """Opens seals with one private key and `openssl cms -decrypt`, as docs/protocol/seals.md says."""

    def __init__(self, key_pem, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key, self.cert = self.folder / "key.pem", self.folder / "cert.pem"
        self.key.write_bytes(key_pem)
        public = openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER").stdout
        self.key_id = hashlib.sha256(public).digest()[:20]
        config = self.folder / "config"
        config.write_text("[req]\ndistinguished_name=n\nx509_extensions=e\nprompt=no\n[n]\nCN=r\n"
                          f"[e]\nsubjectKeyIdentifier={self.key_id.hex()}\n")
        made = openssl("req", "-x509", "-new", "-key", self.key, "-config", config, "-out",
                       self.cert)
        assert made.returncode == 0, made.stderr

    def open(self, record):
        """The payload of the record's seal; None when this key does not open it."""
        seal, plain = self.folder / "seal.der", self.folder / "plain"
        seal.write_bytes(record.sealed)
        plain.unlink(missing_ok=True)
        answer = openssl("cms", "-decrypt", "-inform", "DER", "-in", seal, "-inkey", self.key,
                         "-recip", self.cert, "-binary", "-out", plain)
        if answer.returncode != 0 or not plain.exists():
            return None
        text = plain.read_bytes()
        assert text[:8] == b"CHSEAL01" and text[20:36] == record.id
        return text[40:40 + int.from_bytes(text[36:40], "big")]

    def open_key(self, record):
        """The PKCS#8 DER in a GENERATION or CA record."""
        payload = self.open(record)
        return payload and first(fields(payload), 1)


def scalar(pkcs8):
    """The 32 secret bytes of a P-256 key: what must be found nowhere else."""
    text = openssl("pkey", "-inform", "DER", "-text", "-noout", stdin=pkcs8).stdout.decode()
    return bytes.fromhex(re.sub(r"[\s:]", "", re.search(r"priv:(.*?)pub:", text, re.S).group(1)))
