"""The kinds of events are the same in the program, in the schema and in the document."""

import json
import re

TABLE = "server/events/kinds.c"
SCHEMA = "docs/events.schema.json"
PAGE = "docs/events.md"
KIND = re.compile(r'=\s*\{\s*"([a-z_]+\.[a-z_]+)",\s*EVENT_LEVEL_([A-Z]+)')
ROW = re.compile(r"^\| (`[^|]*`) \| ([a-z, ]+) \|", re.M)


def documented(text):
    """kind -> level of the table; "`check.failed`, `.recovered`" and "error, info" are two."""
    found = {}
    for names, levels in ROW.findall(text):
        names = re.findall(r"`([^`]+)`", names)
        levels = [level.strip() for level in levels.split(",")]
        for i, name in enumerate(names):
            full = names[0].split(".")[0] + name if name.startswith(".") else name
            found[full] = levels[min(i, len(levels) - 1)]
    return found


def check(tree, build):
    if not {TABLE, SCHEMA, PAGE} <= set(tree.files):
        return []
    kinds = {name: level.lower() for name, level in KIND.findall(tree.text(TABLE))}
    schema = set(json.loads(tree.text(SCHEMA))["properties"]["event"]["enum"])
    page = documented(tree.text(PAGE))
    found = [f"{SCHEMA}: has no '{name}'" for name in sorted(set(kinds) - schema)]
    found += [f"{SCHEMA}: there is no event '{name}'" for name in sorted(schema - set(kinds))]
    found += [f"{PAGE}: does not tell of '{name}'" for name in sorted(set(kinds) - set(page))]
    found += [f"{PAGE}: there is no event '{name}'" for name in sorted(set(page) - set(kinds))]
    found += [f"{PAGE}: '{name}' is of level {kinds[name]}" for name in sorted(set(kinds) & set(page))
              if kinds[name] != page[name]]
    return found


SAMPLE = '[A] = {"a.one", EVENT_LEVEL_INFO},\n[B] = {"a.two", EVENT_LEVEL_ERROR},\n'
BAD = {
    TABLE: SAMPLE,
    SCHEMA: '{"properties": {"event": {"enum": ["a.one", "a.three"]}}}',
    PAGE: "| event | level | when |\n|---|---|---|\n| `a.one`, `.four` | error, info | x |\n",
}
EXPECTED = [f"{SCHEMA}: has no 'a.two'", f"{SCHEMA}: there is no event 'a.three'",
            f"{PAGE}: does not tell of 'a.two'", f"{PAGE}: there is no event 'a.four'",
            f"{PAGE}: 'a.one' is of level info"]
GOOD = {
    TABLE: SAMPLE,
    SCHEMA: '{"properties": {"event": {"enum": ["a.one", "a.two"]}}}',
    PAGE: "| event | level | when |\n|---|---|---|\n| `a.one`, `.two` | info, error | x |\n",
}
