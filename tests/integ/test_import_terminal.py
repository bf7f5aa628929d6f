"""`cert import` on a terminal: the progress bar, Ctrl-C, questions for passwords."""

import pathlib
import signal

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from process import program
from records import openssl
from terminal import Terminal, resize
from test_import import Ca, Made, key_pem, pem

COUNT = 240


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Many keys with their certificates, one a file."""
    folder = tmp_path_factory.mktemp("bulk")
    ca = Ca()
    for i in range(COUNT):
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = ca.issue(f"s{i}.test.example", key)
        (folder / f"{i:04}.pem").write_bytes(key_pem(key) + pem(leaf))
    return folder


def start(domain, *words, **how):
    return Terminal([program("certherd"), "cert", "import", *words, "--access", "", "--data",
                     domain.data], env={"ASAN_OPTIONS": "detect_leaks=0"}, **how)


def done(bar):
    """The first number of a bar."""
    return int(bar.rpartition("] ")[2].split()[0].split("/")[0])


def test_bar_moves_and_goes(domain, material):
    """It grows, stands below the results, and nothing of it is left at the end."""
    t = start(domain, material)
    assert t.end() == 0
    counts = [done(b) for b in t.bars]
    assert len(counts) >= 3 and counts == sorted(counts) and counts[-1] == COUNT
    assert t.bars[-1].startswith("[########################] ")
    assert t.screen.line == "" and not any("[#" in line for line in t.screen.lines)
    assert sum(line.startswith("imported: ") for line in t.screen.lines) == COUNT
    assert f"{COUNT} imported, 0 unchanged, 0 failed" in t.screen.lines


@pytest.mark.parametrize("columns", [60, 30, 16, 5])
def test_narrow(domain, material, columns):
    """It never reaches the last column, where terminals wrap."""
    with open(domain.folder / "out", "w", encoding="utf-8") as out:
        t = start(domain, material, columns=columns, stdout=out)
        assert t.end() == 0
    assert len(t.bars) >= 2 and max(map(len, t.bars)) < columns
    assert t.screen.line == "" and t.screen.lines == []


def test_resized(domain, material):
    with open(domain.folder / "out", "w", encoding="utf-8") as out:
        t = start(domain, material, columns=100, stdout=out).until(lambda t: t.bars)
        resize(t.master, 20)
        seen = len(t.bars)
        assert t.end() == 0
    # One may have been drawn between the look and the change.
    assert len(t.bars[-1]) < 20 < len(t.bars[0]) and len(t.bars) > seen


def test_nowhere_else(domain, material, tmp_path):
    """Not in a file or a pipe, not on a terminal that cannot take a line back, not for one set."""
    out = domain.cli("cert", "import", material, "--access", "")
    assert "\r" not in out.out + out.err and "\x1b" not in out.out + out.err
    for how in ({"term": "dumb"}, {"term": ""}):
        t = start(domain, material, **how)
        assert t.end() == 0 and not t.bars and "\x1b" not in t.raw
    t = start(domain, Made(Ca(), tmp_path / "one", "one.test.example").bundle())
    assert t.end() == 0 and not t.bars


def test_interrupted(domain, material):
    """Ctrl-C: what was sent is reported, the line of the bar is given back, and the same command
    goes on."""
    t = start(domain, material).until(lambda t: t.bars and done(t.bars[-1]) > 0)
    assert t.type("\x03").end() == 1
    lines = t.screen.lines
    assert t.screen.line == "" and "interrupted" in lines[-2] and "goes on where it was" in lines[-1]
    imported = sum(line.startswith("imported: ") for line in lines)
    assert imported < COUNT and any(line.startswith(f"{imported} imported, 0 unch") for line in lines)
    assert "signal" not in t.raw and "ended the process" not in t.raw
    again = domain.cli("cert", "import", material, "--access", "", "--json").json
    assert (again["unchanged"], again["failed"]) == (imported, 0)
    assert again["imported"] == COUNT - imported


def test_interrupted_twice(domain, material):
    """Whoever asks again does not wait for a server that says nothing."""
    t = start(domain, material).until(lambda t: t.bars and done(t.bars[-1]) > 0)
    domain.server.signal(signal.SIGSTOP)
    try:
        t.until(lambda t: not t.pump(0.5)).type("\x03").until(lambda t: not t.pump(0.5))
        assert t.process.poll() is None
        assert t.type("\x03").end() == -signal.SIGINT
    finally:
        domain.server.signal(signal.SIGCONT)


def test_questions(domain, tmp_path):
    """A password is asked for and not shown; who mistypes it is asked again, three times in all."""
    made = Made(Ca(), tmp_path / "made", "locked.test.example")
    p12 = tmp_path / "locked.p12"
    p12.write_bytes(openssl("pkcs12", "-export", "-in", made.bundle(), "-passout",
                            "pass:the right one").stdout)
    t = start(domain, p12).until("Password of").type("a wrong one\n").until("It does not open it.")
    assert t.type("the right one\n").end() == 0
    assert "wrong one" not in t.raw and "right one" not in t.raw
    assert any(line.startswith("imported: locked.test.example") for line in t.screen.lines)
    t = start(domain, p12)
    for _ in range(3):
        seen = t.raw.count("assword of")
        t.until(lambda t, seen=seen: t.raw.count("assword of") > seen).type("wrong\n")
    assert t.end() == 1 and "none of the 3 passwords given opens it" in t.raw
    t = start(domain, p12).until("Password of")
    assert t.type("\x03").end() == 1 and "no password was given" in t.raw


def test_question_below_the_bar(domain, material, tmp_path):
    """It has a line of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "z.pem").write_bytes(
        key_pem(key, "the right one") + pem(Ca().issue("z.test.example", key)))
    t = start(domain, material, tmp_path / "z.pem").until("Password of").type("the right one\n")
    assert t.end() == 0
    assert [line for line in t.screen.lines if "Password of" in line][0].startswith("Password of")
    assert f"{COUNT + 1} imported, 0 unchanged, 0 failed" in t.screen.lines


def test_typed(domain, tmp_path):
    """Standard input, as others print keys: what it is for is said to whoever types."""
    made = Made(Ca(), tmp_path / "made", "typed.test.example")
    text = pathlib.Path(made.bundle()).read_text(encoding="utf-8")
    t = start(domain, "-").until("paste keys and certificates, then Ctrl-D")
    assert t.type(text + "\x04").end() == 0
    assert any(line.startswith("imported: typed.test.example") for line in t.screen.lines)
    assert "left as it is" not in t.raw
    assert "unchanged" in domain.cli("cert", "import", "-", "--access", "", stdin=text).out
