-- The audit log. `leaf` is the hash of `record` as a leaf of the tree; records are only ever added.
CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY,
    leaf   BLOB NOT NULL,
    record BLOB NOT NULL
) STRICT;

-- Where the next record goes: the tree of all records, as the roots of its perfect subtrees.
CREATE TABLE audit_head (
    log   INTEGER PRIMARY KEY CHECK (log = 1),
    epoch TEXT NOT NULL,
    size  INTEGER NOT NULL,
    roots BLOB NOT NULL
) STRICT;

CREATE TABLE audit_checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
) STRICT;
