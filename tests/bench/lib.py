"""Processes, memory, free ports, goals, and the table that a bench prints."""

import ctypes
import json
import os
import pathlib
import platform
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBC = ctypes.CDLL(None)
MISS = 1.2  # a figure that misses its goal by more than this factor makes the run fail
OTHERS = 0.1  # with more than this share of the machine taken by others, figures mean little


def quiet(command, **more):
    """Runs a command and shows what it said only when it fails."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, command))}\n{done.stdout[-3000:]}")
    return done.stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, condition, seconds=60, process=None):
    end = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            sys.exit(f"bench: ended while waiting for {what}: {process.log_text()}")
        if time.monotonic() > end:
            sys.exit(f"bench: no {what} after {seconds} s")
        time.sleep(0.005)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def memory_of(pid):
    """(PSS, RSS) in MiB of one process; None when it may not be read."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    found = {w[0]: int(w[1]) for w in (line.split() for line in lines.splitlines()[1:])}
    return found["Pss:"] / 1024, found["Rss:"] / 1024


def cpu_of(pid):
    """Seconds of processor time that a process has used."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    words = text.rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def children_of(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(word) for word in text.split()]


def others_begin():
    """What the whole machine, and what this program and its ended children have used."""
    words = pathlib.Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    ticks = [int(w) for w in words]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks), own_cpu()


def own_cpu():
    """Ticks of this program and of those of its children that have ended."""
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used) * os.sysconf("SC_CLK_TCK")


def others_share(begin):
    """The share of the machine that was taken by programs that are none of ours."""
    busy, total, own = (now - then for now, then in zip(others_begin(), begin))
    return max(0.0, (busy - own) / max(total, 1))


def end_with_parent():
    """In a child, before it runs: it ends when the bench is killed and cannot clean up."""
    os.umask(0o022)
    LIBC.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Process(subprocess.Popen):
    """A program that this bench started; its output goes to a file."""

    def __init__(self, command, log, cores=None):
        self.log_path = log
        command = [str(c) for c in command]
        if cores is not None:
            command = ["taskset", "-c", cores] + command
        with open(log, "wb") as out:
            super().__init__(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                             preexec_fn=end_with_parent)

    def log_text(self):
        return pathlib.Path(self.log_path).read_text(encoding="utf-8", errors="replace")[-2000:]

    def family(self):
        found, todo = [], [self.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += children_of(pid)
        return found

    def memory(self):
        """PSS in MiB of it and its children."""
        return sum(m[0] for m in map(memory_of, self.family()) if m is not None)

    def memory_text(self):
        parts = []
        for pid in sorted(self.family()):
            memory = memory_of(pid)
            if memory is None:
                continue
            name = pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
            parts.append(f"{name} {memory[0]:.1f}/{memory[1]:.1f}")
        return ", ".join(parts)

    def stop(self):
        if self.poll() is None:
            self.send_signal(signal.SIGTERM)
            try:
                self.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                self.wait()


class Bench:
    def __init__(self, args):
        self.args = args
        self.bin = pathlib.Path(args.build) / "bin"
        self.tools = pathlib.Path(args.build) / "bench"
        self.processes, self.goals = [], []
        self.machine = others_begin()

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="certherd-bench-"))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        return self

    def __exit__(self, failure, *_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # nothing may cut the clean-up short
        for process in reversed(self.processes):
            process.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
        others = others_share(self.machine)
        note = "; NOT A QUIET MACHINE, repeat before quoting" if others > OTHERS else ""
        print(f"load after {os.getloadavg()[0]:.1f}; others took {others:.0%} of the machine "
              f"meanwhile{note}", flush=True)
        if self.args.report:
            pathlib.Path(self.args.report).write_text(json.dumps(
                {"done": failure is None, "goals": self.goals, "others": others}),
                encoding="utf-8")

    def goal(self, what, value, limit, unit, at_least=False):
        """Prints whether a figure reaches what was set for it, and keeps it for the summary."""
        reached = value >= limit if at_least else value <= limit
        ratio = value / limit if not at_least else limit / max(value, 1e-9)
        verdict = "met" if reached else f"missed by {ratio - 1:.0%}"
        rule = "at least" if at_least else "at most"
        figure = f"{value:.4g} {unit}".strip()
        self.goals.append({"what": what, "value": figure, "rule": f"{rule} {limit:g}",
                           "verdict": verdict, "failed": ratio > MISS})
        print(f"  GOAL {self.args.name}: {what}: {figure}, {rule} {limit:g}: {verdict}",
              flush=True)

    def start(self, label, command, cores=None):
        process = Process(command, self.dir / f"{label}.log", cores)
        self.processes.append(process)
        return process

    def stop(self, process):
        process.stop()
        self.processes.remove(process)

    def wanted(self, row):
        return not self.args.only or any(w in row for w in self.args.only.split(","))

    def tool(self, name, *words, cores=None):
        """Runs a load program of this folder; its line of JSON."""
        command = [self.tools / name, *words]
        if cores is not None:
            command = ["taskset", "-c", cores] + command
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True,
                              check=False, preexec_fn=end_with_parent)
        if done.returncode != 0:
            sys.exit(f"bench: {name} {' '.join(map(str, words))}: exit {done.returncode}")
        return json.loads(done.stdout)

    def has(self, program, package):
        if shutil.which(program):
            return True
        print(f"  {program}: skipped, not installed (package {package})")
        return False

    def print_machine(self):
        model = "unknown"
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
        load = os.getloadavg()[0]
        print(f"{self.args.name}: {time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores, "
              f"{model}, Linux {platform.release()}, load before {load:.1f}")


def spread(values, digits=0):
    """Median (least..most)."""
    low, high = min(values), max(values)
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}..{high:.{digits}f})"


def version_of(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout or "unknown version"
