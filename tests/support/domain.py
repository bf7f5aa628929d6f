"""A domain of real programs in one folder: init, server, joins, replicas, and the end of it all."""

import json
import pathlib
import socket
import subprocess

from process import Failure, Process, environment, program, sanitizer_reports, slow, wait_for
from records import read_store
from tlsfetch import tls_fetch

PASSPHRASE = "correct horse battery staple"
LEFTOVER = ("*.tmp", "*.new", "core*", "*.partial")


def free_port():
    """Of a manager: it must be the same at each start, since its members know it."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Result:
    """Of one run of a command: status, out, err, and json of what it printed."""

    def __init__(self, answer):
        self.status, self.out, self.err = answer.returncode, answer.stdout, answer.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"status {self.status}\nout: {self.out}\nerr: {self.err}"


class Domain:
    """name.example with one manager and any number of replicas, all in folder."""

    def __init__(self, folder, name="test.example"):
        self.folder, self.name = pathlib.Path(folder), name
        self.data = self.folder / "domain"
        self.logs = self.folder / "logs"
        self.logs.mkdir(parents=True)
        self.address = f"127.0.0.1:{free_port()}"
        self.server = None
        self.replicas = {}
        self.started = []

    # ---- commands -----------------------------------------------------------------------------

    def run(self, *argv, stdin="", timeout=60):
        """Any program of ours to its end."""
        answer = subprocess.run([program(argv[0]), *map(str, argv[1:])], input=stdin, text=True,
                                capture_output=True, timeout=timeout * slow(), check=False,
                                env=environment(self.logs), cwd=self.folder)
        return Result(answer)

    def cli(self, *argv, status=0, stdin=""):
        """certherd with this domain's data directory; the status must be as expected."""
        result = self.run("certherd", *argv, "--data", self.data, stdin=stdin)
        if status is not None and result.status != status:
            server = self.server.tail() if self.server else ""
            raise Failure(f"certherd {' '.join(map(str, argv))}: {result}\n{server}")
        return result

    def json(self, *argv):
        return self.cli(*argv, "--json").json

    # ---- the manager --------------------------------------------------------------------------

    def init(self, *options):
        secret = self.folder / "passphrase"
        secret.write_text(PASSPHRASE + "\n")
        secret.chmod(0o600)
        result = self.run("certherd", "init", "--domain", self.name, "--data", self.data,
                          "--passphrase-file", secret, "--address", "127.0.0.1", "--listen",
                          self.address, *options)
        if result.status != 0:
            raise Failure(f"certherd init: {result}")
        return result

    def start_server(self, *options, wait=True, prefix=()):
        """prefix: of its command, as a program that starts it."""
        if self.server is None:
            data = self.data / "server"
            self.server = Process("server", [*prefix, program("certherd-server"), "--data",
                                             str(data), "--listen", self.address, *options],
                                  data, self.logs)
            self.started.append(self.server)
        self.server.start(wait)
        return self.server

    @property
    def public(self):
        """host:port of the manager's public port."""
        return self.server.endpoints()["public"]

    def restart_server(self):
        self.server.stop()
        self.server.start()

    # ---- nodes --------------------------------------------------------------------------------

    def token(self, name, *options):
        return self.cli("node", "token", "--name", name, *options).out.strip()

    def join(self, name, token=None, data=None, status=0):
        """certherd-replica join with a new token, or with the given one."""
        file = self.folder / f"{name}.token"
        file.write_text((token or self.token(name)) + "\n")
        file.chmod(0o600)
        data = data or self.folder / name
        result = self.run("certherd-replica", "join", "--token-file", file, "--data", data)
        if result.status != status:
            raise Failure(f"join of {name}: {result}\n{self.server.tail()}")
        return result

    def replica(self, name, ports=None, extra="", join=True, prefix=()):
        """A replica with the given port sections, joined and started; prefix: of its command."""
        if join:
            self.join(name)
        data = self.data / "replica" if name == "local" else self.folder / name
        conf = self.folder / f"{name}.conf"
        conf.write_text(f'data = "{data}"\n{extra}\n' + (ports or TLS_PORT))
        process = Process(name, [*prefix, program("certherd-replica"), "--config", str(conf)],
                          data, self.logs)
        self.replicas[name] = process
        self.started.append(process)
        process.start()
        return process

    def port(self, node, name="https"):
        """host:port of a replica's port."""
        ports = self.replicas[node].endpoints()["ports"]
        return next(p["address"] for p in ports if p["name"] == name)

    def pin_replica(self, name, address):
        """From its next start on a replica listens where it did."""
        conf = self.folder / f"{name}.conf"
        conf.write_text(conf.read_text().replace("127.0.0.1:0", address))

    # ---- what is served -----------------------------------------------------------------------

    def fetch(self, node, name, *options):
        return tls_fetch(self.port(node), name, *options)

    def wait_served(self, node, name, fingerprint=None, other_than=None, seconds=15):
        """Waits until the node serves the name (with this leaf, or another than that one)."""
        def served():
            got = self.fetch(node, name).fingerprint
            fits = got if fingerprint is None else got == fingerprint
            return got if fits and got != other_than else None

        try:
            return wait_for(served, seconds, f"{node} to serve {name}")
        except Failure as failure:
            raise Failure(f"{failure}\n{self.replicas[node].tail()}") from None

    def wait_refused(self, node, name, seconds=15):
        wait_for(lambda: not self.fetch(node, name).ok, seconds,
                 f"{node} to serve {name} no longer")

    def add(self, name, access, *options):
        """cert add by the Micro CA; waits until each node named in access serves it."""
        added = self.json("cert", "add", name, "--access", ",".join(access), "--no-wait", *options)
        for node in access:
            if node in self.replicas:
                self.wait_served(node, name)
        return added

    def in_step(self, *nodes):
        """Waits until the replicas (all of them by default) have what the manager has."""
        def equal():
            status = self.json("status")
            head = (status["term_number"], status["seq"])
            found = {n["name"]: (n.get("have_term"), n.get("have_seq"))
                     for n in self.json("node", "list")["nodes"]}
            return all(found[n] == head for n in nodes or self.replicas)

        wait_for(equal, 20, "all replicas to hold the newest record")

    def agree(self):
        """All nodes hold the manager's newest record and the same records, seen from outside."""
        self.in_step()
        held = {}
        for name, data in [("manager", self.data / "server"),
                           *((n, self.folder / n) for n in self.replicas)]:
            held[name] = {(r.id, r.version, r.body) for r in read_store(data, self.folder)}
        assert all(found == held["manager"] for found in held.values())

    # ---- the end ------------------------------------------------------------------------------

    def close(self):
        """Stops everything; every exit status, sanitizer report and leftover file is a failure."""
        failures = []
        for process in reversed(self.started):
            try:
                process.stop()
            except Failure as failure:
                failures.append(str(failure))
        for report in sanitizer_reports(self.logs):
            failures.append(f"{report.name}:\n{report.read_text(errors='replace')[:6000]}")
        for pattern in LEFTOVER:
            failures += [f"left behind: {path}" for path in self.folder.rglob(pattern)]
        if failures:
            raise Failure("\n".join(failures))


TLS_PORT = """
port "https" {
    listen = "127.0.0.1:0"
}
"""
