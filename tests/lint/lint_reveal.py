"""Places where a secret leaves the program are few, and each stands in reveal.txt with a reason."""

import re

from tree import line_of

TABLE = "tests/lint/reveal.txt"
CALL = re.compile(r"\bsecret_reveal\s*\(")


def check(tree, build):
    found, listed = [], {}
    for number, line in enumerate(tree.text(TABLE).splitlines() if TABLE in tree.files else [], 1):
        name, _, reason = line.split("#")[0].strip().partition(" ")
        if not name:
            continue
        if not reason.strip():
            found.append(f"{TABLE}:{number}: {name} has no reason")
        listed[name] = number
    for name in tree.match(".c", ".h", under=("common", "server", "replica")):
        if name.startswith("common/crypto/secret."):
            continue
        calls = list(CALL.finditer(tree.code(name)))
        if calls and name not in listed:
            where = line_of(tree.code(name), calls[0].start())
            found.append(f"{name}:{where}: secret_reveal is called, and {TABLE} does not list it")
        if not calls and listed.pop(name, None):
            found.append(f"{TABLE}: {name} no longer calls secret_reveal")
    return found


BAD = {
    TABLE: "common/base/a.c\nserver/api/gone.c shows a token once\n",
    "common/base/a.c": "x = secret_reveal(s);\n",
    "server/api/b.c": "\nx = secret_reveal (s);\n",
    "server/api/gone.c": "/* secret_reveal(s) */\n",
}
EXPECTED = ["a.c has no reason", "server/api/b.c:2: secret_reveal is called",
            "server/api/gone.c no longer calls"]
GOOD = {
    TABLE: "# heading\nserver/api/b.c shows a token once\n",
    "server/api/b.c": "x = secret_reveal(s);\n",
    "common/crypto/secret.c": "struct span secret_reveal(const struct secret *s)\n",
}
