"""Looks for private keys in files and in the memory of processes, in every form in which their
bytes might lie around, by the program find_bytes."""

import base64
import collections
import subprocess

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from process import build_dir

PIECE = 15  # bytes: 20 characters of base64, of which a line break in a PEM spoils one piece


def numbers(key):
    """The secret numbers of a key (PEM or DER), big-endian: the scalar, or d, p and q."""
    load = (serialization.load_pem_private_key if key.startswith(b"-----")
            else serialization.load_der_private_key)
    private = load(key, None)
    if isinstance(private, EllipticCurvePrivateKey):
        size = (private.curve.key_size + 7) // 8
        return [private.private_numbers().private_value.to_bytes(size, "big")]
    assert isinstance(private, RSAPrivateKey)
    found = private.private_numbers()
    return [n.to_bytes((n.bit_length() + 7) // 8, "big") for n in (found.d, found.p, found.q)]


def forms(number):
    """Pieces of what a secret number looks like: as bytes in both orders (so in DER too), in
    hexadecimal with and without colons, and in base64 (so in PEM too) at each alignment."""
    half = len(number) // 2
    for piece in (number[:half], number[half:]):
        yield piece[-32:]
        yield piece[::-1][:32]
        for text in (piece[-16:].hex(), piece[-16:].hex().upper()):
            yield text.encode()
    # Two of these, so that the end of a line falls into one of them at the most.
    for at in (0, 7):
        text = number[at:at + 7].hex(":")
        yield text.encode()
        yield text.upper().encode()
    for skip in range(3):
        for at in (skip, skip + PIECE):
            text = base64.b64encode(number[at:at + PIECE])
            yield text
            yield text.translate(bytes.maketrans(b"+/", b"-_"))


class Search:
    """Which labels are found where. Labels have no blanks."""

    def __init__(self):
        self.lines = set()

    def add(self, label, secret):
        """Other secrets than keys: bytes that stand somewhere as they are."""
        self.lines.add(f"{label} {secret.hex()}")

    def add_key(self, label, key):
        for number in numbers(key):
            for form in forms(number):
                self.add(label, form)

    def run(self, places):
        """{place: {label, ...}}; every place must be there to be read, files may be empty."""
        places = [str(place) for place in places]
        answer = subprocess.run([build_dir() / "tests/support/find_bytes", *places],
                                input="\n".join(sorted(self.lines)) + "\n", text=True,
                                capture_output=True, check=False)
        assert answer.returncode == 0, answer.stderr
        found, read = {place: set() for place in places}, collections.Counter()
        for line in answer.stdout.splitlines():
            first, *rest = line.split("\t")
            if first == "read":
                read[rest[1]] = int(rest[0])
            else:
                found[rest[0]].add(first)
        for place in places:
            assert read[place] > 2**20 or not place.startswith("pid:"), f"{place} cannot be read"
        return found
