"""Commands in documents are commands of the program, with options that it has; and the manual page
has every command and every option."""

import functools
import pathlib
import re
import subprocess
import tempfile

from tree import Tree, line_of

FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.M | re.S)
SPAN = re.compile(r"`(certherd [^`]+)`")
LINE = re.compile(r"^(?:[\w-]*[#$] )?(certherd (?:[^\n]*\\\n)*[^\n]*)", re.M)
END = re.compile(r"\s[|<>&;#]|\s{3,}|\)")
OPTION = re.compile(r"(?<![\w-])--([a-z][\w-]*)")
WORD = re.compile(r"[a-z][a-z-]*")
OPTIONS = re.compile(r"^  --([a-z][\w-]*)", re.M)
MAN = "docs/man/certherd.1"
LISTED = re.compile(r"^  ([a-z-]+(?: [a-z-]+)?) ", re.M)


def missing(build):
    return None if build and program(build).is_file() else "there is no build with a certherd in it"


def program(build):
    return pathlib.Path(build) / "bin" / "certherd"


def asker(certherd):
    """What --help says of a noun, or of a noun and its verb."""
    @functools.cache
    def ask(*words):
        return subprocess.run([str(certherd), *words, "--help"], capture_output=True, text=True,
                              check=False).stdout
    return ask


def uses(text):
    """Every command in a document, with where it stands; a line that goes on is one line."""
    for m in FENCE.finditer(text):
        for c in LINE.finditer(m.group(1)):
            yield m.start(1) + c.start(1), re.sub(r"\\\n\s*", " ", c.group(1))
    plain = FENCE.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)
    for m in SPAN.finditer(plain):
        yield m.start(), m.group(1).replace("\n", " ")


def wrong(ask, commands, command):
    """What is wrong with a command, or None."""
    command = END.split(command)[0]
    words = command.split()[1:]
    if not words or not WORD.fullmatch(words[0]) or words[0] == "help":
        return None
    noun = words[0]
    verbs = {c.split()[1] for c in commands if c.startswith(noun + " ")}
    if noun not in commands and not verbs:
        return f"there is no command '{noun}'"
    if verbs and len(words) > 1 and WORD.fullmatch(words[1]) and words[1] not in verbs:
        return f"there is no '{noun} {words[1]}'"
    if verbs and (len(words) == 1 or words[1] not in verbs):
        return None
    asked = words[:2] if verbs else words[:1]
    known = set(OPTION.findall(ask(*asked)))
    bad = [o for o in OPTION.findall(command) if o not in known]
    return f"'{' '.join(asked)}' has no --{bad[0]}" if bad else None


def check_by(ask, tree):
    commands = set(LISTED.findall(ask()))
    found = []
    for name in tree.match(".md"):
        # News and decisions tell of their day.
        if name == "docs/NEWS.md" or name.startswith("docs/adr/"):
            continue
        text = tree.text(name)
        for at, command in uses(text):
            reason = wrong(ask, commands, command)
            if reason:
                found.append(f"{name}:{line_of(text, at)}: {reason}: {command[:60]}")
    return found


def check_man(ask, page):
    """What the manual page lacks."""
    general = set(OPTION.findall(page.split(".Sh COMMANDS")[0].replace("Fl -", "--")))
    sections = {}
    for part in page.split("\n.It Ic ")[1:]:
        head = re.match(r"([a-z-]+(?: [a-z-]+)?)", part).group(1)
        sections[head] = part
    for command in sorted(set(LISTED.findall(ask()))):
        if command not in sections:
            yield f"{MAN}: is silent about '{command}'"
            continue
        there = set(OPTION.findall(sections[command].replace("Fl -", "--"))) | general
        for option in OPTIONS.findall(ask(*command.split())):
            if option not in there:
                yield f"{MAN}: '{command}' lacks --{option}"


def check(tree, build):
    ask = asker(program(build))
    return check_by(ask, tree) + list(check_man(ask, tree.text(MAN)))


HELP = {
    (): "usage: certherd COMMAND\n\n  cert add NAME...   Make.\n  status   Look.\n",
    ("cert", "add"): "  --access NODE  Who.\n",
    ("status",): "  --json  For programs.\n",
}
BAD_TEXT = ("`certherd cert sell`\n`certherd stats`\n```\ncertherd cert add a.example \\\n"
            "    --acess web1\n# certherd status --jsn | jq .\n```\n")
BAD_FOUND = ["a.md:1: there is no 'cert sell'", "a.md:2: there is no command 'stats'",
             "a.md:4: 'cert add' has no --acess", "a.md:6: 'status' has no --jsn"]
GOOD_TEXT = ("`certherd cert add NAME --access web1` `certherd cert` and `certherd --help`\n```\n"
             "certherd status --json | grep --count x\nmanager# certherd status\n```\n")


def self_test():
    """Without a program: what it would say is given."""
    def ask(*words):
        return HELP.get(words, "")

    failures = []
    for text, expected in ((BAD_TEXT, BAD_FOUND), (GOOD_TEXT, [])):
        with tempfile.TemporaryDirectory(prefix="certherd-lint-") as folder:
            (pathlib.Path(folder) / "a.md").write_text(text, encoding="utf-8")
            found = check_by(ask, Tree(folder))
        failures += [f"nothing says '{e}' (found: {found})" for e in expected
                     if not any(f.startswith(e) for f in found)]
        if len(found) != len(expected):
            failures.append(f"found {found}, expected {expected}")
    found = list(check_man(ask, ".Fl -json\n.Sh COMMANDS\n.It Ic status\n.It Ic cert add Ar NAME\n"))
    if found != [f"{MAN}: 'cert add' lacks --access"]:
        failures.append(f"of the manual page: {found}")
    return failures
