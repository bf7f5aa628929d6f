"""A domain of real processes: init, the server, and replicas that join by token."""

import http.client
import json
import secrets
import shutil
import socket
import time

import lib


class Api(http.client.HTTPConnection):
    """The server's HTTP API over its UNIX socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path, self.used = str(path), 0.0

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def call(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        if time.monotonic() - self.used > 10:
            self.close()  # the server ends connections that were idle for 30 s
        self.used = time.monotonic()
        self.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        answer = self.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:400]!r}")
        return json.loads(content)


class Domain:
    def __init__(self, bench, cores=None):
        self.bench, self.cores = bench, cores
        self.dir = bench.dir / "domain"
        self.port = lib.free_port()
        self.replicas = []
        passphrase = bench.dir / "passphrase"
        passphrase.write_text(secrets.token_hex(16), encoding="ascii")
        passphrase.chmod(0o600)
        lib.quiet([bench.bin / "certherd", "init", "--domain", "bench.test", "--data", self.dir,
                   "--address", "127.0.0.1", "--listen", f"127.0.0.1:{self.port}", "--replica-name",
                   "local", "--no-recovery", "--passphrase-file", passphrase])
        self.socket = self.dir / "server" / "api.sock"

    def start(self, *options):
        self.server = self.bench.start(
            "server", [self.bench.bin / "certherd-server", "--data", self.dir / "server",
                       "--listen", f"127.0.0.1:{self.port}", "--log-level", "warning", *options],
            self.cores)
        lib.wait_until("answer of the API", self._answers, 30, self.server)
        return self

    def _answers(self):
        try:
            self.api = Api(self.socket)
            self.api.call("GET", "/v1/status")
            return True
        except (OSError, RuntimeError, http.client.HTTPException):
            return False

    def token(self, name):
        return self.api.call("POST", "/v1/tokens", {"name": name, "ttl": "30s"})["token"]

    def remove(self):
        """The files of a domain whose processes have ended."""
        self.api.close()
        shutil.rmtree(self.dir)

    def join(self, name):
        """A member's directory, made as its administrator would."""
        return self.join_by(self.token_file(name), name)

    def token_file(self, name):
        token = self.bench.dir / f"token-{name}"
        token.write_text(self.token(name), encoding="ascii")
        return token

    def join_by(self, token, name):
        place = self.bench.dir / "members" / name
        place.parent.mkdir(exist_ok=True)
        lib.quiet([self.bench.bin / "certherd-replica", "join", "--data", place, "--token-file",
                   token, "--address", "127.0.0.1"])
        token.unlink()
        return place

    def start_replica(self, name, place):
        """A real replica with one TLS port; its port and process."""
        config = place.parent / f"{name}.conf"
        config.write_text(f'data = "{place}"\nthreads = 1\nlog-level = "warning"\n'
                          'port "main" { listen = "127.0.0.1:0" }\n', encoding="utf-8")
        process = self.bench.start(
            name, [self.bench.bin / "certherd-replica", "--config", config], self.cores)
        endpoints = place / "endpoints.json"
        lib.wait_until(f"ports of {name}", endpoints.exists, 60, process)
        ports = json.loads(endpoints.read_text(encoding="utf-8"))["ports"]
        return int(ports[0]["address"].rsplit(":", 1)[1]), process
