-- Shops that were deleted and of which something personal may be left: taken up by the sweep until nothing is.
CREATE TABLE erasures (
  shop_id TEXT PRIMARY KEY,
  -- The last transaction that was cleared.
  after_id TEXT NOT NULL DEFAULT '',
  created INTEGER NOT NULL,
  due_at INTEGER NOT NULL
) STRICT;
CREATE INDEX erasures_due ON erasures (due_at);

-- When a job last came to its end.
CREATE TABLE runs (
  name TEXT PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT;

-- For the operator's figures.
CREATE INDEX notices_dead ON notices (created) WHERE status = 'dead';
