"""stalled: one follower of twenty is stopped in the middle of changes; what the others notice."""

import signal
import time

import domain
import fanout
import lib

COUNT, BLOCKS, GAP_S = 20, 4, 0.1
MOST_RATIO = 1.5


class Side:
    """The times of all changes with the stopped follower, or of those without."""

    def __init__(self):
        self.each, self.last, self.request = [], [], []

    def change(self, d, name, followers):
        before = time.monotonic_ns()
        seq = d.api.call("POST", f"/v1/certs/{name}/renew", {})["seq"]
        at = time.monotonic_ns()
        times = [(t - at) / 1e6 for t in followers.wait_serving(seq).values()]
        followers.forget()
        self.each += times
        self.last.append(max(times))
        self.request.append((at - before) / 1e6)
        time.sleep(GAP_S)
        return seq

    def row(self, label):
        r = {"p50_ms": fanout.per_mille(self.each, 500), "p99_ms": fanout.per_mille(self.each, 990),
             "last_p50_ms": fanout.per_mille(self.last, 500),
             "last_p99_ms": fanout.per_mille(self.last, 990),
             "request_p50_ms": fanout.per_mille(self.request, 500)}
        fanout.print_row(label, r)
        return r


def measure(d, name, followers, rounds):
    """Blocks of changes by turns, so that both sides meet the same machine."""
    stopped = followers.processes[0]
    without, beside = Side(), Side()
    for _ in range(BLOCKS):
        for _ in range(rounds):
            without.change(d, name, followers)
        stopped.send_signal(signal.SIGSTOP)
        followers.count -= 1
        try:
            for _ in range(rounds):
                seq = beside.change(d, name, followers)
        finally:
            stopped.send_signal(signal.SIGCONT)
        followers.count += 1
        began = time.monotonic()
        lib.wait_until("the stopped follower to catch up", lambda: followers.serves(0, seq), 120)
        caught_up = time.monotonic() - began
        followers.forget()
    return without, beside, caught_up


def run(bench):
    rounds = bench.args.rounds or 25
    print(f"{COUNT} followers, each in a process of its own with its own TLS, verification, "
          f"database and cache; from the answer of a renewal to the certificate in the cache of a "
          f"follower; {BLOCKS} times {rounds} changes, by turns with all running and with one "
          f"stopped by SIGSTOP, when the other {COUNT - 1} count; synced to disk by the manager; all "
          "processes share all cores. The peer is the same run without the stopped one")
    d = domain.Domain(bench).start(*fanout.LIMITS)
    places = [d.join(f"s{i}") for i in range(COUNT)]
    d.api.call("POST", "/v1/groups", {"name": "all", "members": [f"s{i}" for i in range(COUNT)]})
    name = "stalled.bench.test"
    changed = d.api.call("POST", "/v1/certs", {"names": [name], "access": ["@all"]})
    followers = fanout.Followers(bench, places, COUNT)
    followers.wait_serving(changed["seq"], 120)
    lib.wait_until("fresh followers", lambda: len(followers.fresh) == COUNT, 60)
    without, beside, caught_up = measure(d, name, followers, rounds)
    a, b = without.row("all running"), beside.row("one stopped")
    print(f"    the stopped one served the last change {caught_up * 1000:.0f} ms after SIGCONT; "
          f"memory PSS/RSS MiB: {d.server.memory_text()}; followers {followers.memory_text()}")
    print(f"  ratio stopped / running: p50 {b['p50_ms'] / a['p50_ms']:.2f}, "
          f"p99 {b['p99_ms'] / a['p99_ms']:.2f}", flush=True)
    bench.goal("p99 of the others, one stopped / none", b["p99_ms"] / a["p99_ms"], MOST_RATIO, "")
    followers.stop()
    bench.stop(d.server)
    d.remove()
