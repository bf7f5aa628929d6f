"""What every checker shares: the files of a tree, and C text without comments and strings."""

import os
import pathlib
import re

SKIPPED = re.compile(r"^(build.*|\..*|__pycache__)$")


class Tree:
    """The source files below one directory; build directories and dot directories are left out."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self._texts = {}
        self.files = sorted(self._walk())

    def _walk(self):
        for folder, dirs, names in os.walk(self.root):
            dirs[:] = [d for d in dirs if not SKIPPED.match(d)]
            for name in names:
                if not name.endswith(".pyc"):
                    yield (pathlib.Path(folder) / name).relative_to(self.root).as_posix()

    def match(self, *suffixes, under=()):
        """Files that end in one of the suffixes and lie in one of the folders, if any are named."""
        return [f for f in self.files if f.endswith(suffixes)
                and (not under or f.split("/")[0] in under)]

    def text(self, name):
        if name not in self._texts:
            self._texts[name] = (self.root / name).read_text(encoding="utf-8", errors="replace")
        return self._texts[name]

    def code(self, name):
        """C text in which comments and the insides of strings are blank; lines keep their number."""
        return blank(self.text(name))


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def blank(text):
    def spaces(found):
        token = found.group(0)
        if token.startswith(("//", "/*")):
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[-1]

    # An #include keeps its name, which looks like a string.
    lines = []
    for line in TOKEN.sub(lambda m: m.group(0) if _is_include(text, m.start()) else spaces(m),
                          text).split("\n"):
        lines.append(line)
    return "\n".join(lines)


def _is_include(text, position):
    start = text.rfind("\n", 0, position) + 1
    return text[position] == '"' and re.match(r"\s*#\s*include\s", text[start:position]) is not None


def includes(text):
    """(line, quoted or not, name) of each #include."""
    return [(text.count("\n", 0, m.start(1)) + 1, m.group(1) == '"', m.group(2))
            for m in INCLUDE.finditer(text)]


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def module_of(name):
    """The module that a file belongs to: its folder, at most two levels (three below tests)."""
    parts = name.split("/")[:-1]
    return "/".join(parts[:2])
