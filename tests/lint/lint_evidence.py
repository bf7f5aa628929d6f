"""The page of what shows it names tests that exist, and has a row for everything that needs one."""

import re

from tree import line_of

PAGE = "docs/evidence.md"
LIMITS = "common/base/limits.h"
# `unit/common/wire/test_trust.c: test_chain, test_pin`: a file below tests and what it defines.
SPAN = re.compile(r"`((?:unit|integ|sim|bench|fuzz|lint)/[\w./-]+\.(?:c|py))(?::\s*([\w,\s]+))?`")
ROWS = [*(f"AT-{n:02}" for n in (1, 2, 3, 7, 8, 22, 25, 26, 27, 28, 34)),
        *(f"INV-{n}" for n in range(1, 19))]
DEFINED = {".c": r"^(?:\w[\w *]*\s\**)?{}\(", ".py": r"^(?:    )?(?:def|class) {}\b"}


def check(tree, build):
    if PAGE not in tree.files:
        return [f"{PAGE}: is missing"]
    text, found = tree.text(PAGE), []
    for span in SPAN.finditer(text):
        name, where = f"tests/{span.group(1)}", f"{PAGE}:{line_of(text, span.start())}"
        if name not in tree.files:
            found.append(f"{where}: there is no {name}")
            continue
        pattern = DEFINED[name[name.rindex("."):]]
        for word in filter(None, re.split(r"[,\s]+", span.group(2) or "")):
            if not re.search(pattern.format(word), tree.text(name), re.M):
                found.append(f"{where}: {name} has no {word}")
    rows = {m.group(1): m.group(0) for m in re.finditer(r"^\| ([A-Z]+-\d+)\b.*", text, re.M)}
    for row in ROWS:
        if row not in rows:
            found.append(f"{PAGE}: no row for {row}")
        elif not SPAN.search(rows[row]) and "later" not in rows[row]:
            found.append(f"{PAGE}: {row} names no test")
    limits = set(re.findall(r"^#define (LIMIT_\w+)", tree.text(LIMITS), re.M))
    for named in re.finditer(r"`(LIMIT_\w+)`", text):
        if named.group(1) not in limits:
            found.append(f"{PAGE}:{line_of(text, named.start())}: no limit {named.group(1)}")
    return found


_ROWS = "".join(f"| {row} | x | `unit/a/test_a.c: test_one` |\n" for row in ROWS)
_TREE = {"tests/unit/a/test_a.c": "static void\ntest_one(void **state)\n{\n}\n",
         "tests/integ/test_b.py": "class World:\n    def look(self):\n        pass\n",
         LIMITS: "#define LIMIT_NAME 3\n#define LIMIT_TEXT 4\n"}
BAD = {
    **_TREE,
    PAGE: _ROWS.replace("| INV-3 |", "| INV-33 |").replace(
        "| AT-03 | x | `unit/a/test_a.c: test_one` |", "| AT-03 | x | trust me |")
    + "`unit/a/test_a.c: test_one, test_two` `integ/test_c.py: test_x` `LIMIT_GONE`\n",
}
EXPECTED = ["test_a.c has no test_two", "there is no tests/integ/test_c.py", "no row for INV-3",
            "AT-03 names no test", "no limit LIMIT_GONE"]
GOOD = {**_TREE, PAGE: _ROWS + "`integ/test_b.py: World, look` `LIMIT_NAME` `LIMIT_TEXT`\n"}
