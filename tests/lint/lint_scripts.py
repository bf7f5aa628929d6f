"""Shell and Python scripts parse, and shell scripts stop at errors."""

import ast
import re
import subprocess

SHELL = re.compile(r"#!.*/(?:env )?(bash|sh)\b")


def check(tree, build):
    found = []
    for name in tree.files:
        try:
            first = tree.text(name).split("\n", 1)[0]
        except OSError:
            continue
        shell = SHELL.match(first)
        if shell:
            answer = subprocess.run([shell.group(1), "-n", str(tree.root / name)],
                                    capture_output=True, text=True, check=False)
            if answer.returncode != 0:
                found.append(f"{name}: {answer.stderr.strip().splitlines()[0]}")
            if not re.search(r"^set -e?u?e?", tree.text(name), re.M):
                found.append(f"{name}: no 'set -eu'")
            if not (tree.root / name).stat().st_mode & 0o100:
                found.append(f"{name}: is not executable")
        elif name.endswith(".py") or "python3" in first:
            try:
                ast.parse(tree.text(name), name)
            except SyntaxError as error:
                found.append(f"{name}:{error.lineno}: {error.msg}")
    return found


BAD = {
    "deploy/a": "#!/bin/bash\nset -eu\nif true; then\n",
    "deploy/b": "#!/bin/sh\necho\n",
    "tests/c.py": "def f(:\n",
}
EXPECTED = ["deploy/a:", "deploy/b: no 'set -eu'", "tests/c.py:1"]
GOOD = {"deploy/a": "#!/bin/bash\nset -eu\necho\n", "tests/c.py": "x = 1\n"}
