"""Programs that are stopped, starved of disk or given broken files: nothing that was acknowledged is
lost, nobody else is hurt, and everything says what is wrong."""

import os
import pathlib
import random
import signal
import subprocess
import time

import pytest
from process import Failure, wait_for


def test_stopped_follower_holds_nobody_up(pair):
    pair.add("www.test.example", ["web1", "web2"])
    stopped = pair.replicas["web1"]
    stopped.signal(signal.SIGSTOP)
    before = pair.fetch("web2", "www.test.example").fingerprint
    for _ in range(5):
        begin = time.monotonic()
        pair.cli("cert", "renew", "www.test.example", "--no-wait")
        before = pair.wait_served("web2", "www.test.example", other_than=before, seconds=3)
        print(f"served by the other after {time.monotonic() - begin:.3f} s")
    stopped.signal(signal.SIGCONT)
    pair.wait_served("web1", "www.test.example", before, seconds=30)
    pair.agree()


def test_replica_database_deleted(pair):
    pair.add("www.test.example", ["web1"])
    before = pair.fetch("web1", "www.test.example").fingerprint
    pair.replicas["web1"].stop()
    for path in (pair.folder / "web1").glob("store.db*"):
        path.unlink()
    pair.replicas["web1"].start()
    pair.wait_served("web1", "www.test.example", before)
    pair.agree()


@pytest.mark.parametrize("how", ["header", "middle", "cut", "text"])
def test_replica_database_corrupt(pair, how):
    for i in range(20):
        pair.cli("cert", "add", f"n{i}.test.example", "--issuer", "micro", "--access", "web1",
                 "--no-wait")
    pair.in_step()
    pair.replicas["web1"].stop()
    spoil(pair.folder / "web1", how)
    pair.replicas["web1"].start()
    pair.wait_served("web1", "n0.test.example", seconds=30)
    pair.wait_served("web1", "n19.test.example", seconds=30)
    pair.agree()


