"""handshake and start: TLS servers with many names, P-256, TLS 1.3, one core for each server."""

import json
import pathlib
import shutil
import statistics
import time

import lib

SERVER_CORE, CLIENT_CORE = "0", "1"
CONNECTIONS = 64
CORE_SHARE = 0.9  # with less of its core a server's rate says more about others than about it


class Server:
    """One TLS server over the same certificates. prepare is not measured, start is."""

    label = package = program = None

    def __init__(self, bench, names, data):
        self.bench, self.names, self.data = bench, names, data
        self.dir = bench.dir / self.label.replace(" ", "-")
        self.dir.mkdir(exist_ok=True)
        self.port = lib.free_port()
        self.process = None

    def usable(self):
        return self.bench.has(self.program, self.package)

    def prepare(self):
        pass

    def start(self):
        self.process = self.bench.start(self.dir.name, self.command(), cores=SERVER_CORE)

    def stop(self):
        self.bench.stop(self.process)

    def worker(self):
        """The process that makes the handshakes."""
        return self.process.pid


class Certherd(Server):
    label = "certherd"

    def usable(self):
        return True

    def prepare(self):
        config = self.dir / "replica.conf"
        shutil.copytree(self.data / "member", self.dir / "member")
        config.write_text(
            f'data = "{self.dir / "member"}"\nthreads = 1\n'
            f'port "main" {{ listen = "127.0.0.1:{self.port}" }}\n', encoding="utf-8")

    def command(self):
        return [self.bench.bin / "certherd-replica", "--config", self.dir / "replica.conf"]


class Nginx(Server):
    label = program = "nginx"
    package = "nginx-light"

    def prepare(self):
        blocks = "\n".join(
            f"server {{ listen 127.0.0.1:{self.port} ssl; server_name {n}; "
            f"ssl_certificate {self.data}/pem/{n}.pem; "
            f"ssl_certificate_key {self.data}/pem/{n}.pem; return 204; }}"
            for n in map(name_of, range(self.names)))
        user = "user root;" if pathlib.Path("/root").owner() == "root" else ""
        (self.dir / "nginx.conf").write_text(
            f"{user} worker_processes 1; daemon off; pid {self.dir}/pid; error_log /dev/null;\n"
            "events { worker_connections 4096; }\nhttp { access_log off; "
            "server_names_hash_max_size 262144; server_names_hash_bucket_size 128;\n"
            "ssl_protocols TLSv1.3; ssl_session_cache none; ssl_session_tickets on;\n"
            f"{blocks}\n}}\n", encoding="utf-8")

    def command(self):
        return ["nginx", "-e", "/dev/null", "-p", self.dir, "-c", self.dir / "nginx.conf"]

    def worker(self):
        children = lib.children_of(self.process.pid)
        return children[0] if children else self.process.pid


class Haproxy(Server):
    label = program = package = "haproxy"

    def prepare(self):
        (self.dir / "haproxy.cfg").write_text(
            "global\n nbthread 1\n maxconn 4096\ndefaults\n mode http\n timeout client 30s\n"
            " timeout server 30s\n timeout connect 5s\nfrontend f\n"
            f" bind 127.0.0.1:{self.port} ssl crt {self.data}/pem ssl-min-ver TLSv1.3\n"
            " http-request return status 204\n", encoding="utf-8")

    def command(self):
        return ["haproxy", "-q", "-f", self.dir / "haproxy.cfg"]


class Bare(Server):
    label = "bare OpenSSL loop"

    def usable(self):
        return True

    def command(self):
        return [self.bench.tools / "bench_tls_bare", self.port, self.names, self.data / "pem"]


def name_of(number):
    return f"h{number:06d}.bench.test"


def make_data(bench, names):
    data = bench.dir / "names"
    data.mkdir()
    began = time.monotonic()
    lib.quiet([bench.tools / "bench_member_data", names, data / "member", data / "pem"])
    print(f"{names} names, P-256, made in {time.monotonic() - began:.1f} s; "
          f"a replica's database of {(data / 'member' / 'store.db').stat().st_size >> 20} MiB")
    return data


def load(bench, server, mode, seconds):
    return bench.tool("bench_tls_load", f"127.0.0.1:{server.port}", mode, bench.names,
                      CONNECTIONS, seconds, server.worker(), cores=CLIENT_CORE)


def probe(bench, server):
    try:
        return bench.tool("bench_tls_load", f"127.0.0.1:{server.port}", "probe", bench.names, 1,
                          300, 0, cores=CLIENT_CORE)["at_ns"]
    except SystemExit:
        print(f"bench: {server.label} does not serve: {server.process.log_text()}")
        raise


def rate_of(r):
    return r["handshakes"] / r["seconds"]


def cpu_of(r):
    """Microseconds of the server's processor time for a handshake."""
    return r["server_cpu_s"] * 1e6 / max(r["handshakes"], 1)


