"""Man pages pass mandoc, and there is one for each program."""

import pathlib
import shutil
import subprocess

PROGRAMS = {"certherd": "1", "certherd-server": "8", "certherd-replica": "8"}


def missing(build):
    return None if shutil.which("mandoc") else "mandoc is not installed"


def check(tree, build):
    found = []
    pages = [f for f in tree.files if f.startswith("docs/man/")]
    for page in pages:
        answer = subprocess.run(["mandoc", "-Tlint", "-Wwarning", str(tree.root / page)],
                                capture_output=True, text=True, check=False)
        found += [line.replace(f"{tree.root}/", "").replace("mandoc: ", "")
                  for line in answer.stdout.splitlines() + answer.stderr.splitlines()
                  if ": " in line and "outdated mandoc.db" not in line]
    for program, section in PROGRAMS.items():
        built = build and any(p.is_file() for p in pathlib.Path(build).rglob(program))
        if built and f"docs/man/{program}.{section}" not in pages:
            found.append(f"docs/man/{program}.{section}: is missing")
    return found


BAD = {"docs/man/a.1": ".Dd $Mdocdate$\n.Dt A 1\n.Os\n.Sh NAME\n.Nm a\n.Nd x\n.Xyzzy\n"}
EXPECTED = ["a.1:7:2: ERROR: skipping unknown macro"]
GOOD = {"docs/man/a.1": ".Dd January 1, 2026\n.Dt A 1\n.Os\n.Sh NAME\n.Nm a\n.Nd does something\n"
                        ".Sh DESCRIPTION\nText.\n"}
