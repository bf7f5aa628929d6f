"""Each enum that ends in X__COUNT has a table of names that is complete.

Complete means: somewhere an array of strings (or of structs) is sized by or asserted against
X__COUNT, and at least one such array has a designated initialiser for each enumerator.
"""

import re

from tree import line_of

ENUM = re.compile(r"\benum\s+(\w+)\s*\{([^}]*)\}", re.S)
ENTRY = re.compile(r"\b([A-Z][A-Z0-9_]*)\b(?:\s*=\s*[^,}]+)?")
DESIGNATED = re.compile(r"\[\s*([A-Z][A-Z0-9_]*)\s*\]\s*=|\bX?\w*\(\s*([A-Z][A-Z0-9_]*)\s*,")


def enumerators(body):
    parts = [p.strip() for p in body.split(",") if p.strip()]
    return [re.match(r"[A-Z][A-Z0-9_]*", p).group(0) for p in parts
            if re.match(r"[A-Z][A-Z0-9_]*", p)]


def check(tree, build):
    found = []
    names = tree.match(".c", ".h", under=("common", "server", "replica"))
    codes = {name: tree.code(name) for name in names}
    everything = "\n".join(codes.values())
    designated = {a or b for a, b in DESIGNATED.findall(everything)}
    for name, code in codes.items():
        for m in ENUM.finditer(code):
            entries = enumerators(m.group(2))
            count = [e for e in entries if e.endswith("__COUNT")]
            if not count:
                continue
            where = f"{name}:{line_of(code, m.start())}: enum {m.group(1)}"
            if not re.search(rf"_Static_assert\s*\([^;]*\b{count[0]}\b|\[\s*{count[0]}\s*\]\s*=",
                             everything):
                found.append(f"{where}: no table is asserted against {count[0]}")
            lacking = [e for e in entries if e != count[0] and e not in designated]
            if lacking:
                found.append(f"{where}: no table has an entry [{lacking[0]}]")
    return found


BAD = {
    "common/base/a.h": "enum color { COLOR_RED, COLOR_BLUE, COLOR__COUNT };\n"
                       "enum shape { SHAPE_ROUND, SHAPE__COUNT };\n",
    "common/base/a.c": "static const char *const n[] = {[COLOR_RED] = \"red\"};\n"
                       "_Static_assert(ARRAY_LEN(n) == COLOR__COUNT, \"\");\n"
                       "static const char *const s[] = {[SHAPE_ROUND] = \"round\"};\n",
}
EXPECTED = ["enum color: no table has an entry [COLOR_BLUE]",
            "enum shape: no table is asserted against SHAPE__COUNT"]
GOOD = {
    "common/base/a.h": "enum color { COLOR_RED = 1, /* warm */ COLOR_BLUE, COLOR__COUNT };\n",
    "common/base/a.c": "static const char *const n[] = {[COLOR_RED] = \"r\", [COLOR_BLUE] = \"b\"};\n"
                       "_Static_assert(ARRAY_LEN(n) == COLOR__COUNT, \"every color\");\n",
}