def spoil(data, how):
    """Breaks the database of a stopped program; returns its bytes as they are then."""
    database = data / "store.db"
    for extra in data.glob("store.db-*"):
        extra.unlink()
    content = bytearray(database.read_bytes())
    if how == "header":
        content[:100] = b"\xff" * 100
    elif how == "middle":
        for page in range(2, len(content) // 4096):
            content[page * 4096:page * 4096 + 64] = b"\xa5" * 64
    elif how == "cut":
        del content[len(content) // 2 // 4096 * 4096 + 100:]
    else:
        content = bytearray(b"this is no database\n" * 500)
    database.write_bytes(content)
    return bytes(content)


@pytest.mark.parametrize("how", ["header", "middle", "text"])
def test_manager_database_corrupt(pair, how):
    """It does not start, says so, and does not touch the file."""
    pair.add("www.test.example", ["web1"])
    pair.server.stop()
    content = spoil(pair.data / "server", how)
    pair.server.start(wait=False)
    pair.server.wait_exit(1, 30)
    assert "damaged and was not touched" in pair.server.log(), pair.server.tail()
    assert (pair.data / "server/store.db").read_bytes() == content
    assert pair.fetch("web1", "www.test.example").ok


def test_manager_database_missing(pair):
    """Without its database a manager of a domain does not begin again from nothing."""
    pair.server.stop()
    for path in (pair.data / "server").glob("store.db*"):
        path.unlink()
    pair.server.start(wait=False)
    pair.server.wait_exit(1, 30)
    assert "store.db" in pair.server.log() or "database" in pair.server.log(), pair.server.tail()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_to_the_whole_group(domain, number):
    """As Ctrl-C and systemd do it: every process hears it, and the server ends in order."""
    domain.add("www.test.example", [])
    os.killpg(domain.server.pid, number)
    domain.server.wait_exit(0)
    assert "the next one starts" not in domain.server.log(), domain.server.tail()


class SmallDisk:
    """A tmpfs of a few megabytes, mounted for the time of a test."""

    def __init__(self, folder, size):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        answer = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs",
                                 str(self.folder)], capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            pytest.skip(f"no tmpfs can be mounted here: {answer.stderr.strip()}")

    def fill(self):
        """Takes all that is left."""
        with open(self.folder / "filler", "wb", buffering=0) as file:
            for size in (65536, 4096, 512):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError:
                    pass

    def release(self):
        (self.folder / "filler").unlink()

    def close(self):
        subprocess.run(["umount", "-l", str(self.folder)], check=False)


@pytest.fixture
def small_disk(tmp_path):
    disk = SmallDisk(tmp_path / "small", "24m")
    yield disk
    disk.close()


def test_disk_full_on_the_manager(make_domain, small_disk):
    """Commits are refused with that reason, pulls go on; with space it commits again."""
    domain = make_domain()
    domain.data = small_disk.folder / "domain"
    domain.init("--no-replica")
    domain.start_server()
    domain.replica("web1")
    domain.add("www.test.example", ["web1"])
    small_disk.fill()
    acknowledged, refused = [], None
    for i in range(200):
        result = domain.cli("cert", "add", f"n{i}.test.example", "--issuer", "micro", "--access",
                            "web1", "--no-wait", status=None)
        if result.status != 0:
            refused = result
            break
        acknowledged.append(f"n{i}.test.example")
    assert refused is not None, "a full disk refuses nothing"
    assert "space" in refused.err, refused
    assert domain.json("status")
    assert domain.fetch("web1", "www.test.example").ok
    # A replica that joins the pulls now still gets everything that was acknowledged.
    domain.replicas["web1"].stop()
    for path in (domain.folder / "web1").glob("store.db*"):
        path.unlink()
    domain.replicas["web1"].start()
    domain.wait_served("web1", (["www.test.example"] + acknowledged)[-1], seconds=30)
    small_disk.release()
    domain.add("later.test.example", ["web1"])
    names = {c["name"] for c in domain.json("cert", "list")["certs"]}
    assert set(acknowledged) <= names
    domain.in_step()
    domain.close()
    domain.started.clear()


def test_disk_full_on_a_replica(domain, small_disk):
    """It goes on serving what it has, and catches up when there is space."""
    data = small_disk.folder / "web1"
    domain.join("web1", data=data)
    (domain.folder / "web1").symlink_to(data)
    domain.replica("web1", join=False)
    domain.add("www.test.example", ["web1"])
    before = domain.fetch("web1", "www.test.example").fingerprint
    small_disk.fill()
    for i in range(40):
        domain.cli("cert", "add", f"n{i}.test.example", "--issuer", "micro", "--access", "web1",
                   "--no-wait")
    assert domain.fetch("web1", "www.test.example").fingerprint == before
    assert domain.replicas["web1"].running
    small_disk.release()
    domain.wait_served("web1", "n39.test.example", seconds=60)
    domain.in_step()
    domain.close()
    domain.started.clear()


def test_second_process_on_one_directory(pair):
    """A data directory belongs to one process tree."""
    for process in (pair.server, pair.replicas["web1"]):
        answer = subprocess.run(process.argv, capture_output=True, text=True, timeout=60,
                                check=False)
        assert answer.returncode == 1
        assert "use" in answer.stderr or "lock" in answer.stderr or "runs" in answer.stderr
    assert pair.json("status")


def test_told_to_stop_again_and_again(pair):
    """Ctrl-C and then SIGTERM, as a terminal and a script send them: the end is orderly all the
    same."""
    for _ in range(3):
        for process in (pair.replicas["web1"], pair.server):
            numbers = [signal.SIGINT, signal.SIGTERM]
            while process.running:
                process.signal(numbers[0])
                numbers.reverse()
            process.wait_exit(0)
        for process in (pair.server, pair.replicas["web1"]):
            process.start()
    pair.in_step()


def test_restart_of_everything_in_any_order(pair):
    pair.add("www.test.example", ["web1", "web2"])
    everything = [pair.server, *pair.replicas.values()]
    rng = random.Random(4)
    for _ in range(3):
        rng.shuffle(everything)
        for process in everything:
            process.stop()
        rng.shuffle(everything)
        for process in everything:
            process.start(wait=False)
        for process in everything:
            process.endpoints()
        before = pair.fetch("web1", "www.test.example").fingerprint
        pair.cli("cert", "renew", "www.test.example")
        pair.wait_served("web1", "www.test.example", other_than=before)
    pair.agree()


def test_failures_are_seen(pair):
    """The counterpart of all of the above: a program that ends badly fails its test."""
    pair.replicas["web1"].kill()
    pair.replicas["web1"].expected = 0
    with pytest.raises(Failure):
        pair.replicas["web1"].stop()
    pair.replicas["web1"].expected = None
    wait_for(lambda: not pair.replicas["web1"].running, 5, "the end")
