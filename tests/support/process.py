"""Real programs as children: started with a log and sanitizer options, ended by their pid, and
looked at afterwards. Shared by the integration tests and the benchmarks."""

import json
import os
import pathlib
import signal
import subprocess
import time


class Failure(AssertionError):
    """What a test expected of a program did not happen; the text has the program's last lines."""


def build_dir():
    """The build whose programs are used: CERTHERD_BIN, set by ctest."""
    where = os.environ.get("CERTHERD_BIN")
    if not where:
        raise Failure("CERTHERD_BIN does not name a build directory; ctest sets it")
    return pathlib.Path(where)


def program(name):
    path = build_dir() / "bin" / name
    if not path.is_file():
        raise Failure(f"{path} has not been built")
    return str(path)


def is_sanitized():
    cache = (build_dir() / "CMakeCache.txt").read_text()
    return "CMAKE_BUILD_TYPE:STRING=Release" not in cache


def slow():
    """Factor for deadlines: sanitized programs on a shared machine need longer."""
    return float(os.environ.get("CERTHERD_SLOW", "4" if is_sanitized() else "2"))


def wait_for(predicate, seconds=10, what="it"):
    """Calls predicate until it is true, and returns what it gave; Failure at the deadline."""
    deadline = time.monotonic() + seconds * slow()
    pause = 0.005
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds * slow():.0f} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def environment(folder):
    """Of a program: sanitizers write to files in folder, nothing else is let through by chance."""
    options = f"log_path={folder}/sanitizer:exitcode=99:abort_on_error=0:handle_abort=1"
    return {
        **{k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "LD_PRELOAD") or k.startswith("FAKETIME")},
        "ASAN_OPTIONS": options + ":detect_leaks=1",
        "UBSAN_OPTIONS": options + ":print_stacktrace=1",
    }


class Process:
    """One daemon. Its log is a file; endpoints() waits until it has written what it listens on."""

    def __init__(self, name, argv, data, logs):
        self.name, self.argv, self.data = name, argv, pathlib.Path(data)
        self.logs = pathlib.Path(logs)
        self.log_file = self.logs / f"{name}.log"
        self.child = None
        self.expected = 0

    def start(self, wait=True):
        if self.running:
            raise Failure(f"{self.name} runs already")
        with open(self.log_file, "ab") as log:
            self.child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, env=environment(self.logs),
                                          start_new_session=True)
        self.expected = 0
        if wait:
            self.endpoints()
        return self

    @property
    def pid(self):
        return self.child.pid

    @property
    def running(self):
        return self.child is not None and self.child.poll() is None

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def tail(self, lines=30):
        return f"--- {self.name}\n" + "\n".join(self.log().splitlines()[-lines:])

    def endpoints(self):
        """endpoints.json of this run (an earlier run's has another pid)."""
        def there():
            if not self.running:
                raise Failure(f"{self.name} ended with {self.child.poll()}\n{self.tail()}")
            try:
                found = json.loads((self.data / "endpoints.json").read_text())
            except (OSError, ValueError):
                return None
            return found if found.get("pid") == self.child.pid else None

        return wait_for(there, 20, f"{self.name} to listen")

    def children(self):
        """Pids of the processes that it has started (the signer)."""
        try:
            text = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        return [int(word) for word in text.split()]

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        """kill -9, which is no failure of the program."""
        if self.running:
            self.signal(signal.SIGKILL)
        self.child.wait()
        self.expected = None
        self.child_gone()

    def child_gone(self):
        self.child.wait()

    def stop(self, seconds=20):
        """SIGTERM; it must end by itself with the expected status."""
        if self.child is None:
            return
        started = self.children() if self.running else []
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        try:
            status = self.child.wait(seconds * slow())
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.child.wait()
            raise Failure(f"{self.name} did not end on SIGTERM\n{self.tail()}") from None
        expected, self.expected = self.expected, None
        if expected is not None and status != expected:
            raise Failure(f"{self.name} ended with {status}, not {expected}\n{self.tail()}")
        for pid in started:
            wait_for(lambda p=pid: not pathlib.Path(f"/proc/{p}").exists(), 5,
                     f"child {pid} of {self.name} to end with it")

    def wait_exit(self, status, seconds=20):
        """It must end by itself, with this status."""
        try:
            got = self.child.wait(seconds * slow())
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} goes on\n{self.tail()}") from None
        self.expected = None
        if got != status:
            raise Failure(f"{self.name} ended with {got}, not {status}\n{self.tail()}")


def sanitizer_reports(folder):
    return sorted(pathlib.Path(folder).glob("sanitizer*"))


def memory(pid):
    """Resident bytes of a process now, and at the most."""
    found = {"VmRSS": 0, "VmHWM": 0}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key in found:
            found[key] = int(value.split()[0]) * 1024
    return found["VmRSS"], found["VmHWM"]
