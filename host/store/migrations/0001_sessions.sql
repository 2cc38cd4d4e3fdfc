-- Who has the database open. `mark` numbers the groups that it committed.
CREATE TABLE owners (
    owner INTEGER PRIMARY KEY,
    pid   INTEGER NOT NULL,
    mark  INTEGER NOT NULL
) STRICT;

-- `head` is the link of the last record, `bytes` the size of all records. Numbers that are unsigned elsewhere keep their bits.
CREATE TABLE sessions (
    session    INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    project    TEXT NOT NULL,
    agent      TEXT NOT NULL,
    principal  TEXT NOT NULL,
    request    TEXT,
    created    INTEGER NOT NULL,
    parent     TEXT,
    parent_seq INTEGER,
    updated    INTEGER NOT NULL,
    status     TEXT NOT NULL,
    detail     TEXT NOT NULL,
    epoch      INTEGER NOT NULL,
    owner      INTEGER,
    branch     INTEGER NOT NULL,
    next_seq   INTEGER NOT NULL,
    turn_seq   INTEGER NOT NULL,
    turns      INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    head       BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX sessions_by_request ON sessions (project, principal, request) WHERE request IS NOT NULL;
CREATE INDEX sessions_by_project ON sessions (project, id);
CREATE INDEX sessions_by_principal ON sessions (project, principal, id);

CREATE TABLE records (
    session INTEGER NOT NULL,
    branch  INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    link    BLOB NOT NULL,
    text    TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX records_by_seq ON records (session, branch, seq);

-- The turns whose input came with a key.
CREATE TABLE turns (
    session INTEGER NOT NULL,
    key     TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (session, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE state (
    session INTEGER NOT NULL,
    key     TEXT NOT NULL,
    value   BLOB NOT NULL,
    PRIMARY KEY (session, key)
) STRICT, WITHOUT ROWID;

-- `call` and `outcome` are JSON.
CREATE TABLE waits (
    id      TEXT NOT NULL UNIQUE,
    session INTEGER NOT NULL,
    project TEXT NOT NULL,
    op      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    title   TEXT NOT NULL,
    details TEXT NOT NULL,
    call    TEXT,
    asked   INTEGER NOT NULL,
    due     INTEGER,
    state   TEXT NOT NULL,
    outcome TEXT,
    decided INTEGER
) STRICT;
CREATE INDEX waits_by_session ON waits (session, id);
CREATE INDEX waits_live ON waits (project, id) WHERE state IN ('open', 'decided');

-- `bytes` is the size of a space's keys and values.
CREATE TABLE kv_spaces (
    space   INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    plugin  TEXT NOT NULL,
    scope   TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    UNIQUE (project, scope, plugin)
) STRICT;

CREATE TABLE kv (
    space INTEGER NOT NULL,
    key   TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;
