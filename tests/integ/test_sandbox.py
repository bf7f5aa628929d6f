"""The signer's sandbox and the hardening of the running programs: release programs only, since
sanitizers need a wider filter."""

import os
import pathlib
import re
import socket
import subprocess

import pytest
from process import is_sanitized, program, wait_for

pytestmark = pytest.mark.skipif(is_sanitized(), reason="the real filter is in release programs")


def status(pid, key):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return re.search(rf"^{key}:\s*(\S+)", text, re.M).group(1)


@pytest.fixture
def signer(domain):
    children = domain.server.children()
    assert len(children) == 1
    domain.add("www.test.example", [])
    return children[0]


def test_filter_is_on(signer):
    assert status(signer, "Seccomp") == "2"
    assert status(signer, "NoNewPrivs") == "1"
    for task in pathlib.Path(f"/proc/{signer}/task").iterdir():
        assert "Seccomp:\t2" in (task / "status").read_text(), "a thread runs without the filter"


def test_no_files_and_no_network(signer):
    """Its descriptors are the socket to main and the standard streams; no inet socket."""
    inet = "".join(pathlib.Path(f"/proc/{signer}/net/{t}").read_text()
                   for t in ("tcp", "tcp6", "udp"))
    for fd in os.listdir(f"/proc/{signer}/fd"):
        target = os.readlink(f"/proc/{signer}/fd/{fd}")
        kind = target.split(":")[0]
        if kind == "socket":
            inode = re.search(r"\[(\d+)\]", target).group(1)
            assert f" {inode} " not in inet, "the signer has a network socket"
        else:
            assert (int(fd) <= 2 or kind in ("pipe", "anon_inode")), f"{fd} is {target}"
            assert "keys" not in target, "the key file is still open"


def test_keys_are_locked_in_memory(signer):
    assert int(status(signer, "VmLck")) > 0


def sign(folder, csr):
    """What a CA outside answers."""
    example = pathlib.Path(__file__).resolve().parents[2] / "deploy/examples/manual-ca"
    subprocess.run([example / "make-openssl-ca", folder / "ca"], check=True, capture_output=True)
    return subprocess.run([example / "sign-with-openssl-ca", folder / "ca"], input=csr, text=True,
                          check=True, capture_output=True).stdout


def made_elsewhere(folder):
    """A key and its certificate in one file."""
    file = folder / "elsewhere.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", file, "-out",
                    folder / "cert.pem", "-subj", "/CN=old.test.example", "-addext",
                    "subjectAltName=DNS:old.test.example", "-addext", "basicConstraints=CA:FALSE"],
                   check=True, capture_output=True)
    with open(file, "ab") as whole:
        whole.write((folder / "cert.pem").read_bytes())
    return file


def test_every_operation_under_the_filter(domain, tmp_path):
    """Each kind of key and each operation once: the filter ends the signer when one is missing."""
    pid = domain.server.children()[0]
    for key_type in ("rsa-2048", "rsa-3072", "rsa-4096", "ec-p256", "ec-p384", "ec-p521", "ed25519"):
        domain.cli("cert", "add", f"m-{key_type}.test.example", "--issuer", "manual", "--key-type",
                   key_type, "--access", "")
        domain.cli("ca", "create", f"ca-{key_type}", "--key-type", key_type)
        domain.cli("cert", "add", f"{key_type}.test.example", "--ca", f"ca-{key_type}",
                   "--key-type", key_type, "--access", "")
    domain.replica("web1")
    domain.cli("group", "create", "all")
    domain.cli("group", "add", "all", "web1")
    domain.cli("cert", "access", "ec-p256.test.example", "--add", "@all")
    domain.wait_served("web1", "ec-p256.test.example")
    domain.cli("group", "remove", "all", "web1")
    domain.cli("cert", "renew", "rsa-2048.test.example")
    domain.cli("node", "remove", "web1")
    name = "m-ed25519.test.example"
    domain.cli("cert", "paste", name, stdin=sign(tmp_path, domain.cli("cert", "csr", name).out))
    domain.cli("cert", "renew", name)
    domain.cli("cert", "import", made_elsewhere(tmp_path), "--access", "")
    assert domain.server.children() == [pid], domain.server.tail()


def test_reader_of_foreign_files():
    """What the command has foreign files read by: filtered and limited before it gets a byte."""
    ours, theirs = socket.socketpair()
    with ours, subprocess.Popen([program("certherd"), "--read-foreign"], close_fds=False,
                                preexec_fn=lambda: os.dup2(theirs.fileno(), 3)) as reader:
        theirs.close()
        wait_for(lambda: status(reader.pid, "Seccomp") == "2", 10, "the reader's filter")
        assert status(reader.pid, "NoNewPrivs") == "1"
        limits = pathlib.Path(f"/proc/{reader.pid}/limits").read_text()
        assert re.search(r"^Max cpu time +20 +unlimited +seconds", limits, re.M), limits
        assert re.search(r"^Max address space +1073741824 +1073741824", limits, re.M), limits
        assert re.search(r"^Max core file size +0 ", limits, re.M), limits
        ours.sendall(b"\0\0\0\6\2" b"\0\1axyz" b"\0\0\0\1\3" b"\1")
        ours.shutdown(socket.SHUT_WR)
        out = ours.makefile("rb").read()
        assert reader.wait(timeout=10) == 0
        assert b"'a'" in out, out
