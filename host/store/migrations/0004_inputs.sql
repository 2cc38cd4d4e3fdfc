-- Inputs that wait until the turn of their session has ended, in the order of their numbers.
CREATE TABLE inputs (
    number    INTEGER PRIMARY KEY,
    session   INTEGER NOT NULL,
    key       TEXT NOT NULL,
    principal TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    at        INTEGER NOT NULL,
    input     TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX inputs_by_key ON inputs (session, key);

-- The component that left the state as it is, and its version.
ALTER TABLE sessions ADD COLUMN left_by TEXT;
ALTER TABLE sessions ADD COLUMN left_version TEXT;
