"""Magic numbers of objects are unique."""

import re

from tree import line_of

DEFINE = re.compile(r"^\s*#\s*define\s+(\w+_MAGIC)\s+(?:UINT32_C\()?(0[xX][0-9a-fA-F]+|\d+)[uUlL)]*", re.M)
ANY = re.compile(r"^\s*#\s*define\s+(\w+_MAGIC)\b", re.M)


def check(tree, build):
    found, seen = [], {}
    for name in tree.match(".c", ".h", under=("common", "server", "replica")):
        code = tree.code(name)
        numbers = {m.group(1): int(m.group(2), 0) for m in DEFINE.finditer(code)}
        for m in ANY.finditer(code):
            where = f"{name}:{line_of(code, m.start(1))}"
            value = numbers.get(m.group(1))
            if value is None:
                found.append(f"{where}: {m.group(1)} is not a plain number")
            elif value in seen:
                found.append(f"{where}: {m.group(1)} has the number of {seen[value]}")
            else:
                seen[value] = f"{m.group(1)} in {name}"
    return found


BAD = {
    "common/base/a.h": "#define A_MAGIC 0x11\n",
    "common/base/b.h": "#define B_MAGIC UINT32_C(17)\n#define C_MAGIC (1 + 2)\n",
}
EXPECTED = ["b.h:1: B_MAGIC has the number of A_MAGIC", "b.h:2: C_MAGIC is not a plain number"]
GOOD = {"common/base/a.h": "#define A_MAGIC 0x11u\n#define B_MAGIC 0x12\n"}
