"""clang-format of the version of Debian 12 would change nothing."""

import re
import shutil
import subprocess

PROGRAM = "clang-format-14"


def missing(build):
    return None if shutil.which(PROGRAM) else f"{PROGRAM} is not installed"


def check(tree, build):
    found = []
    names = [f for f in tree.match(".c", ".h") if f.split("/")[0] != "docs"]
    for start in range(0, len(names), 40):
        some = names[start:start + 40]
        answer = subprocess.run([PROGRAM, "--dry-run", "--style=file", *some], cwd=tree.root,
                                capture_output=True, text=True, check=False)
        found += sorted({re.sub(r":\d+: warning.*", ": not as clang-format writes it", line)
                         for line in answer.stderr.splitlines() if "warning:" in line})
    return found


STYLE = "BasedOnStyle: LLVM\nIndentWidth: 8\nUseTab: Always\nTabWidth: 8\n"
BAD = {".clang-format": STYLE, "common/base/a.c": "int   x;\n"}
EXPECTED = ["common/base/a.c:1: not as clang-format"]
GOOD = {".clang-format": STYLE, "common/base/a.c": "int x;\n"}
