"""The README's first command, as a newcomer runs it."""

import os
import pathlib
import re
import signal
import subprocess

import process

QUICKSTART = pathlib.Path(__file__).resolve().parents[2] / "deploy/quickstart"


def command(*options):
    return [str(QUICKSTART), "--build", os.environ["CERTHERD_BIN"], *options]


def test_once(tmp_path):
    """Ends with 0, shows the table and the times, and leaves nothing behind."""
    answer = subprocess.run(command("--once"), capture_output=True, text=True, timeout=240,
                            check=False, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert answer.returncode == 0, answer.stdout + answer.stderr
    rows = {line.split()[0]: re.findall(r"served|not authorised", line)
            for line in answer.stdout.splitlines()
            if re.match(r"(www|mail)\.demo\.example\s+(served|not)", line)}
    assert rows == {"www.demo.example": ["served", "served", "not authorised"],
                    "mail.demo.example": ["not authorised", "served", "served"]}
    times = re.findall(r"(web\d): served (\d+) ms after", answer.stdout)
    assert [node for node, _ in times] == ["web1", "web2"]
    assert "\033" not in answer.stdout and not re.search(r" $", answer.stdout, re.MULTILINE)
    assert not list(tmp_path.iterdir())


def test_stays_up_until_interrupted(tmp_path):
    """Prints commands to try; each of them works; Ctrl-C ends it with 0."""
    child = subprocess.Popen(command("--dir", str(tmp_path / "demo")), stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, start_new_session=True)
    lines = []
    for line in child.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    text = "".join(lines)
    try:
        assert "certherd status" in text, text
        lines = lines[next(i for i, line in enumerate(lines) if "the domain is up" in line):]
        tries = [line.strip() for line in lines if re.match(r"  (certherd|openssl|curl|export) ",
                                                            line)]
        export = next(t for t in tries if t.startswith("export"))
        for one in tries:
            if one.startswith("export") or one.endswith(" watch"):
                continue
            answer = subprocess.run(["bash", "-c", f"{export}; {one}"], capture_output=True,
                                    text=True, timeout=60, check=False)
            assert answer.returncode == 0, f"{one}: {answer.stdout}{answer.stderr}"
    finally:
        os.killpg(child.pid, signal.SIGINT)
        child.stdout.read()
        assert child.wait(60) == 0


def test_folder_that_is_not_empty(tmp_path):
    (tmp_path / "file").write_text("mine")
    answer = subprocess.run(command("--once", "--dir", str(tmp_path)), capture_output=True,
                            text=True, timeout=60, check=False)
    assert answer.returncode != 0 and "not empty" in answer.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_interrupted_on_the_way(tmp_path):
    """Not as if all had gone well; and nothing is left behind."""
    before = set(pathlib.Path("/tmp").glob("certherd-demo.*"))
    child = subprocess.Popen(command("--once"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, start_new_session=True)
    for line in child.stdout:
        if line.startswith("manager: process"):
            break
    os.killpg(child.pid, signal.SIGINT)
    child.stdout.read()
    assert child.wait(60) == 130
    assert set(pathlib.Path("/tmp").glob("certherd-demo.*")) == before


def test_unknown_option():
    answer = subprocess.run(command("--twice"), capture_output=True, text=True, check=False)
    assert answer.returncode == 2 and "--twice" in answer.stderr


def test_a_step_that_fails_ends_it(tmp_path):
    """A replica that dies while the demo is up: a clear line and not 0."""
    demo = tmp_path / "demo"
    child = subprocess.Popen(command("--dir", str(demo)), stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
    text = ""
    for line in child.stdout:
        text += line
        if line.startswith("Ctrl-C"):
            break
    victim = int(re.search(r"web2: process (\d+)", text).group(1))
    os.kill(victim, signal.SIGKILL)
    rest = child.stdout.read()
    assert child.wait(60) == 1 and "web2 has ended" in rest, rest
    process.wait_for(lambda: not pathlib.Path(f"/proc/{victim}").exists(), 5, "the end")
