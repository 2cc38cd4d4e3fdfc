-- The call that a session was made for: by which session, under which key, in which turn of the outermost one. `chain` is JSON.
ALTER TABLE sessions ADD COLUMN caller TEXT;
ALTER TABLE sessions ADD COLUMN caller_key TEXT;
ALTER TABLE sessions ADD COLUMN root TEXT;
ALTER TABLE sessions ADD COLUMN root_turn INTEGER;
ALTER TABLE sessions ADD COLUMN chain TEXT;
CREATE INDEX sessions_by_caller ON sessions (caller, id) WHERE caller IS NOT NULL;
CREATE INDEX sessions_by_root ON sessions (root, root_turn) WHERE root IS NOT NULL;
