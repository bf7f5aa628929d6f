"""The top level holds exactly the agreed entries, dotfiles and build directories beside them."""

import re

ENTRIES = {"CMakeLists.txt", "README.md", "LICENSE", "proto", "server", "replica", "common",
           "tests", "deploy", "docs"}
IGNORED = re.compile(r"^(\..*|build.*|compile_commands\.json|__pycache__)$")


def check(tree, build):
    there = {p.name for p in tree.root.iterdir() if not IGNORED.match(p.name)}
    return ([f"{name}: is not a top-level entry of the design" for name in sorted(there - ENTRIES)]
            + [f"{name}: is missing" for name in sorted(ENTRIES - there)])


GOOD = {(e if "." in e or e == "LICENSE" else e + "/a.c"): "" for e in ENTRIES}
GOOD[".gitignore"] = ""
BAD = {**GOOD, "scripts/a.sh": ""}
BAD.pop("LICENSE")
EXPECTED = ["scripts: is not a top-level entry", "LICENSE: is missing"]
