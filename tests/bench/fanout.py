"""fanout: from an acknowledged change to every node that serves it, beside etcd's watches."""

import subprocess
import threading
import time

import domain
import lib

CREDENTIAL = "fan.bench.test"
# Everything here comes from one address, which the limits of a public port would not let in.
LIMITS = ("--pending", "20000", "--pending-per-address", "20000", "--tries-per-second", "100000",
          "--connections", "8000")


def print_row(label, r):
    print(f"  {label:44} p50 {r['p50_ms']:.2f} ms, p99 {r['p99_ms']:.2f} ms, last of each change "
          f"p50 {r['last_p50_ms']:.2f} ms, p99 {r['last_p99_ms']:.2f} ms; the answer itself p50 "
          f"{r['request_p50_ms']:.2f} ms; from the request p50 {r['whole_p50_ms']:.2f} ms, p99 "
          f"{r['whole_p99_ms']:.2f} ms", flush=True)


def per_mille(values, at):
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) * at // 1000]


class Times:
    """Of changes one after another, in ms: from the answer of each (and from its request) until
    a follower serves it."""

    def __init__(self):
        self.each, self.last, self.request, self.whole = [], [], [], []

    def change(self, followers, change):
        """change() answers with the place in the log that it made, which is given back."""
        before = time.monotonic_ns()
        seq = change()
        answered = time.monotonic_ns()
        times = followers.wait_serving(seq).values()
        followers.forget()
        self.each += [(t - answered) / 1e6 for t in times]
        self.whole += [(t - before) / 1e6 for t in times]
        self.last.append((max(times) - answered) / 1e6)
        self.request.append((answered - before) / 1e6)
        return seq

    def row(self):
        return {"p50_ms": per_mille(self.each, 500), "p99_ms": per_mille(self.each, 990),
                "last_p50_ms": per_mille(self.last, 500),
                "last_p99_ms": per_mille(self.last, 990),
                "request_p50_ms": per_mille(self.request, 500),
                "whole_p50_ms": per_mille(self.whole, 500),
                "whole_p99_ms": per_mille(self.whole, 990)}


