"""One TLS handshake by openssl s_client, and what came of it."""

import base64
import hashlib
import re
import subprocess

PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.S)


class Handshake:
    """chain (DER, leaf first; empty when the handshake failed), reused, protocol, and the text."""

    def __init__(self, text):
        self.text = text
        self.chain = [base64.b64decode(block) for block in PEM.findall(text)]
        self.reused = re.search(r"^Reused, ", text, re.M) is not None
        protocol = re.search(r"^(?:New|Reused), (TLSv[\d.]+),", text, re.M)
        self.protocol = protocol.group(1) if protocol else None
        self.verified = "Verify return code: 0 (ok)" in text

    @property
    def ok(self):
        """A session that was offered shows its own chain even if the server then refuses."""
        refused = re.search(r"SSL alert number|tlsv1\S* alert|tlsv1 unrecognized name", self.text)
        return self.protocol is not None and bool(self.chain) and not refused

    @property
    def fingerprint(self):
        """SHA-256 of the leaf in hexadecimal; None without one."""
        return hashlib.sha256(self.chain[0]).hexdigest() if self.ok else None


def tls_fetch(address, sni, *options, send=b"", timeout=20):
    """Connects to "host:port" with the given SNI name (None: without) and ends at once."""
    name = ["-noservername"] if sni is None else ["-servername", sni]
    answer = subprocess.run(
        ["openssl", "s_client", "-connect", address, *name, "-showcerts", *options], input=send,
        capture_output=True, timeout=timeout, check=False)
    return Handshake(answer.stdout.decode("utf-8", "replace")
                     + answer.stderr.decode("utf-8", "replace"))
