"""Sockets that say what no client of ours would, and a small certificate authority of strangers."""

import contextlib
import datetime
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def parse(address):
    """("host", port) of "host:port"."""
    host, _, port = address.rpartition(":")
    return host, int(port)


@contextlib.contextmanager
def connection(address, timeout=20):
    """A TCP or UNIX connection."""
    if address.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(timeout)
        s.connect(address)
    else:
        s = socket.create_connection(parse(address), timeout)
    with s:
        yield s


def is_closed(s, timeout=20):
    """Whether the other side ends the connection; whatever it says before is read away."""
    s.settimeout(timeout)
    try:
        while s.recv(65536):
            pass
        return True
    except TimeoutError:
        return False
    except (ConnectionError, ssl.SSLError):
        return True


def send_and_see(address, data, timeout=20):
    """Sends bytes and reads until the end; what came, and whether the other side ended it."""
    came = b""
    with connection(address, timeout) as s:
        try:
            s.sendall(data)
            while chunk := s.recv(65536):
                came += chunk
        except ConnectionError:
            return came, True
        except TimeoutError:
            return came, False
    return came, True


def tls(address, alpn=None, cert=None, key=None, sni=None, timeout=20, version=None):
    """A TLS connection that believes any server; cert and key are PEM files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.maximum_version = version
    if alpn:
        context.set_alpn_protocols([alpn])
    if cert:
        context.load_cert_chain(cert, key)
    return context.wrap_socket(socket.create_connection(parse(address), timeout),
                               server_hostname=sni)


def link_refuses(address, cert=None, key=None, version=None):
    """Whether a connection for the link is ended before it gives a byte of an answer."""
    try:
        with tls(address, "certherd/1", cert, key, version=version) as s:
            if s.selected_alpn_protocol() != "certherd/1":
                return True
            s.sendall(b"\0SP\0\0\x30\0\0")
            return s.recv(1) == b""
    except (ssl.SSLError, ConnectionError):
        return True


class Stranger:
    """A certificate authority that this domain has nothing to do with."""

    def __init__(self, folder, name="stranger"):
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.cert = self.sign(self.key.public_key(), name, ca=True)

    def sign(self, public, name, ca=False, uris=(), issuer_key=None, issuer_name=None, days=30):
        now = datetime.datetime.utcnow()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name or self.name)])
        names = [x509.DNSName(name)] + [x509.UniformResourceIdentifier(u) for u in uris]
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
                   .public_key(public).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=days))
                   .add_extension(x509.BasicConstraints(ca, 0 if ca else None), True)
                   .add_extension(x509.SubjectAlternativeName(names), False))
        return builder.sign(issuer_key or self.key, hashes.SHA256())

    def leaf(self, name, uris=()):
        """(certificate file, key file) for a name, with the URIs of a node's identity if wanted."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert_file = self.folder / f"{name}.stranger.pem"
        key_file = self.folder / f"{name}.stranger.key"
        cert = self.sign(key.public_key(), name, uris=uris)
        pem = serialization.Encoding.PEM
        cert_file.write_bytes(cert.public_bytes(pem) + self.cert.public_bytes(pem))
        key_file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()))
        return cert_file, key_file


def identity_uris(pem_file):
    """The URIs in the certificate of a node."""
    cert = x509.load_pem_x509_certificate(pem_file.read_bytes())
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)
