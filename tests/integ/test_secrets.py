"""Where private keys are after a run, and above all where they are not (AT-01, AT-02, AT-03).

Keys of credentials are taken out of the databases with OpenSSL's own tools and the keys of nodes that
may open them. Then the bytes of every key of the domain are looked for in every file and in the
memory of every process, in all forms: each must be where it belongs, and nowhere else."""

import base64
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest
from leaks import Search, forms, numbers
from process import is_sanitized, wait_for
from records import Opener, fields, first, openssl, read_keys, read_store

PASSPHRASE = b"correct horse battery staple"
needs_root = pytest.mark.skipif(os.geteuid() != 0,
                                reason="reading another process's memory needs root")
CREDENTIALS = {"one": ["web1"], "two": ["web2"], "both": ["web1", "web2"], "rsa": ["web1"],
               "nobody": []}


class World:
    """web1 may open one credential, web2 another, both a third, web3 and the server's main none.
    Everything logs as much as it can."""

    def __init__(self, domain):
        self.domain = domain
        domain.init("--no-replica")
        domain.start_server("--log-level", "debug")
        for name in ("web1", "web2", "web3"):
            domain.replica(name, extra='log-level = "debug"')
        domain.cli("group", "create", "webs", "web1", "web2")
        for name, access in CREDENTIALS.items():
            domain.add(f"{name}.test.example", access, *self.options(name))
        domain.cli("cert", "access", "both.test.example", "--add", "@webs")
        domain.in_step()
        self.search, self.keys = Search(), {}
        self.belongs = {}  # file: labels of the keys that must be in it
        self.add_key_files()
        self.open_all("server")
        before = domain.fetch("web1", "one.test.example").fingerprint
        domain.cli("cert", "renew", "one.test.example", "--new-key")
        domain.wait_served("web1", "one.test.example", other_than=before)
        domain.in_step()
        self.opened = {name: self.open_all(name) for name in ("web1", "web2", "web3", "server")}

    @staticmethod
    def options(name):
        return ("--key-type", "rsa-2048") if name == "rsa" else ()

    def data(self, name):
        return self.domain.data / "server" if name == "server" else self.domain.folder / name

    def add_key_files(self):
        """The keys that nodes need to start, and those that are offline."""
        for node in ("web1", "web2", "web3", "server"):
            for path in sorted(self.data(node).glob("keys/*")):
                for name, pem in read_keys(path).items():
                    self.search.add_key(f"{node}:{name}", pem)
                    self.belongs.setdefault(str(path), set()).add(f"{node}:{name}")
        for name in ("root", "recovery"):
            path = self.domain.data / f"offline/{name}.key"
            clear = openssl("pkey", "-in", path, "-passin", "pass:" + PASSPHRASE.decode())
            assert clear.returncode == 0, clear.stderr
            self.search.add_key(f"offline:{name}", clear.stdout)
        self.search.add("passphrase", PASSPHRASE)

    def open_all(self, node):
        """Labels of the keys that a node can open, some with keys of its groups, all by stock
        openssl. A label is kind:name:number of the key, counted from the oldest."""
        key_file = "signer.keys" if node == "server" else "sealing.key"
        sealing = read_keys(self.data(node) / "keys" / key_file)["sealing"]
        openers = [Opener(sealing, self.domain.folder / f"open/{node}")]
        records = read_store(self.data(node), self.domain.folder)
        names = {r.id: r.name for r in records}
        opened = set()
        for kind in ("MEMBERSHIP", "GROUP", "GENERATION", "CA"):
            for record in (r for r in records if r.kind == kind and r.sealed):
                payload = next(filter(None, (o.open(record) for o in openers)), b"")
                if kind == "GENERATION":
                    name = names[first(fields(record.public), 1)].partition(".")[0]
                else:
                    name = "group" if kind in ("MEMBERSHIP", "GROUP") else "micro"
                for key in fields(payload)[1]:
                    label = self.label(name, key)
                    opened.add(label)
                    if name == "group":
                        openers.append(Opener(key, self.domain.folder / f"open/{node}-{label}"))
        return opened

    def label(self, name, key):
        if key not in self.keys:
            count = sum(label.startswith(name + ":") for label in self.keys.values())
            self.keys[key] = f"{name}:{count}"
            self.search.add_key(self.keys[key], key)
        return self.keys[key]

    def files(self):
        """Every file of every node, and every log."""
        roots = [*map(self.data, ("web1", "web2", "web3")), self.domain.data, self.domain.logs]
        return [p for root in roots for p in root.rglob("*") if p.is_file()]

    def found_in_files(self):
        return {place: labels for place, labels in self.search.run(self.files()).items() if labels}

    def found_in_memory(self):
        places = {name: f"pid:{pid}" for name, pid in self.processes.items()}
        found = self.search.run(places.values())
        return {name: found[place] for name, place in places.items()}

    @property
    def processes(self):
        return {"main": self.domain.server.pid, "signer": self.domain.server.children()[0],
                **{name: p.pid for name, p in self.domain.replicas.items()}}


