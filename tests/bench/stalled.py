"""stalled: one follower of twenty is stopped in the middle of changes; what the others notice."""

import signal
import time

import domain
import fanout
import lib

COUNT, BLOCKS, GAP_S = 20, 4, 0.1
MOST_RATIO = 1.5


def measure(followers, rounds, change):
    """Blocks of changes by turns, so that both sides meet the same machine."""
    stopped = followers.processes[0]
    without, beside = fanout.Times(), fanout.Times()
    for _ in range(BLOCKS):
        for _ in range(rounds):
            without.change(followers, change)
            time.sleep(GAP_S)
        stopped.send_signal(signal.SIGSTOP)
        followers.count -= 1
        try:
            for _ in range(rounds):
                seq = beside.change(followers, change)
                time.sleep(GAP_S)
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
    without, beside, caught_up = measure(
        followers, rounds, lambda: d.api.call("POST", f"/v1/certs/{name}/renew", {})["seq"])
    a, b = without.row(), beside.row()
    fanout.print_row("all running", a)
    fanout.print_row("one stopped", b)
    print(f"    the stopped one served the last change {caught_up * 1000:.0f} ms after SIGCONT; "
          f"memory PSS/RSS MiB: {d.server.memory_text()}; followers {followers.memory_text()}")
    print(f"  ratio stopped / running: p50 {b['p50_ms'] / a['p50_ms']:.2f}, "
          f"p99 {b['p99_ms'] / a['p99_ms']:.2f}", flush=True)
    bench.goal("p99 of the others, one stopped / none", b["p99_ms"] / a["p99_ms"], MOST_RATIO, "")
    followers.stop()
    bench.stop(d.server)
    d.remove()
