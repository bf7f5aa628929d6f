-- Records and what goes with them. The long columns are last: a scan that does not ask for bodies
-- then never reads the overflow pages that they lie on.
CREATE TABLE records (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    term INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    mutation INTEGER NOT NULL,
    version INTEGER NOT NULL,
    committed_at_ms INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    hash BLOB NOT NULL,
    name TEXT NOT NULL,
    signature BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX records_id ON records(id);
CREATE UNIQUE INDEX records_position ON records(term, seq);
CREATE INDEX records_kind ON records(kind);
CREATE INDEX records_removed ON records(term, seq) WHERE removed = 1;

-- A large sync is collected here; it has no index, because it is read once and as a whole.
CREATE TABLE stage (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    term INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    mutation INTEGER NOT NULL,
    version INTEGER NOT NULL,
    committed_at_ms INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    hash BLOB NOT NULL,
    name TEXT NOT NULL,
    signature BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