@pytest.fixture
def world(make_domain):
    return World(make_domain())


def test_every_key_is_where_it_belongs(world):
    """All keys of a domain, looked for in all its files and processes. What is found is exact, so
    each place is also the proof that the search finds what is there."""
    assert world.opened == {
        "web1": {"one:0", "one:1", "both:0", "rsa:0", "group:1"},
        "web2": {"two:0", "both:0", "group:1"},
        "web3": set(),
        "server": set(world.keys.values()),
    }, "stock openssl opens other seals than those that it should"
    assert {label.partition(":")[0] for label in world.keys.values()} == {
        *CREDENTIALS, "micro", "group"}
    for name, access in CREDENTIALS.items():
        for node in access:
            assert world.domain.fetch(node, f"{name}.test.example").ok
    # While everything runs, with the logs of the databases, and after it has ended.
    assert world.found_in_files() == world.belongs
    check_memory(world)
    for process in (world.domain.server, *world.domain.replicas.values()):
        process.stop()
    assert world.found_in_files() == world.belongs


def check_memory(world):
    if os.geteuid() != 0:
        return
    found = world.found_in_memory()
    assert found["main"] == {"server:identity"}
    assert found["web1"] == {"one:1", "both:0", "rsa:0", "group:1", "web1:sealing",
                             "web1:identity"}, "its own, and not the key that was replaced"
    assert found["web2"] == {"two:0", "both:0", "group:1", "web2:sealing", "web2:identity"}
    assert found["web3"] == {"web3:sealing", "web3:identity"}
    own = {"server:sealing", "server:manager", "server:term-0000000100000000"}
    # It keeps open what it needs to seal and to issue, and no key of a credential.
    assert found["signer"] == own | {"group:0", "micro:0"}


PLANTED = {
    "bytes": lambda n: n,
    "bytes in the other order": lambda n: n[::-1],
    "hexadecimal": lambda n: n.hex().encode(),
    "upper case": lambda n: n.hex().upper().encode(),
    "with colons": lambda n: n.hex(":").encode(),
    "with colons, in lines": lambda n: b":\n    ".join(
        n[i:i + 15].hex(":").encode() for i in range(0, len(n), 15)),
    **{f"base64 behind {skip} bytes": lambda n, skip=skip: base64.b64encode(b"x" * skip + n)
       for skip in range(6)},
    **{f"base64 in lines behind {skip} bytes": lambda n, skip=skip: base64.encodebytes(
        b"x" * skip + n) for skip in range(0, 57, 5)},
    "base64 of the web": lambda n: base64.urlsafe_b64encode(n),
}


