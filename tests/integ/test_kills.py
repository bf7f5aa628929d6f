"""kill -9 of the server, the signer and a replica at random moments of a run of issuances: nothing
that was acknowledged is lost, and all end with the same."""

import concurrent.futures
import os
import random
import signal
import threading
import time

from process import is_sanitized, wait_for

NIGHTLY = "CERTHERD_NIGHTLY" in os.environ
ISSUANCES = 10000 if NIGHTLY else 150 if is_sanitized() else 1000


class Load(threading.Thread):
    """Issues credentials, several at a time; asks again after each refusal, as a user would."""

    def __init__(self, domain, count):
        super().__init__()
        self.domain, self.count = domain, count
        self.acknowledged, self.refusals, self.given_up = [], [], []

    def issue(self, i):
        name = f"n{i}.test.example"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            result = self.domain.cli("cert", "add", name, "--access",
                                     "web1" if i % 2 else "web1,web2", "--no-wait", status=None)
            # An answer that was lost on the way may belong to a commit that was made.
            if result.status == 0 or "there is a credential" in result.err:
                self.acknowledged.append(name)
                return
            self.refusals.append(result.err)
            time.sleep(0.05)
        self.given_up.append(name)

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self.issue, range(self.count)))

    def check(self):
        """Everything acknowledged is there; every refusal said why."""
        names = {c["name"] for c in self.domain.json("cert", "list")["certs"]}
        lost = [name for name in self.acknowledged if name not in names]
        assert not lost, f"{len(lost)} of {len(self.acknowledged)} acknowledged are lost: {lost[:5]}"
        assert not self.given_up, self.refusals[-3:]
        unclear = [err for err in self.refusals if not err.startswith("certherd: ")]
        assert not unclear, unclear[:3]


def disturbed(pair, act, pause, count, seed):
    """A load, with act() called at random moments until it has ended."""
    load, rng = Load(pair, count), random.Random(seed)
    load.start()
    rounds = 0
    while load.is_alive():
        load.join(rng.uniform(pause / 10, pause))
        if load.is_alive():
            act()
            rounds += 1
    print(f"{rounds} rounds, {len(load.acknowledged)} acknowledged after {len(load.refusals)} "
          "refusals")
    assert rounds
    return load


def kill_server(pair):
    pair.server.kill()
    pair.server.start()


def kill_signer(pair):
    for child in pair.server.children():
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            pass


def kill_replica(pair):
    pair.replicas["web1"].kill()
    pair.replicas["web1"].start()


def test_kill_9_at_random_moments(pair):
    """Requests in flight are answered or refused clearly; whoever asks again gets it in the end."""
    rng = random.Random(1)
    killed = {kill_server: 0, kill_signer: 0, kill_replica: 0}

    def act():
        # Each of them at first, then whom it hits.
        never = [kill for kill, times in killed.items() if times == 0]
        kill = rng.choice(never or list(killed))
        killed[kill] += 1
        kill(pair)

    load = disturbed(pair, act, 1.2, ISSUANCES, seed=1)
    print(", ".join(f"{kill.__name__} {times}" for kill, times in killed.items()))
    assert all(killed.values()), "not everybody was killed"
    load.check()
    pair.add("after.test.example", ["web1", "web2"])
    pair.agree()
    for name in load.acknowledged[-3:]:
        pair.wait_served("web1", name)


def test_kill_9_of_a_replica_is_nobodys_trouble(pair):
    """With only a replica killed, nothing is refused."""
    load = disturbed(pair, lambda: kill_replica(pair), 0.6, 60, seed=3)
    load.check()
    assert not load.refusals, load.refusals[:3]
    pair.agree()


def test_death_of_the_signer_is_said_once(pair):
    """With how it ended; then that it is back."""
    os.kill(pair.server.children()[0], signal.SIGKILL)
    wait_for(lambda: "the signer is back" in pair.server.log(), 10, "the next signer")
    said = [line for line in pair.server.log().splitlines() if "the signer died" in line]
    assert len(said) == 1 and "signal 9" in said[0], said
    assert not pair.json("status")["troubles"]
