"""What happens by itself when time passes: renewals, identities. The programs are given another
clock by libfaketime, which sanitizers do not bear."""

import pathlib

import pytest
from process import is_sanitized, wait_for

LIBRARY = next((str(p) for p in pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), "")
pytestmark = [
    pytest.mark.skipif(is_sanitized(), reason="libfaketime does not go with sanitizers"),
    pytest.mark.skipif(not LIBRARY, reason="libfaketime is not installed"),
]


@pytest.fixture
def clock(monkeypatch):
    """clock(days): programs that are started from now on live that much later."""
    def set_days(days):
        monkeypatch.setenv("LD_PRELOAD", LIBRARY)
        monkeypatch.setenv("FAKETIME", f"+{days}d")
        monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")

    return set_days


def restart(domain, *names):
    for name in names:
        process = domain.server if name == "manager" else domain.replicas[name]
        process.stop()
        process.start()


def test_certificate_renews_by_itself(pair, clock):
    """90 days, a third left: after 61 days there is a new one, with the same key."""
    pair.add("www.test.example", ["web1", "web2"])
    before = pair.fetch("web1", "www.test.example").fingerprint
    clock(55)
    restart(pair, "manager", "web1", "web2")
    pair.in_step()
    assert pair.fetch("web1", "www.test.example").fingerprint == before, "renewed too early"
    clock(64)
    restart(pair, "manager", "web1", "web2")
    new = pair.wait_served("web1", "www.test.example", other_than=before, seconds=30)
    pair.wait_served("web2", "www.test.example", new)


def test_identity_renews_by_itself(pair, clock):
    identity = pair.folder / "web1/identity.pem"
    before = identity.read_bytes()
    clock(300)
    restart(pair, "manager", "web1", "web2")
    wait_for(lambda: identity.read_bytes() != before, 60, "web1 to renew its identity")
    pair.in_step()


def test_identity_that_ran_out(pair, clock):
    """A node that was away for longer than its certificate: with its key still live it gets a new
    one, and only that, then goes on."""
    identity = pair.folder / "web1/identity.pem"
    before = identity.read_bytes()
    pair.replicas["web1"].stop()
    clock(400)
    restart(pair, "manager", "web2")
    pair.add("late.test.example", ["web2"])
    pair.replicas["web1"].start()
    wait_for(lambda: identity.read_bytes() != before, 60, "web1 to renew its identity")
    pair.in_step()


def test_clock_set_back(pair, clock):
    """A node whose clock is wrong by years loses nothing and starts no storm of renewals."""
    pair.add("www.test.example", ["web1"])
    before = pair.json("status")["seq"]
    clock(-2000)
    restart(pair, "web1")
    assert pair.replicas["web1"].running
    assert pair.json("status")["seq"] - before < 5
