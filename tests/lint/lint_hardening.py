"""Release programs have the hardening that the build asks for."""

import pathlib
import re
import shutil
import subprocess
import tempfile

PROGRAMS = ("certherd", "certherd-server", "certherd-replica")


def missing(build):
    if not shutil.which("readelf") or not shutil.which("gcc"):
        return "readelf or gcc is not installed"
    return None


def readelf(option, program):
    return subprocess.run(["readelf", "-W", option, str(program)], capture_output=True, text=True,
                          check=True).stdout


def faults(program):
    """What the program lacks."""
    dynamic, headers = readelf("-d", program), readelf("-l", program)
    symbols = readelf("--dyn-syms", program)
    stack = re.search(r"GNU_STACK.*", headers)
    if not re.search(r"Type:\s+DYN", readelf("-h", program)) or "PIE" not in dynamic:
        yield "is no position independent executable"
    if "GNU_RELRO" not in headers:
        yield "has no RELRO"
    if "NOW" not in dynamic:
        yield "binds lazily"
    if "RPATH" in dynamic or "RUNPATH" in dynamic:
        yield "has an RPATH"
    if stack is None or "E" in stack.group(0).split()[-2]:
        yield "has an executable stack"
    if re.search(r"LOAD.*RWE", headers):
        yield "has a segment that is writable and executable"
    if "__stack_chk_fail" not in symbols:
        yield "has no stack protector"


def build_sample(folder, name, *flags):
    source = pathlib.Path(folder) / "a.c"
    source.write_text("#include <stdio.h>\n#include <string.h>\nint main(int c, char **v)\n{\n"
                      "\tchar b[64];\n\tsnprintf(b, sizeof(b), \"%s\", v[c - 1]);\n"
                      "\treturn (int)strlen(b);\n}\n")
    program = pathlib.Path(folder) / name
    subprocess.run(["gcc", "-O1", *flags, "-o", str(program), str(source)], check=True,
                   capture_output=True)
    return program


def self_test():
    """The samples are built, since a checker of programs needs programs."""
    failures = []
    with tempfile.TemporaryDirectory(prefix="certherd-lint-") as folder:
        good = build_sample(folder, "good", "-fstack-protector-strong", "-fPIE", "-pie",
                            "-Wl,-z,relro,-z,now,-z,noexecstack")
        bad = build_sample(folder, "bad", "-fno-stack-protector", "-no-pie", "-Wl,-z,norelro",
                           "-Wl,-z,lazy", "-Wl,-z,execstack", "-Wl,-rpath,/tmp")
        failures += [f"the good sample {fault}" for fault in faults(good)]
        found = list(faults(bad))
        if len(found) < 6:
            failures.append(f"the bad sample passes: only {found}")
    return failures


def check(tree, build):
    found = []
    if build is None:
        return found
    cache = pathlib.Path(build) / "CMakeCache.txt"
    if "CMAKE_BUILD_TYPE:STRING=Release" not in cache.read_text():
        return found
    for name in PROGRAMS:
        for program in pathlib.Path(build).rglob(name):
            if program.is_file() and "CMakeFiles" not in program.parts:
                found += [f"{program.name} {fault}" for fault in faults(program)]
    return found
