"""issue: a key, a certificate, a seal, stored and synced, each by one request over HTTP."""

import json
import sqlite3
import statistics

import domain
import lib

CONNECTIONS = 32
CFSSL_TABLES = """
CREATE TABLE certificates (serial_number blob NOT NULL, authority_key_identifier blob NOT NULL,
    ca_label blob, status blob NOT NULL, reason int, expiry timestamp, revoked_at timestamp,
    pem blob NOT NULL, PRIMARY KEY(serial_number, authority_key_identifier));
CREATE TABLE ocsp_responses (serial_number blob NOT NULL, authority_key_identifier blob NOT NULL,
    body blob NOT NULL, expiry timestamp, PRIMARY KEY(serial_number, authority_key_identifier),
    FOREIGN KEY(serial_number, authority_key_identifier)
    REFERENCES certificates(serial_number, authority_key_identifier));
"""


def start_cfssl(bench, cores):
    place = bench.dir / "cfssl"
    if not place.exists():
        place.mkdir()
        (place / "csr.json").write_text(
            '{"CN": "bench CA", "key": {"algo": "ecdsa", "size": 256}}', encoding="ascii")
        made = json.loads(lib.quiet(["sh", "-c", "cfssl genkey -initca csr.json 2>/dev/null"],
                                    cwd=place))
        (place / "ca.pem").write_text(made["cert"], encoding="ascii")
        (place / "ca.key").write_text(made["key"], encoding="ascii")
        (place / "db.json").write_text(
            json.dumps({"driver": "sqlite3", "data_source": str(place / "certs.db")}),
            encoding="ascii")
        with sqlite3.connect(place / "certs.db") as db:
            db.executescript(CFSSL_TABLES)
    port = lib.free_port()
    process = bench.start(
        "cfssl", ["cfssl", "serve", "-address", "127.0.0.1", "-port", port, "-ca",
                  place / "ca.pem", "-ca-key", place / "ca.key", "-db-config", place / "db.json",
                  "-loglevel", "5"], cores)
    lib.wait_until("port of cfssl", lambda: lib.listens(port), 30, process)
    return process, port


class Load:
    def __init__(self, bench, cores):
        self.bench, self.cores, self.first = bench, cores, 0

    def round(self, target, path, body, process):
        result = self.bench.tool("bench_api_load", target, path, CONNECTIONS,
                                 self.bench.args.seconds, self.first, body, cores=self.cores)
        result["cpu"] = sum(lib.cpu_of(pid) for pid in process.family())
        self.first += result["ok"] + result["refused"] + CONNECTIONS
        return result


def rounds_of(load, target, path, body, process):
    found = []
    for _ in range(load.bench.args.rounds or 5):
        before = sum(lib.cpu_of(pid) for pid in process.family())
        result = load.round(target, path, body, process)
        result["cpu"] -= before
        found.append(result)
    return found


def print_row(label, rounds):
    rate = [r["ok"] / r["seconds"] for r in rounds]
    cpu = [r["cpu"] * 1e6 / max(r["ok"], 1) for r in rounds]
    print(f"  {label:34} {lib.spread(rate):>22} /s, server CPU {lib.spread(cpu):>16} us, "
          f"p50 {statistics.median(r['p50_ms'] for r in rounds):.1f} ms, "
          f"p99 {statistics.median(r['p99_ms'] for r in rounds):.1f} ms", flush=True)
    refused = sum(r["refused"] for r in rounds)
    if refused:
        print(f"    {refused} answers were errors, not counted; the first: "
              f"{next(r['complaint'] for r in rounds if r['refused'])}")
    return statistics.median(rate), statistics.median(cpu)


def run_pair(bench, place, server_cores, client_cores):
    load, rates = Load(bench, client_cores), {}
    print(f"{place}:")
    if bench.wanted("certherd"):
        d = domain.Domain(bench, server_cores).start()
        path, body = "/v1/certs", '{"names": ["h@.bench.test"], "key_type": "ec-p256"}'
        d.api.call("POST", path, {"names": ["first.bench.test"]})  # makes the default CA
        rates["certherd"] = print_row("certherd POST /v1/certs", rounds_of(
            load, f"unix:{d.socket}", path, body, d.server))
        total = d.api.call("GET", "/v1/certs?limit=1")["total"]
        print(f"    {total} credentials in the store; memory PSS/RSS MiB: "
              f"{d.server.memory_text()}", flush=True)
        bench.stop(d.server)
        d.remove()
    if bench.wanted("cfssl") and bench.has("cfssl", "golang-cfssl"):
        process, port = start_cfssl(bench, server_cores)
        body = ('{"request": {"hosts": ["h@.bench.test"], "CN": "h@.bench.test", '
                '"names": [{"O": "bench"}], "key": {"algo": "ecdsa", "size": 256}}}')
        rates["cfssl"] = print_row("cfssl newcert + SQLite", rounds_of(
            load, f"127.0.0.1:{port}", "/api/v1/cfssl/newcert", body, process))
        print(f"    memory PSS/RSS MiB: {process.memory_text()}", flush=True)
        bench.stop(process)
    if "certherd" in rates and server_cores is None:
        bench.goal("issued, P-256, 32 connections, all cores", rates["certherd"][0], 2000, "/s",
                   at_least=True)
    if len(rates) == 2:
        print(f"  ratio certherd / cfssl: {rates['certherd'][0] / rates['cfssl'][0]:.2f} in "
              f"requests a second, {rates['cfssl'][1] / rates['certherd'][1]:.2f} in requests for "
              "each second of server CPU")


def run(bench):
    print(f"key, certificate, stored; P-256 key and CA; {CONNECTIONS} connections kept open, one "
          f"request at a time on each; {bench.args.rounds or 5} rounds of {bench.args.seconds} s\n"
          "certherd: UNIX socket; key sealed to the node and the managers; SQLite, write-ahead "
          "log, synchronous=FULL: synced before the answer, commits in groups\n"
          f"cfssl {lib.version_of('golang-cfssl')}: TCP; the key is sent in the answer and not "
          "stored, the certificate is; SQLite by its defaults: rollback journal, "
          "synchronous=FULL, a transaction for each")
    run_pair(bench, "server and client share all cores", None, None)
    run_pair(bench, "server on core 0, client on core 1", "0", "1")
