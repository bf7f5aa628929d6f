"""all: every bench after the other, each in a process and a time of its own, and one table."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import lib

MOST_SECONDS = 25 * 60
# The time that each may take. Together they are more than the whole may take, which ends the last.
PLAN = (
    ("issue", 240, ["--rounds", "3"]),
    ("import", 120, ["--rounds", "1"]),
    ("handshake", 400, ["--seconds", "2"]),
    ("start", 400, ["--only", "certherd,nginx,haproxy"]),
    ("idle", 200, []),
    ("stalled", 200, []),
    ("coldstart", 300, []),
    ("fanout", 600, []),
)


def one(args, program, name, seconds, options, report):
    """Runs a bench; how it ended, in a word or two."""
    command = [sys.executable, program, name, "--build", args.build, "--report", report, *options]
    process = subprocess.Popen(command, preexec_fn=lib.end_with_parent)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.terminate()  # it cleans up
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return f"not done after {seconds:.0f} s"
    return "" if os.path.exists(report) else f"exit {process.returncode}"


def read(report):
    try:
        return json.loads(pathlib.Path(report).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"done": False, "goals": [], "others": 0.0}


def print_summary(results, took):
    print(f"\nall: {took / 60:.1f} minutes, {os.cpu_count()} cores, load now "
          f"{os.getloadavg()[0]:.1f}")
    failed = False
    for name, complaint, seconds, report in results:
        complaint = complaint or ("" if report["done"] else "ended with an error, see above")
        failed = failed or bool(complaint)
        noise = f", others took {report['others']:.0%}" if report["others"] > lib.OTHERS else ""
        if not report["goals"] and not complaint:
            noise += ", no goal was judged: a peer is missing"
        print(f"{name}: {seconds:.0f} s{noise}{': FAILED, ' + complaint if complaint else ''}")
        for goal in report["goals"]:
            failed = failed or goal["failed"]
            verdict = goal["verdict"] + (" (FAILED)" if goal["failed"] else "")
            print(f"  {goal['what']:52} {goal['value']:>16}  {goal['rule']:16} {verdict}")
    print("all: " + ("FAILED: a bench failed, or missed a goal by more than a fifth" if failed
                     else "no goal is missed by more than a fifth"))
    return int(failed)


def run(args, program):
    began = time.monotonic()
    wanted = args.only.split(",") if args.only else [name for name, _, _ in PLAN]
    unknown = set(wanted) - {name for name, _, _ in PLAN}
    if unknown:
        sys.exit(f"bench: there is no bench called {', '.join(sorted(unknown))}")
    results = []
    with tempfile.TemporaryDirectory(prefix="certherd-bench-all-") as place:
        for name, most, options in PLAN:
            if name not in wanted:
                continue
            report = os.path.join(place, f"{name}.json")
            start = time.monotonic()
            seconds = min(most, began + MOST_SECONDS - start)
            complaint = "no time was left"
            if seconds > 10:
                print(f"\n=== {name}", flush=True)
                complaint = one(args, program, name, seconds, options, report)
            results.append((name, complaint, time.monotonic() - start, read(report)))
    return print_summary(results, time.monotonic() - began)
