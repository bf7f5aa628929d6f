"""idle: connections that prove or say nothing on the public port, while somebody joins."""

import os
import resource
import shutil
import statistics
import sys
import time

import domain
import lib

sys.path.insert(0, str(lib.ROOT / "tests" / "support"))
import crowd as crowds  # noqa: E402
import records  # noqa: E402

JOINS = 3
# Enough to hold them all: what the limits are there to prevent, so only the join has a goal then.
RAISED = ("--pending", "20000", "--connections", "12000")
MOST_MIB, MOST_SECONDS, HELD_SHARE = 64, 2, 0.9


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def join_times(d, label):
    """Seconds that each of a few joins takes, with the program's start."""
    times = []
    for i in range(JOINS):
        token = d.token_file(f"{label}{i}")
        began = time.monotonic()
        d.join_by(token, f"{label}{i}")
        times.append(time.monotonic() - began)
    return times


def member_files(bench, place):
    """Certificate and key of a member, as files that Python's TLS takes."""
    key = bench.dir / "member.key"
    key.write_bytes(records.read_keys(place / "keys" / "identity.key")["identity"])
    return place / "identity.pem", key


def raise_descriptors(wanted):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < wanted:
        sys.exit(f"bench: {wanted} descriptors are needed, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def measure(bench, d, label, count, hold_all):
    """A crowd, a few joins beside it; what the server had more, and how long the slowest took."""
    member = member_files(bench, d.join(f"{label}-member"))
    alone = join_times(d, f"{label}-alone")
    before, memory, fds = d.server.memory(), d.server.memory_text(), descriptors(d.server.pid)
    crowd = crowds.Crowd(d.port, member)
    began = time.monotonic()
    shares = (count // 10, count // 10, count * 2 // 5, count * 2 // 5)
    kinds = zip(reversed(crowds.KINDS), shares)  # what takes longest comes first
    good = {kind: crowd.add(kind, share) for kind, share in kinds}
    if hold_all:  # those that came first may have met their deadline: it took too long
        crowd.add("silent", count - descriptors(d.server.pid) + fds)
    took = time.monotonic() - began
    held = descriptors(d.server.pid) - fds
    most = d.server.memory()
    beside = join_times(d, f"{label}-beside")
    most = max(most, d.server.memory())
    print(f"  {label}: {count} connections opened in {took:.1f} s from "
          f"{crowd.addresses()} addresses, answered as far as they went: "
          f"{', '.join(f'{n} {kind}' for kind, n in good.items())}; the server holds {held}\n"
          f"    join: {lib.spread(beside, 2)} s, without them {lib.spread(alone, 2)} s, ratio "
          f"{statistics.median(beside) / statistics.median(alone):.2f}\n"
          f"    memory PSS/RSS MiB: {d.server.memory_text()}; before {memory}; "
          f"{most - before:.1f} MiB more, {(most - before) * 1024 / max(held, 1):.1f} KiB each",
          flush=True)
    crowd.close()
    began = time.monotonic()
    lib.wait_until("descriptors to be given back",
                   lambda: descriptors(d.server.pid) <= fds + 8, 60, d.server)
    print(f"    all given back {time.monotonic() - began:.1f} s after the clients left; then "
          f"{d.server.memory_text()}", flush=True)
    return held, most - before, max(beside)


def run(bench):
    count = bench.args.names or 5000
    raise_descriptors(count + 500)
    print(f"{count} connections on the public port that say nothing, stop in the middle of a "
          f"handshake, or send nothing after it, while {JOINS} members join one after another "
          "(certherd-replica join, with its start; synced to disk by the manager). All processes "
          "share all cores. No peer: nobody else has a join")
    for label, options in (("limits by default", ()), ("limits raised", RAISED)):
        if not bench.wanted(label):
            continue
        d = domain.Domain(bench).start(*options)
        held, more, join = measure(bench, d, label.replace(" ", "-"), count, bool(options))
        if options and held < count * HELD_SHARE:
            print(f"    only {held} were held: this machine is too slow for the deadlines")
        if not options:
            bench.goal(f"memory more, {label}", more, MOST_MIB, "MiB")
        bench.goal(f"slowest join beside them, {label}", join, MOST_SECONDS, "s")
        bench.stop(d.server)
        d.remove()
        shutil.rmtree(bench.dir / "members")
