-- Pieces of content by their digest, `sha256:…`, each at most 1 MiB.
CREATE TABLE content (
    content INTEGER PRIMARY KEY,
    digest  TEXT NOT NULL UNIQUE,
    bytes   BLOB NOT NULL
) STRICT;

-- Which sessions use a piece. What nobody uses is not there.
CREATE TABLE content_uses (
    session INTEGER NOT NULL,
    content INTEGER NOT NULL,
    PRIMARY KEY (session, content)
) STRICT, WITHOUT ROWID;
CREATE INDEX content_uses_by_content ON content_uses (content);

-- The bytes of all pieces that a session uses.
ALTER TABLE sessions ADD COLUMN content INTEGER NOT NULL DEFAULT 0;

-- Results that are too large for a record, by the digest of all of them; `blob` is JSON.
CREATE TABLE outputs (
    session INTEGER NOT NULL,
    digest  TEXT NOT NULL,
    blob    TEXT NOT NULL,
    PRIMARY KEY (session, digest)
) STRICT, WITHOUT ROWID;

-- The tree that the last turn which ended left of a plugin's workspace; `blob` is JSON.
CREATE TABLE workspaces (
    session INTEGER NOT NULL,
    plugin  TEXT NOT NULL,
    blob    TEXT NOT NULL,
    PRIMARY KEY (session, plugin)
) STRICT, WITHOUT ROWID;
