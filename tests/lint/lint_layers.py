"""Include edges and owners of third-party headers, against layers.txt."""

import re

from tree import includes, module_of

TABLE = "tests/lint/layers.txt"
TOP = ("common", "server", "replica")


class Layers:
    def __init__(self, text):
        self.order, self.edges, self.owners, self.problems = [], {}, [], []
        for number, line in enumerate(text.splitlines(), 1):
            line = line.split("#")[0].strip()
            word, _, rest = line.partition(" ")
            if word == "order":
                self.order = ["common/" + m for m in rest.split()]
            elif word in ("edge", "owner") and ":" in rest:
                name, _, modules = rest.partition(":")
                if word == "edge":
                    self.edges[name.strip()] = modules.split()
                else:
                    self.owners.append((name.strip(), modules.split()))
            elif line:
                self.problems.append(f"{TABLE}:{number}: '{line}' is no order, edge or owner line")

    def check_table(self):
        """The table itself may not allow what the design forbids."""
        for module, uses in self.edges.items():
            for used in uses:
                if module.startswith("common/") and not self._earlier(used, module):
                    yield f"{TABLE}: {module} may not use {used}: it comes before it in the order"
                if used.split("/")[0] not in ("common", module.split("/")[0]):
                    yield f"{TABLE}: {module} may not use {used}"
                if used.endswith("/main"):
                    yield f"{TABLE}: {module} may not use {used}: nobody uses a main module"

    def _earlier(self, used, module):
        return (used in self.order and module in self.order
                and self.order.index(used) < self.order.index(module))

    def owner(self, header):
        if header.endswith(".pb-c.h"):
            return ["common/wire"]
        for pattern, modules in self.owners:
            if header == pattern or (pattern.endswith("*") and header.startswith(pattern[:-1])):
                return modules
        return None


def check(tree, build):
    layers = Layers(tree.text(TABLE) if TABLE in tree.files else "")
    found = list(layers.problems) + list(layers.check_table())
    used_edges = set()
    for name in tree.match(".c", ".h", under=TOP):
        module = module_of(name)
        for line, quoted, header in includes(tree.text(name)):
            where = f"{name}:{line}"
            owners = layers.owner(header)
            if owners is not None:
                if module not in owners:
                    found.append(f"{where}: {header} belongs to {', '.join(owners)}")
            elif quoted:
                found += check_rooted(where, header, module, layers, used_edges, tree)
    for module, uses in sorted(layers.edges.items()):
        for used in uses:
            if (module, used) not in used_edges:
                found.append(f"{TABLE}: nothing in {module} includes {used}: drop the edge")
    return found


def check_rooted(where, header, module, layers, used_edges, tree):
    if header not in tree.files:
        yield f"{where}: '{header}' is not a path from the root of the tree"
        return
    target = module_of(header)
    if target == module:
        return
    used_edges.add((module, target))
    if target not in layers.edges.get(module, ()):
        yield f"{where}: {module} may not use {target} (no edge in {TABLE})"


def edges(tree):
    """The edges that the sources have; `python3 lint_layers.py` prints them for the table."""
    found = {}
    for name in tree.match(".c", ".h", under=TOP):
        for _, quoted, header in includes(tree.text(name)):
            if quoted and header in tree.files and module_of(header) != module_of(name):
                found.setdefault(module_of(name), set()).add(module_of(header))
    return found


BAD = {
    TABLE: "order base log crypto\n"
           "owner uv.h: common/loop\n"
           "edge common/base: common/log\n"
           "edge server/api: common/base\n"
           "nonsense\n",
    "common/base/a.h": "",
    "common/base/a.c": '#include "common/base/a.h"\n#include "common/crypto/k.h"\n',
    "common/crypto/k.h": "#include <uv.h>\n#include \"k2.h\"\n",
    "replica/cache/c.h": "#include <record.pb-c.h>\n",
    "server/api/s.c": '#include "replica/cache/c.h"\n',
}
EXPECTED = [
    "'nonsense' is no order",
    "common/base may not use common/log: it comes before",
    "nothing in common/base includes common/log",
    "nothing in server/api includes common/base",
    "common/base/a.c:2: common/base may not use common/crypto",
    "common/crypto/k.h:1: uv.h belongs to common/loop",
    "common/crypto/k.h:2: 'k2.h' is not a path",
    "replica/cache/c.h:1: record.pb-c.h belongs to common/wire",
    "server/api/s.c:1: server/api may not use replica/cache",
]
GOOD = {
    TABLE: "order base log\nowner uv.h: common/loop\nedge common/log: common/base\n",
    "common/base/a.h": "#include <stdio.h>\n",
    "common/log/l.c": '#include "common/base/a.h"\n/* #include "common/nowhere.h" */\n',
    "common/loop/l.c": "#include <uv.h>\n",
}

if __name__ == "__main__":
    import pathlib

    from tree import Tree

    where = pathlib.Path(__file__).resolve().parent.parent.parent
    for key, value in sorted(edges(Tree(where)).items()):
        print(f"edge {key}: {' '.join(sorted(value))}")
