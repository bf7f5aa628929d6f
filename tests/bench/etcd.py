"""etcd as a peer: one node, TLS, durable puts as it makes them by default (fsync of its log)."""

import base64
import http.client
import json
import os
import ssl
import subprocess
import time

import fanout
import lib

VALUE_BYTES = 4096


class Etcd:
    def __init__(self, bench):
        self.bench, self.dir = bench, bench.dir / "etcd"
        self.dir.mkdir()
        self.ca = self.dir / "cert.pem"
        lib.quiet(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=bench", "-addext",
                   "subjectAltName=IP:127.0.0.1,DNS:localhost", "-days", "2", "-keyout",
                   self.dir / "key.pem", "-out", self.ca])
        self.port = lib.free_port()
        peer = f"http://127.0.0.1:{lib.free_port()}"
        url = f"https://127.0.0.1:{self.port}"
        self.process = bench.start("etcd", [
            "etcd", "--data-dir", self.dir / "data", "--listen-client-urls", url,
            "--advertise-client-urls", url, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
            "--cert-file", self.ca, "--key-file", self.dir / "key.pem", "--log-level", "error",
            "--quota-backend-bytes", str(8 << 30)])
        lib.wait_until("port of etcd", lambda: lib.listens(self.port), 30, self.process)
        self.api = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=ssl.create_default_context(cafile=self.ca))
        lib.wait_until("leader of etcd", self._is_up, 30, self.process)

    def _is_up(self):
        try:
            return "header" in self.call("/v3/kv/range", {"key": encode("x")})
        except (OSError, RuntimeError, http.client.HTTPException):
            self.api.close()
            return False

    def call(self, path, body):
        self.api.request("POST", path, json.dumps(body))
        answer = self.api.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"etcd {path}: {answer.status} {content[:300]!r}")
        return json.loads(content)

    def stop(self):
        self.api.close()
        self.bench.stop(self.process)


def encode(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


class Watchers(fanout.Followers):
    def __init__(self, bench, etcd, count):
        self.etcd = etcd
        super().__init__(bench, [None] * count, min(4, count))

    def command(self, places):
        return [self.bench.tools / "bench_etcd_watch", f"127.0.0.1:{self.etcd.port}",
                self.etcd.ca, str(len(places)), encode("key")]


def run_fanout(bench, sizes):
    """By the number of watchers, what fanout.measure says."""
    print(f"  etcd {lib.version_of('etcd-server')}: one node, a put of {VALUE_BYTES} bytes over "
          "TLS, synced to its log; watchers with a TLS connection each, in load processes, through "
          "the JSON gateway (which costs etcd more than its own protocol); they verify nothing "
          "but the server and store nothing")
    etcd, rows = Etcd(bench), {}
    for count in sizes:
        watchers = Watchers(bench, etcd, count)
        lib.wait_until("watches", lambda: len(watchers.fresh) == count, 60)
        rows[count] = fanout.measure(
            f"etcd, {count} watcher{'s'[:count > 1]}", watchers, etcd.process.pid,
            min(bench.args.rounds or 50, 50),
            lambda: int(etcd.call("/v3/kv/put", {"key": encode("key"), "value": encode(
                os.urandom(VALUE_BYTES))})["header"]["revision"]))
        print(f"    memory PSS/RSS MiB: {etcd.process.memory_text()}; load processes "
              f"{watchers.memory_text()}", flush=True)
        watchers.stop()
    etcd.stop()
    return rows


def fill(etcd, count):
    for first in range(0, count, 100):
        etcd.call("/v3/kv/txn", {"success": [
            {"request_put": {"key": encode(f"k{n:08d}"), "value": encode(os.urandom(VALUE_BYTES))}}
            for n in range(first, min(first + 100, count))]})


def run_coldstart(bench, count):
    """A fresh reader over TLS, by pages, with etcd's own client; seconds."""
    etcd = Etcd(bench)
    fill(etcd, count)
    page, times = 10000, []
    for _ in range(bench.args.rounds or 3):
        began = time.monotonic()
        for first in range(0, count, page):
            subprocess.run(
                ["etcdctl", "--endpoints", f"https://127.0.0.1:{etcd.port}", "--cacert", etcd.ca,
                 "get", f"k{first:08d}", f"k{first + page:08d}", "--print-value-only"], check=True,
                stdout=subprocess.DEVNULL, env={**os.environ, "ETCDCTL_API": "3"})
        times.append(time.monotonic() - began)
    print(f"  etcd {lib.version_of('etcd-server')}, etcdctl, pages of {page}: "
          f"{lib.spread(times, 2)} s; memory PSS/RSS MiB: {etcd.process.memory_text()}",
          flush=True)
    etcd.stop()
    return times
