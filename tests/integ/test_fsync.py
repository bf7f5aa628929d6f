"""A manager whose disk fails to sync: release programs only, since nothing is loaded before a
sanitizer."""

import pytest
from process import build_dir, is_sanitized, wait_for

pytestmark = pytest.mark.skipif(is_sanitized(), reason="sanitizers want to be loaded first")


@pytest.fixture
def disk(make_domain, tmp_path):
    """A domain with web1; its manager's syncs fail while disk.failing exists."""
    domain = make_domain()
    domain.init("--no-replica")
    place = tmp_path / "here"
    place.mkdir()
    domain.failing = place / "fail-fsync"
    library = build_dir() / "tests/support/fail_fsync.so"
    domain.start_server(prefix=("env", "-C", str(place), f"LD_PRELOAD={library}"))
    domain.replica("web1")
    domain.add("www.test.example", ["web1"])
    return domain


def add(domain, i):
    return domain.cli("cert", "add", f"n{i}.test.example", "--access", "web1", "--no-wait",
                      status=None)


def test_failing_fsync(disk):
    """Nothing is acknowledged that might not be on the disk; pulls go on; when syncs work again the
    database is written anew and commits go on without a restart, with all that was acknowledged."""
    acknowledged = [f"n{i}.test.example" for i in range(3) if add(disk, i).status == 0]
    assert len(acknowledged) == 3
    disk.in_step()
    disk.failing.touch()
    refused = [add(disk, i) for i in range(3, 8)]
    assert all(r.status == 1 for r in refused), refused
    assert disk.failing.stat().st_size > 0, "no sync was tried"
    assert "i/o" in refused[0].err.lower() or "disk" in refused[0].err.lower(), refused[0]
    assert disk.json("status")["troubles"]
    assert disk.fetch("web1", "www.test.example").ok
    # Whoever asks gets what was signed before; a replica that has lost everything too.
    disk.replicas["web1"].stop()
    for path in (disk.folder / "web1").glob("store.db*"):
        path.unlink()
    disk.replicas["web1"].start()
    for name in acknowledged:
        disk.wait_served("web1", name, seconds=30)
    disk.failing.unlink()
    wait_for(lambda: add(disk, 9).status == 0, 60, "commits to go on")
    assert "written anew" in disk.server.log()
    assert not disk.json("status")["troubles"]
    acknowledged.append("n9.test.example")
    # And all of it is there after the end of the process that had the trouble.
    disk.server.kill()
    disk.server.start()
    disk.in_step()
    names = {c["name"] for c in disk.json("cert", "list")["certs"]}
    assert set(acknowledged) <= names
    disk.agree()
