"""Where private keys are after a run, and above all where they are not (AT-01, AT-03, AT-26).

A credential's key is taken out of the database with OpenSSL's own tools and the key of a node that
may open it; then its secret bytes are looked for everywhere else."""

import base64
import os
import re

import pytest
from process import is_sanitized
from records import Opener, read_keys, read_store, scalar


class World:
    """A domain in which web1 may open one credential, web2 another, and both a third."""

    def __init__(self, pair):
        self.pair = pair
        pair.add("one.test.example", ["web1"])
        pair.add("two.test.example", ["web2"])
        pair.add("both.test.example", ["web1", "web2"])
        pair.cli("cert", "renew", "one.test.example")
        pair.in_step()
        self.opened = {}
        for name in ("web1", "web2"):
            keys = read_keys(pair.folder / name / "keys/sealing.key")
            opener = Opener(keys["sealing"], pair.folder / f"open-{name}")
            for record in read_store(pair.folder / name, pair.folder):
                if record.kind == "GENERATION":
                    key = opener.open_key(record)
                    if key:
                        self.opened.setdefault(name, {})[record.id] = scalar(key)

    def forms(self, secret):
        """The ways in which a key's bytes might lie around."""
        yield secret
        yield secret[::-1]
        yield secret.hex().encode()
        yield secret.hex().upper().encode()
        for skip in range(3):
            yield base64.b64encode(secret[skip:])[:40]


@pytest.fixture
def world(pair):
    return World(pair)


def files(*roots):
    for root in roots:
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path


def test_only_recipients_open(world):
    """By stock openssl: each node opens its own and nothing else."""
    assert len(world.opened["web1"]) == 2 or len(world.opened["web1"]) == 3
    assert len(world.opened["web2"]) == 2
    common = set(world.opened["web1"]) & set(world.opened["web2"])
    assert len(common) == 1


def test_no_key_in_any_file(world):
    """In no file of any node, in no log: keys are opened into memory only."""
    secrets = {s for found in world.opened.values() for s in found.values()}
    assert len(secrets) >= 3
    pair = world.pair
    for process in (pair.server, *pair.replicas.values()):
        process.stop()
    for path in files(pair.data, pair.folder / "web1", pair.folder / "web2", pair.logs):
        content = path.read_bytes()
        for secret in secrets:
            for form in world.forms(secret):
                assert form not in content, f"a credential's key is in {path}"


def test_the_search_finds_what_is_there(world, tmp_path):
    """The counterpart: a planted key is found in each of its forms."""
    secret = next(iter(world.opened["web1"].values()))
    planted = [secret, secret[::-1], secret.hex().encode(), secret.hex().upper().encode(),
               base64.b64encode(secret), base64.b64encode(b"x" + secret),
               base64.b64encode(b"xy" + secret)]
    for text in planted:
        assert any(form in b"before" + text + b"after" for form in world.forms(secret)), text


def memory_of(pid):
    """All memory of a process that can be read, as root, except guard pages."""
    maps = open(f"/proc/{pid}/maps").read()
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for start, end, rights in re.findall(r"^(\w+)-(\w+) (\S+)", maps, re.M):
            begin, length = int(start, 16), int(end, 16) - int(start, 16)
            if "r" not in rights or begin > 2**63 or length > 2**31:
                continue
            try:
                mem.seek(begin)
                yield mem.read(length)
            except OSError:
                continue


@pytest.mark.skipif(os.geteuid() != 0, reason="reading another process's memory needs root")
@pytest.mark.skipif(is_sanitized(), reason="sanitizers keep freed memory and map terabytes")
def test_no_key_in_the_memory_of_main(world):
    """The server's main process never has a credential's key; a replica that serves it does."""
    secrets = {s for found in world.opened.values() for s in found.values()}
    text = b"".join(memory_of(world.pair.server.pid))
    assert len(text) > 2**20, "the memory could not be read"
    for secret in secrets:
        for form in world.forms(secret):
            assert form not in text, "a credential's key is in the memory of the main process"
    served = scalar_served(world)
    web1 = b"".join(memory_of(world.pair.replicas["web1"].pid))
    assert any(form in web1 for form in (served, served[::-1])), "the search finds nothing at all"


def scalar_served(world):
    """The key of both.test.example, which web1 certainly has opened."""
    assert world.pair.fetch("web1", "both.test.example").ok
    common = set(world.opened["web1"]) & set(world.opened["web2"])
    return world.opened["web1"][common.pop()]


@pytest.mark.skipif(os.geteuid() != 0, reason="reading another process's memory needs root")
@pytest.mark.skipif(is_sanitized(), reason="sanitizers keep freed memory and map terabytes")
def test_withdrawn_key_leaves_the_memory_of_the_replica(world):
    from process import wait_for
    pair = world.pair
    served = scalar_served(world)
    pair.cli("cert", "delete", "both.test.example")
    pair.wait_refused("web1", "both.test.example")

    def gone():
        text = b"".join(memory_of(pair.replicas["web1"].pid))
        return not any(form in text for form in (served, served[::-1]))

    wait_for(gone, 10, "the key to leave the memory")


def test_no_secret_in_arguments_or_environment(world):
    """Of any running program of ours."""
    pair = world.pair
    secrets = [b"correct horse"]
    for process in (pair.server, *pair.replicas.values()):
        for pid in [process.pid, *process.children()]:
            for name in ("cmdline", "environ"):
                try:
                    content = open(f"/proc/{pid}/{name}", "rb").read()
                except PermissionError:
                    continue
                assert not any(secret in content for secret in secrets)
                assert b"PRIVATE KEY" not in content


def test_key_files_have_narrow_modes(world):
    pair = world.pair
    for root in (pair.data, pair.folder / "web1"):
        for path in files(root):
            if path.suffix == ".key":
                assert path.stat().st_mode & 0o077 == 0, path
                assert path.parent.stat().st_mode & 0o077 == 0, path.parent


def test_wide_key_file_is_refused(pair):
    pair.replicas["web1"].stop()
    key = pair.folder / "web1/keys/sealing.key"
    key.chmod(0o644)
    pair.replicas["web1"].start(wait=False)
    pair.replicas["web1"].wait_exit(1)
    assert "sealing.key" in pair.replicas["web1"].tail()
    key.chmod(0o600)
    pair.replicas["web1"].start()


def test_no_core_files_and_not_dumpable(world):
    """Cores are off and nobody without root may attach."""
    pair = world.pair
    for process in (pair.server, *pair.replicas.values()):
        for pid in [process.pid, *process.children()]:
            limits = open(f"/proc/{pid}/limits").read()
            assert re.search(r"Max core file size\s+0\s+0", limits), process.name
            if not is_sanitized():
                assert os.stat(f"/proc/{pid}/mem").st_uid == 0


def test_database_of_another_node_opens_nothing(world):
    """AT-02: web1's database in web2's directory gives web2 nothing of web1's."""
    pair = world.pair
    opener = Opener(read_keys(pair.folder / "web2/keys/sealing.key")["sealing"],
                    pair.folder / "open-foreign")
    opened = {r.id for r in read_store(pair.folder / "web1", pair.folder)
              if r.kind == "GENERATION" and opener.open_key(r)}
    assert opened == set(world.opened["web2"])
