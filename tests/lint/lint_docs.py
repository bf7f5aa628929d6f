"""Documents: a page for each module, links that lead somewhere, one word for one thing."""

import re

from tree import line_of, module_of

# What the glossary calls otherwise, and words that promise instead of saying.
WORDS = {
    "master": "manager", "slave": "replica", "whitelist": "allow list",
    "blacklist": "deny list", "blazing": "a figure", "blazingly": "a figure",
    "seamless": "what happens", "seamlessly": "what happens", "cutting-edge": "nothing",
    "leverage": "use", "utilize": "use", "robust": "what holds", "world-class": "nothing",
}
WORD = re.compile(r"(?<![\w/-])(" + "|".join(WORDS) + r")(?![\w-])", re.I)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:common|server|replica|tests|deploy|docs|proto)/[\w./-]*[\w])`")
ABSOLUTE = re.compile(r"(?<![\w.])/(?:home|root|Users)/\w+")


def check(tree, build):
    found = []
    folders = {f.rsplit("/", i)[0] for f in tree.files for i in range(1, f.count("/") + 1)}
    there = set(tree.files) | folders
    modules = {module_of(f) for f in tree.match(".c", under=("common", "server", "replica"))}
    for module in sorted(m for m in modules if "/" in m):
        pages = [f"docs/internals/{p}.md" for p in (module.split("/")[1], module.replace("/", "-"))]
        if not there.intersection(pages):
            found.append(f"{pages[0]}: is missing, {module} has code")
    for name in tree.match(".md"):
        text = tree.text(name)
        for m in LINK.finditer(text):
            target = m.group(1).split("#")[0]
            if target and "://" not in target and not target.startswith("mailto:"):
                if resolve(name, target) not in there:
                    found.append(f"{name}:{line_of(text, m.start())}: no '{target}' in the tree")
        for m in PATH.finditer(text):
            if not there.intersection((m.group(1), m.group(1) + ".h")):
                found.append(f"{name}:{line_of(text, m.start())}: there is no {m.group(1)}")
        for m in WORD.finditer(text):
            found.append(f"{name}:{line_of(text, m.start())}: '{m.group(1)}': "
                         f"say {WORDS[m.group(1).lower()]}")
        for m in ABSOLUTE.finditer(text):
            found.append(f"{name}:{line_of(text, m.start())}: a path of one machine: {m.group(0)}")
    return found


def resolve(name, target):
    """A relative link as a path from the root; None when it leads out of the tree."""
    parts = name.split("/")[:-1]
    for part in target.rstrip("/").split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


BAD = {
    "common/base/a.c": "",
    "docs/a.md": "[x](../../outside.md)\nA slave.\n`common/base/none.c` and /root/file\n",
}
EXPECTED = ["docs/internals/base.md: is missing", "docs/a.md:1: no '../../outside.md'",
            "docs/a.md:2: 'slave': say replica", "docs/a.md:3: there is no common/base/none.c",
            "docs/a.md:3: a path of one machine"]
GOOD = {
    "common/base/a.c": "",
    "docs/internals/common-base.md": "# base\n\n[code](../../common/base/a.c) `common/base`\n",
    "README.md": "[docs](docs/internals/common-base.md#base) [web](https://example.org)\n",
}
