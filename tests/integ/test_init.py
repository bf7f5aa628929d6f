"""init that does not come to its end: interrupted it leaves nothing, killed it says what to do."""

import os
import pty
import re
import shutil
import signal
import subprocess
import termios

import pytest
from domain import PASSPHRASE
from process import environment, program, slow, wait_for


HOLD = """#!/bin/sh
hold() {{ echo $$ > '{pid}'; while :; do sleep 0.05; done; }}
case " $* " in
*" {word} "*) {before} ;;
esac
'{program}' "$@"
status=$?
case " $* " in
*" {word} "*) {after} ;;
esac
exit $status
"""


class Stage:
    """Programs of which one waits for ever, before or after its work, so that init can be met there."""

    def __init__(self, folder, name, word, after=False):
        folder.mkdir()
        shutil.copy(program("certherd"), folder)
        for each in ("certherd-server", "certherd-replica"):
            if each != name:
                (folder / each).symlink_to(program(each))
        self.pid = folder / "pid"
        script = folder / name
        script.write_text(HOLD.format(pid=self.pid, program=program(name), word=word,
                                      before=":" if after else "hold",
                                      after="hold" if after else ":"))
        script.chmod(0o755)
        self.certherd = folder / "certherd"

    def end(self):
        os.kill(int(self.pid.read_text()), signal.SIGKILL)


class Init:
    """certherd init of a domain as a child, with its passphrase from a pipe or a terminal."""

    def __init__(self, domain, terminal=False, certherd=None):
        self.data = domain.data
        if terminal:
            self.theirs, given = pty.openpty()
            source = []
        else:
            given, self.theirs = os.pipe()
            source = ["--passphrase-fd", "0"]
        self.child = subprocess.Popen(
            [certherd or program("certherd"), "init", "--domain", domain.name, "--data", str(domain.data),
             "--address", "127.0.0.1", "--listen", domain.address, *source],
            stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(domain.logs))
        os.close(given)

    def say(self, data):
        os.write(self.theirs, data)

    def begin(self):
        """The passphrase, from the pipe, which is read to its end."""
        self.say(PASSPHRASE.encode() + b"\n")
        os.close(self.theirs)
        self.theirs = None
        return self

    def asked(self, what):
        text = b""
        while what not in text:
            text += os.read(self.child.stderr.fileno(), 200)

    def wait_for(self, path):
        wait_for(lambda: (self.data / path).exists() or self.child.poll() is not None, 20, path)
        assert self.child.poll() is None, self.child.communicate()

    def end(self):
        out, err = self.child.communicate(timeout=60 * slow())
        if self.theirs is not None:
            os.close(self.theirs)
        return self.child.returncode, out, err


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_at_the_question(make_domain, number):
    """The terminal echoes again, and the directory is as it was."""
    domain = make_domain()
    domain.data.mkdir()
    init = Init(domain, terminal=True)
    before = termios.tcgetattr(init.theirs)
    init.asked(b"Passphrase")
    assert termios.tcgetattr(init.theirs) != before
    init.child.send_signal(number)
    assert init.child.wait(20 * slow()) == 1
    assert termios.tcgetattr(init.theirs) == before
    _, out, err = init.end()
    assert "interrupted" in err and not out
    assert not list(domain.data.iterdir())


def test_ctrl_c_at_the_second_question(make_domain):
    domain = make_domain()
    init = Init(domain, terminal=True)
    init.asked(b"Passphrase")
    init.say(PASSPHRASE.encode() + b"\n")
    init.asked(b"again")
    init.say(b"corr\x03")
    assert init.end()[0] == 1
    assert not domain.data.exists()


@pytest.mark.parametrize("path, stage", [
    ("init.unfinished/lock", ("certherd-server", "--bootstrap")),
    ("server/keys", ("certherd-server", "--bootstrap", True)),
    ("offline/root.key", ("certherd-server", "--log-level")),
    ("server/endpoints.json", ("certherd-replica", "join")),
    ("replica", ("certherd-replica", "join", True)),
])
def test_signal_while_it_works(make_domain, tmp_path, path, stage):
    """Nothing is left, no program either, and the same command then works."""
    domain = make_domain()
    stage = Stage(tmp_path / "stage", *stage)
    init = Init(domain, certherd=stage.certherd).begin()
    init.wait_for(path)
    wait_for(stage.pid.exists, 60, "the stage")
    init.child.send_signal(signal.SIGINT)
    status, _, err = init.end()
    assert status == 1 and "init was interrupted" in err, err
    assert not domain.data.exists()
    assert domain.init().status == 0


def test_output_is_in_order(make_domain):
    """What happened stands before what to do next, and no other program speaks in between."""
    domain = make_domain()
    result = domain.init("--replica-name", "first")
    assert not result.err
    places = [result.out.index(part) for part in
              ("is made", "replica is its node first", "Start the manager", "Then,")]
    assert places == sorted(places)
    # Who gives init's directory to the server itself is told what was meant.
    answer = domain.run("certherd-server", "--data", domain.data)
    assert answer.status == 1 and f"'{domain.data}/server' to certherd-server" in answer.err, answer


def test_killed(make_domain, tmp_path):
    """What stays behind is named, with the command that removes it; that command is enough."""
    domain = make_domain()
    stage = Stage(tmp_path / "stage", "certherd-replica", "join")
    init = Init(domain, certherd=stage.certherd).begin()
    init.wait_for("server/endpoints.json")
    wait_for(lambda: stage.pid.exists() and stage.pid.read_text(), 60, "the stage")
    init.child.kill()
    init.child.wait()
    stage.end()
    refused = Init(domain)
    status, _, err = refused.end()
    assert status == 1 and "killed before its end" in err
    running = re.search(r"still runs: .* process (\d+)", err)
    assert running, err
    os.kill(int(running[1]), signal.SIGTERM)
    wait_for(lambda: not os.path.exists(f"/proc/{running[1]}"), 20, "the server to end")
    refused = Init(domain)
    _, _, err = refused.end()
    assert "still runs" not in err
    command = re.search(r"rm -r.*", err)[0]
    subprocess.run(command, shell=True, check=True)
    assert not list(domain.data.iterdir())
    assert domain.init().status == 0


def test_two_at_once(make_domain):
    domain = make_domain()
    first = Init(domain).begin()
    first.wait_for("init.unfinished/lock")
    first.child.send_signal(signal.SIGSTOP)
    status, _, err = Init(domain).begin().end()
    assert status == 1 and f"process {first.child.pid}" in err, err
    first.child.send_signal(signal.SIGCONT)
    status, _, err = first.end()
    assert status == 0, err
    assert sorted(p.name for p in domain.data.iterdir()) == ["offline", "replica", "server"]