def test_the_search_finds_what_is_planted(tmp_path):
    """In a file, at the end of a piece that is read at once, and in the memory of a process."""
    for key_type in (["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], ["RSA"]):
        key = openssl("genpkey", "-algorithm", *key_type, "-outform", "DER").stdout
        search, number = Search(), numbers(key)[0]
        search.add_key("planted", key)
        files = {}
        for i, (what, form) in enumerate(PLANTED.items()):
            for before in (b"", b"-" * (2**22 - 40)):
                files[tmp_path / f"{key_type[0]}{i}-{len(before)}"] = what
                (tmp_path / f"{key_type[0]}{i}-{len(before)}").write_bytes(
                    before + b"before" + form(number) + b"after")
        pem = openssl("pkey", "-inform", "DER", stdin=key).stdout
        text = openssl("pkey", "-inform", "DER", "-text", "-noout", stdin=key).stdout
        for what, content in (("DER", key), ("PEM", pem), ("text", text)):
            files[tmp_path / what] = what
            (tmp_path / what).write_bytes(content)
        found = search.run(files)
        missed = [what for path, what in files.items() if found[str(path)] != {"planted"}]
        assert not missed, missed
        (tmp_path / "other").write_bytes(
            openssl("genpkey", "-algorithm", *key_type, "-outform", "DER").stdout)
        assert search.run([tmp_path / "other"]) == {str(tmp_path / "other"): set()}


@contextlib.contextmanager
def ended_at_last(argv, **options):
    with subprocess.Popen(argv, **options) as child:
        try:
            yield child
        finally:
            child.kill()


@needs_root
def test_the_search_finds_what_is_in_memory(tmp_path):
    key, other = (openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                          "-outform", "DER").stdout for _ in range(2))
    search = Search()
    search.add_key("planted", key)
    holder = [sys.executable, "-c", "import sys; key = sys.stdin.buffer.read(); print(flush=True);"
              "sys.stdin = open('/dev/null'); import signal; signal.pause()"]
    for content, expected in ((key, {"planted"}), (other, set())):
        with ended_at_last(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            child.stdin.write(content)
            child.stdin.close()
            child.stdout.readline()
            assert search.run([f"pid:{child.pid}"]) == {f"pid:{child.pid}": expected}


@needs_root
@pytest.mark.skipif(is_sanitized(), reason="looking through a sanitized program takes long")
def test_withdrawn_keys_leave_the_memory_of_the_replica(world):
    domain = world.domain
    for label, command in {
            "both:0": ("cert", "delete", "both.test.example"),
            "rsa:0": ("cert", "archive", "rsa.test.example"),
            "one:1": ("cert", "access", "one.test.example", "--remove", "web1")}.items():
        name = command[2]
        assert domain.fetch("web1", name).ok and label in world.found_in_memory()["web1"]
        domain.cli(*command)
        domain.wait_refused("web1", name)
        wait_for(lambda gone=label: gone not in world.found_in_memory()["web1"], 10,
                 f"the key of {name} to leave the memory")


def test_no_secret_in_arguments_or_environment(pair):
    """Of any running program of ours."""
    running = [pair.server, *pair.replicas.values()]
    for pid in [p.pid for p in running] + pair.server.children():
        for name in ("cmdline", "environ"):
            try:
                content = pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
            except PermissionError:
                continue
            assert PASSPHRASE not in content
            assert b"PRIVATE KEY" not in content


def test_key_files_have_narrow_modes(pair):
    found = [p for root in (pair.data, pair.folder / "web1") for p in root.rglob("*.key*")]
    assert len(found) >= 6
    for path in found:
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


NO_PTRACE = ("setpriv", "--bounding-set", "-sys_ptrace")


def may_look_into(pid):
    """Whether somebody of the same user, without the rights of root, may look into a process."""
    return subprocess.run([*NO_PTRACE, "readlink", f"/proc/{pid}/exe"], capture_output=True,
                          check=False).returncode == 0


@pytest.fixture
def core_world(make_domain, tmp_path):
    """A manager and a replica whose parent allows cores, in a folder where they may write them."""
    (tmp_path / "here").mkdir()
    prefix = ("env", "-C", str(tmp_path / "here"), "prlimit", "--core=unlimited:unlimited",
              *NO_PTRACE)
    domain = make_domain()
    domain.core_prefix = prefix
    domain.init("--no-replica")
    domain.start_server(prefix=prefix)
    domain.replica("web1", prefix=prefix)
    domain.add("www.test.example", ["web1"])
    return domain


@needs_root
@pytest.mark.skipif(is_sanitized(), reason="sanitizers take the signal themselves")
def test_no_core_files_and_nobody_looks_in(core_world):
    """Cores are off and nobody without root may attach; the counterpart is a program that may."""
    domain = core_world
    with ended_at_last([*domain.core_prefix, "sleep", "1000"]) as control:
        wait_for(lambda: b"sleep" in pathlib.Path(f"/proc/{control.pid}/cmdline").read_bytes()[:6],
                 5, "sleep to run")
        assert may_look_into(control.pid)
        control.send_signal(signal.SIGABRT)
        ended = os.waitid(os.P_PID, control.pid, os.WEXITED | os.WNOWAIT)
        assert ended.si_code == os.CLD_DUMPED, "here no program leaves a core, so this shows nothing"
    for core in (domain.folder.parent / "here").iterdir():
        core.unlink()
    signer, = domain.server.children()
    for pid in (domain.server.pid, signer, domain.replicas["web1"].pid):
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size\s+0\s+0", limits)
        assert not may_look_into(pid)
    os.kill(signer, signal.SIGABRT)
    wait_for(lambda: domain.server.children() not in ([], [signer]), 10, "the next signer")
    for process in (domain.server, domain.replicas["web1"]):
        process.signal(signal.SIGABRT)
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert ended.si_code != os.CLD_DUMPED
        process.kill()
    assert not list((domain.folder.parent / "here").iterdir())


def test_database_of_another_node_opens_nothing(world):
    """AT-02: web1's database in web2's directory gives web2 nothing of web1's."""
    web1, web2 = (world.domain.folder / name for name in ("web1", "web2"))
    for name in ("web1", "web2"):
        world.domain.replicas[name].stop()
    for path in web2.glob("store.db*"):
        path.unlink()
    (web2 / "store.db").write_bytes((web1 / "store.db").read_bytes())
    assert world.open_all("web2") == world.opened["web2"]
    world.domain.replicas["web2"].start()
    world.domain.wait_served("web2", "two.test.example")
    assert not world.domain.fetch("web2", "one.test.example").ok
