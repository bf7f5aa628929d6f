"""A command on a pseudo-terminal, as a person sees it."""

import fcntl
import os
import select
import struct
import subprocess
import termios
import time


def resize(fd, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


class Screen:
    """What stands on the terminal: lines that are over, and the one that is being written."""

    def __init__(self, columns):
        self.columns, self.lines, self.line, self.at = columns, [], "", 0
        self.widest = 0

    def feed(self, text):
        i = 0
        while i < len(text):
            if text.startswith("\x1b[K", i):
                self.line, i = self.line[:self.at], i + 3
                continue
            c, i = text[i], i + 1
            if c == "\n":
                self.lines.append(self.line)
                self.line, self.at = "", 0
            elif c == "\r":
                self.at = 0
            else:
                assert c >= " ", f"control character {c!r}"
                self.line = self.line[:self.at] + c + self.line[self.at + 1:]
                self.at += 1


class Terminal:
    """Runs a command; its output goes to both streams of the terminal, unless stdout is a file."""

    def __init__(self, argv, columns=80, term="xterm", stdout=None, env=None):
        self.master, slave = os.openpty()
        resize(self.master, columns)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            list(map(str, argv)), stdin=slave, stdout=stdout or slave, stderr=slave,
            start_new_session=True, env={**os.environ, "TERM": term, **(env or {})},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.slave, self.raw, self.screen = slave, "", Screen(columns)
        self.bars = []

    def pump(self, seconds):
        """Takes in what has come, waiting for it so long."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        text = os.read(self.master, 65536).decode(errors="replace")
        self.raw += text
        for piece in text.replace("\x1b[K", "\x1b[K\0").split("\0"):
            self.screen.feed(piece)
            if piece.endswith("\x1b[K") and self.screen.line:
                self.bars.append(self.screen.line)
        return True

    def until(self, what, seconds=60):
        """Until what(self) is true, or a text has come."""
        end = time.monotonic() + seconds
        done = what if callable(what) else lambda t: what in t.raw
        while not done(self):
            assert time.monotonic() < end, self.raw[-2000:]
            self.pump(0.1)
        return self

    def type(self, text):
        os.write(self.master, text.encode())
        return self

    def end(self, seconds=60):
        """The exit status, and the terminal as it was before."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, self.raw[-2000:]
            self.pump(0.05)
        while self.pump(0):
            pass
        assert termios.tcgetattr(self.slave) == self.before, "the terminal is left changed"
        os.close(self.slave)
        os.close(self.master)
        return self.process.returncode
