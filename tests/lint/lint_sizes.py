"""Files and functions that can be read at one sitting."""

import re

FILE_MAX = 600
HEADER_MAX = 300
FUNCTION_MAX = 80  # about 60 is the aim


def functions(text):
    """(line, length) of each function body: in the house format it stands between ^{ and ^}."""
    start = None
    for number, line in enumerate(text.split("\n"), 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            yield start, number - start - 1
            start = None


def check(tree, build):
    found = []
    for name in tree.match(".c", ".h", ".py"):
        text = tree.text(name)
        lines = text.count("\n")
        limit = HEADER_MAX if name.endswith(".h") else FILE_MAX
        if lines > limit:
            found.append(f"{name}: {lines} lines, at most {limit}: is it one concern?")
        if name.endswith(".c"):
            found += [f"{name}:{line}: a function of {length} lines, at most {FUNCTION_MAX}"
                      for line, length in functions(text) if length > FUNCTION_MAX]
    return found


BAD = {
    "common/base/a.c": "\n" * 601,
    "common/base/b.h": "\n" * 301,
    "common/base/c.c": "int f(void)\n{\n" + "\tx();\n" * 81 + "}\n",
}
EXPECTED = ["a.c: 601 lines", "b.h: 301 lines", "c.c:2: a function of 81 lines"]
GOOD = {"common/base/a.c": "int f(void)\n{\n" + "\tx();\n" * 80 + "}\n" + "\n" * 500}