class Followers:
    """Load processes with many followers each, and what they said."""

    def __init__(self, bench, places, processes):
        self.bench, self.count = bench, len(places)
        self.fresh, self.serving = set(), []  # (follower, seq, at)
        self.applied = []
        self.processes = []
        for i in range(processes):
            self._start(i, places[i::processes])

    def _start(self, number, places):
        process = subprocess.Popen(self.command(places), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, preexec_fn=lib.end_with_parent)
        self.processes.append(process)
        threading.Thread(target=self._read, args=(number, process), daemon=True).start()

    def command(self, places):
        return [self.bench.tools / "bench_followers", *places]

    def _read(self, number, process):
        for line in process.stdout:
            what, follower, seq, at = line.split()
            follower = (number, int(follower))
            if what == b"fresh":
                self.fresh.add(follower)
            elif what == b"serving":
                self.serving.append((follower, int(seq), int(at)))
            else:
                self.applied.append((follower, int(seq), int(at)))

    def wait_serving(self, seq, seconds=120):
        """The first time at which each follower served what is in the log up to seq."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            first = {}
            for follower, served, at in list(self.serving):
                if served >= seq and (follower not in first or at < first[follower]):
                    first[follower] = at
            if len(first) == self.count:
                return first
            if any(p.poll() is not None for p in self.processes):
                break
            time.sleep(0.02)
        raise SystemExit(f"bench: {len(first)} of {self.count} followers serve {seq}")

    def serves(self, process, seq):
        """Whether a follower of that process serves what is in the log up to seq."""
        return any(number == process and served >= seq
                   for (number, _), served, _ in list(self.serving))

    def forget(self):
        """What they said so far."""
        self.serving.clear()
        self.applied.clear()

    def memory_text(self):
        parts = []
        for process in self.processes:
            memory = lib.memory_of(process.pid)
            parts.append(f"{memory[0]:.0f}/{memory[1]:.0f}" if memory else "?")
        return ", ".join(parts)

    def cpu(self):
        return sum(lib.cpu_of(p.pid) for p in self.processes)

    def stop(self):
        for process in self.processes:
            process.stdin.close()
            process.wait(20)


def real_replicas(bench, d, count):
    ports, processes = [], []
    for i in range(count):
        name = f"r{count}-{i}"
        place = bench.dir / "members" / name
        if not place.exists():
            d.join(name)
        port, process = d.start_replica(name, place)
        ports.append(port)
        processes.append(process)
    d.api.call("POST", "/v1/groups",
               {"name": f"real{count}", "members": [f"r{count}-{i}" for i in range(count)]})
    name = f"real{count}.bench.test"
    d.api.call("POST", "/v1/certs", {"names": [name], "access": [f"@real{count}"]})
    rounds = bench.args.rounds or 300
    result = bench.tool("bench_fanout_probe", f"unix:{d.socket}", name, name, rounds, *ports)
    print_row(f"certherd, {count} real replica{'s'[:count > 1]}, {rounds} renewals", result)
    print(f"    memory PSS/RSS MiB: {d.server.memory_text()}; replicas "
          f"{', '.join(p.memory_text().split()[-1] for p in processes[:3])}"
          f"{' ...' if count > 3 else ''}", flush=True)
    for process in processes:
        bench.stop(process)
    return result


def measure(label, followers, pid, rounds, change):
    """Changes one after another; what is said of their times, see Times."""
    times = Times()
    cpu, load_cpu = lib.cpu_of(pid), followers.cpu()
    for _ in range(rounds):
        times.change(followers, change)
        time.sleep(0.3)  # so that each change meets followers that wait for one
    cpu = (lib.cpu_of(pid) - cpu) / rounds
    load_cpu = (followers.cpu() - load_cpu) / rounds
    row = times.row()
    print_row(f"{label}, {rounds} changes", row)
    print(f"    the server's CPU for a change and what follows it: {cpu * 1000:.0f} ms; of the "
          f"load processes: {load_cpu * 1000:.0f} ms, {load_cpu * 1e6 / followers.count:.0f} us each")
    return row


def compare(own, peer):
    """Between how many receivers there are, the ratios; an answer is worth a different thing to
    each side, and events can leave before it, so the request is where the clock starts."""
    for count in sorted(set(own) & set(peer)):
        ratios = [own[count][k] / max(peer[count][k], 1e-3)
                  for k in ("whole_p50_ms", "whole_p99_ms")]
        print(f"  ratio certherd / etcd, {count} receiver{'s'[:count > 1]}, from the request: p50 "
              f"{ratios[0]:.2f}, p99 {ratios[1]:.2f}", flush=True)


def many_followers(bench, d, count):
    began = time.monotonic()
    places = [d.join(f"f{i}") for i in range(count)]
    print(f"    {count} members joined by token in {time.monotonic() - began:.0f} s, one after "
          "another", flush=True)
    d.api.call("POST", "/v1/groups", {"name": "all", "members": [f"f{i}" for i in range(count)]})
    changed = d.api.call("POST", "/v1/certs", {"names": [CREDENTIAL], "access": ["@all"]})
    began = time.monotonic()
    followers = Followers(bench, places, min(4, count))
    followers.wait_serving(changed["seq"], 300)
    lib.wait_until("fresh followers", lambda: len(followers.fresh) == count, 60)
    print(f"    {count} followers in {len(followers.processes)} processes synced from nothing "
          f"after {time.monotonic() - began:.1f} s", flush=True)
    row = measure(f"certherd, {count} followers", followers, d.server.pid,
                  min(bench.args.rounds or 50, 50),
                  lambda: d.api.call("POST", f"/v1/certs/{CREDENTIAL}/renew", {})["seq"])
    print(f"    memory PSS/RSS MiB: {d.server.memory_text()}; load processes "
          f"{followers.memory_text()}", flush=True)
    followers.stop()
    return row


def run(bench):
    print("from the answer of a renewal to the node that serves the new certificate. certherd: "
          "synced to disk by the manager and stored by each node before it serves; real "
          "replicas by TLS handshakes one after another (p99 over every node and renewal); "
          "followers in load processes have their own TLS, verification, database and cache. "
          "All processes share all cores; a closed loop, one change at a time")
    sizes, own = [n for n in (1, 20) if bench.wanted(f"real{n}")], {}
    if bench.wanted("certherd"):
        d = domain.Domain(bench).start(*LIMITS)
        for count in sizes:
            own[count] = real_replicas(bench, d, count)
            if count == 1:
                bench.goal("commit to served, 1 replica, p50", own[1]["p50_ms"], 5, "ms")
        if bench.args.followers > 0 and bench.wanted("followers"):
            many = bench.args.followers
            own[many] = many_followers(bench, d, many)
            bench.goal(f"commit to served, {many} followers, p99", own[many]["p99_ms"], 1000, "ms")
        bench.stop(d.server)
        d.remove()
    if bench.wanted("etcd") and bench.has("etcd", "etcd-server"):
        import etcd  # it uses this module
        compare(own, etcd.run_fanout(bench, sizes + [bench.args.followers]))


def run_coldstart(bench):
    count, size = bench.args.names or 100000, 4096
    print(f"an empty follower until it holds {count} records of {size} bytes: fetched over TLS, "
          "digest and head verified, stored (SQLite, synchronous=NORMAL), looked at by the cache; "
          "from exec. etcd: all values read over TLS, not stored. All processes share all cores")
    if bench.wanted("certherd"):
        d = domain.Domain(bench)
        d.start(*LIMITS)
        places = [d.join(f"c{i}") for i in range(bench.args.rounds or 3)]
        bench.stop(d.server)
        d.api.close()
        seq = bench.tool("bench_fill", d.dir / "server", count, size)["seq"]
        began = time.monotonic()
        d.start(*LIMITS)
        print(f"    the server starts with them in {time.monotonic() - began:.2f} s", flush=True)
        times = []
        for place in places:
            began = time.monotonic_ns()
            follower = Followers(bench, [place], 1)
            at = follower.wait_serving(seq, 300)
            times.append((next(iter(at.values())) - began) / 1e9)
            memory = follower.memory_text()
            follower.stop()
        print(f"  certherd: {lib.spread(times, 2)} s; memory PSS/RSS MiB: "
              f"{d.server.memory_text()}, follower {memory}", flush=True)
        bench.goal(f"{count} records verified and stored", per_mille(times, 500), 10, "s")
        bench.stop(d.server)
        d.remove()
    if bench.wanted("etcd") and bench.has("etcd", "etcd-server") and \
            bench.has("etcdctl", "etcd-client"):
        import etcd  # it uses this module
        peer = etcd.run_coldstart(bench, count)
        if bench.wanted("certherd"):
            print(f"  ratio certherd / etcd: {per_mille(times, 500) / per_mille(peer, 500):.2f}")
