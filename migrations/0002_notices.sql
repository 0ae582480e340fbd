-- The outbox: what is owed to a shop. Written in the same batch as the change that owes it, sent afterwards.
CREATE TABLE notices (
  id TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  type TEXT NOT NULL,
  -- What makes it this notice and no other: a doubled change finds its name taken.
  once TEXT NOT NULL UNIQUE,
  -- The object as it was when the notice was written: every attempt tells the same.
  object TEXT NOT NULL,
  transaction_id TEXT,
  created INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('due', 'delivered', 'dead')),
  -- When it is to be tried (again); a lease moves it ahead. NULL once nothing is to be done.
  due_at INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  -- The last attempts: [{at, status, ms, error}].
  attempt_log TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX notices_by_shop ON notices (shop_id, id);
CREATE INDEX notices_due ON notices (due_at) WHERE due_at IS NOT NULL;
