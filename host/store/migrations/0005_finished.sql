-- Records of turns that ended, many in one row: `count` of them from `seq` on, `raw` bytes before they were compressed. `link` is that of the
-- last one.
CREATE TABLE chunks (
    session INTEGER NOT NULL,
    branch  INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    raw     INTEGER NOT NULL,
    link    BLOB NOT NULL,
    data    BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX chunks_by_seq ON chunks (session, branch, seq);
