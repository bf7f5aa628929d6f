"""The next Debian: other versions of each library and of the compiler, so other behaviour.

A nightly test, since it makes a whole system: as root, with debootstrap, in mount namespaces that
vanish with their process.
"""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

INSIDE = """
cd /certherd
deploy/install-packages build run
mount -t devpts devpts /dev/pts 2>/dev/null || true
deploy/quickstart --once
grep -E "warning:" build-release.log && { echo "the compiler warns"; exit 1; }
ninja -C build-release
ctest --test-dir build-release -L '^unit$' --output-on-failure --timeout 1800
"""

pytestmark = [
    pytest.mark.skipif("CERTHERD_NIGHTLY" not in os.environ,
                       reason="makes a whole Debian 13; only with --nightly"),
    pytest.mark.skipif(os.geteuid() != 0, reason="making a Debian 13 needs root"),
    pytest.mark.skipif(shutil.which("debootstrap") is None, reason="there is no debootstrap"),
]


def unseen(folder, names):
    """What a clone would not have."""
    if pathlib.Path(folder) == ROOT:
        return [n for n in names if n == ".git" or n.startswith("build")]
    return [n for n in names if n == "__pycache__"]


def test_debian_13(tmp_path):
    """Builds without a warning, passes the quickstart and all unit tests."""
    system = tmp_path / "trixie"
    subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates", "trixie",
                    system], check=True, stdout=subprocess.DEVNULL)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", system / "etc" / name)
    shutil.copytree(ROOT, system / "certherd", ignore=unseen, symlinks=True)
    (system / "inside").write_text(INSIDE, encoding="ascii")
    try:
        answer = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c",
             'mount --bind /proc "$1/proc" && mount --rbind /dev "$1/dev" &&'
             ' exec chroot "$1" sh -eu /inside', "sh", system],
            capture_output=True, text=True, check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"})
        assert answer.returncode == 0, (answer.stdout + answer.stderr)[-8000:]
        assert "100% tests passed" in answer.stdout
    finally:
        shutil.rmtree(system, ignore_errors=True)