def print_row(label, mode, rounds):
    for r in rounds:
        if r["failed"] or not r["handshakes"]:
            print(f"  {label} {mode}: {r['failed']} handshakes failed, "
                  f"{r['handshakes']} succeeded")
    share = statistics.median(r["resumed"] / max(r["handshakes"], 1) for r in rounds)
    server, client = (statistics.median(r[f"{end}_cpu_s"] / r["seconds"] for r in rounds)
                      for end in ("server", "client"))
    print(f"  {label:18} {mode:8} {lib.spread([rate_of(r) for r in rounds]):>22} /s, server CPU "
          f"{lib.spread([cpu_of(r) for r in rounds]):>16} us, "
          f"p50 {statistics.median(r['p50_ms'] for r in rounds):.1f} ms, "
          f"p99 {statistics.median(r['p99_ms'] for r in rounds):.1f} ms, resumed {share:.0%}; "
          f"of its core the server had {server:.0%}, the client {client:.0%}", flush=True)
    return server


def compare(bench, results, shares, mode, peer):
    """Ratios of the rounds that were neighbours in time, which is fair on a machine that varies."""
    pairs = list(zip(results[mode, Certherd.label], results[mode, peer]))
    rate = [rate_of(own) / rate_of(other) for own, other in pairs]
    cpu = [cpu_of(other) / cpu_of(own) for own, other in pairs]
    print(f"  ratio {mode:8} certherd / {peer}: {lib.spread(rate, 2)} in handshakes a second, "
          f"{lib.spread(cpu, 2)} in handshakes for each second of server CPU", flush=True)
    if peer != Nginx.label:
        return
    free = min(shares[mode, Certherd.label], shares[mode, peer]) >= CORE_SHARE
    how = "by rate" if free else "by CPU, the core was not free"
    bench.goal(f"{mode} handshakes, of nginx's, {how}", statistics.median(rate if free else cpu),
               0.8, "", at_least=True)


def measure_handshakes(bench, servers, rounds):
    results = {}
    for number in range(rounds):
        for mode in ("full", "resumed"):
            for server in servers[number % len(servers):] + servers[:number % len(servers)]:
                results.setdefault((mode, server.label), []).append(
                    load(bench, server, mode, bench.args.seconds))
    return results


def run_handshake(bench):
    bench.names = bench.args.names or 10000
    rounds = bench.args.rounds or 5
    data = make_data(bench, bench.names)
    print(f"server on core {SERVER_CORE}, one thread for handshakes; client on core "
          f"{CLIENT_CORE}, {CONNECTIONS} connections, random names (resumed: 1,000 sessions in "
          f"turn); {rounds} rounds of {bench.args.seconds} s, servers take turns; X25519; a "
          "handshake ends when its first ticket has come; nothing is written to disk by anybody")
    servers = [s(bench, bench.names, data)
               for s in (Certherd, Nginx, Haproxy, Bare) if bench.wanted(s.label)]
    servers = [s for s in servers if s.usable()]
    for server in servers:
        server.prepare()
        began = time.monotonic_ns()
        server.start()
        at = probe(bench, server)
        warm = load(bench, server, "warm", 300)
        print(f"  {server.label:18} first handshake of the last name after "
              f"{(at - began) / 1e6:.0f} ms; each name once: {warm['seconds']:.1f} s, "
              f"{warm['failed']} failed", flush=True)
    results, shares = measure_handshakes(bench, servers, rounds), {}
    for mode, label in results:
        shares[mode, label] = print_row(label, mode, results[mode, label])
    for server in servers:
        print(f"  memory PSS/RSS MiB: {server.label:18} {server.process.memory_text()}")
    for mode, label in results:
        if label != Certherd.label and (mode, Certherd.label) in results:
            compare(bench, results, shares, mode, label)


def read_all(directory):
    """Reads every file once, so that all servers start from a warm page cache."""
    for path in pathlib.Path(directory).rglob("*"):
        if path.is_file():
            path.read_bytes()


def run_start(bench):
    bench.names = bench.args.names or 50000
    data = make_data(bench, bench.names)
    read_all(data)
    print(f"from exec to the first handshake of the last name, server on core {SERVER_CORE}, "
          f"prober on core {CLIENT_CORE}, files in the page cache; the peers take one round each, "
          "since they take long")
    medians = {}
    for kind in (Certherd, Nginx, Haproxy, Bare):
        server = kind(bench, bench.names, data)
        if not bench.wanted(server.label) or not server.usable():
            continue
        server.prepare()
        own = kind is Certherd
        times = []
        for _ in range((bench.args.rounds or 5) if own else 1):
            began = time.monotonic_ns()
            server.start()
            times.append((probe(bench, server) - began) / 1e6)
            memory = server.process.memory_text()
            server.stop()
        medians[server.label] = statistics.median(times)
        print(f"  {server.label:18} {lib.spread(times):>26} ms, PSS/RSS MiB at that time: "
              f"{memory}", flush=True)
    if Certherd.label in medians:
        bench.goal(f"start with {bench.names} names", medians[Certherd.label] / 1000, 2, "s")
    for label, value in medians.items():
        if label != Certherd.label and Certherd.label in medians:
            print(f"  ratio certherd / {label}: {medians[Certherd.label] / value:.4f}")
