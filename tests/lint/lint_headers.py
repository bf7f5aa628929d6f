"""Every header compiles alone, and its guard is its path."""

import concurrent.futures
import pathlib
import re
import shutil
import subprocess

PACKAGES = ("openssl", "libuv", "sqlite3", "libcurl", "libmicrohttpd", "jansson", "libconfuse",
            "libprotobuf-c", "libseccomp")


def missing(build):
    return None if shutil.which("gcc") else "gcc is not installed"


def include_paths(tree, build):
    paths = [str(tree.root)]
    if build:
        paths += sorted({str(p.parent) for p in pathlib.Path(build).rglob("*.pb-c.h")})
    for package in PACKAGES:
        answer = subprocess.run(["pkg-config", "--cflags-only-I", package], capture_output=True,
                                text=True, check=False)
        paths += [word[2:] for word in answer.stdout.split()]
    return [word for path in paths for word in ("-I", path)]


def compile_one(tree, name, flags):
    answer = subprocess.run(
        ["gcc", "-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
         "-fsyntax-only", *flags, "-include", str(tree.root / name), "-x", "c", "-"],
        input="extern int not_empty;\n", capture_output=True, text=True, check=False)
    if answer.returncode == 0:
        return []
    lines = [line for line in answer.stderr.splitlines() if "error" in line] or ["?"]
    return [f"{name}:1: does not compile alone: {lines[0]}"]


def check(tree, build):
    found = []
    headers = tree.match(".h", under=("common", "server", "replica", "tests"))
    for name in headers:
        guard = re.sub(r"\W", "_", name).upper()
        if not re.search(rf"^#ifndef {guard}\n#define {guard}$", tree.text(name), re.M):
            found.append(f"{name}:1: the guard is not {guard}")
    flags = include_paths(tree, build)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for lines in pool.map(lambda name: compile_one(tree, name, flags), headers):
            found += lines
    return found


BAD = {
    "common/base/a.h": "#ifndef COMMON_BASE_A_H\n#define COMMON_BASE_A_H\nsize_t f(void);\n#endif\n",
    "common/base/b.h": "#ifndef B_H\n#define B_H\nint f(void);\n#endif\n",
}
EXPECTED = ["common/base/a.h:1: does not compile alone", "common/base/b.h:1: the guard is not"]
GOOD = {
    "common/base/a.h": "#ifndef COMMON_BASE_A_H\n#define COMMON_BASE_A_H\n#include <stddef.h>\n"
                       "size_t f(void);\n#endif\n",
    "common/base/b.h": "#ifndef COMMON_BASE_B_H\n#define COMMON_BASE_B_H\n"
                       "#include \"common/base/a.h\"\n#endif\n",
}
