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
  -- kept: the shop had no webhook_url, so it is only to be looked up.
  status TEXT NOT NULL CHECK (status IN ('due', 'delivered', 'dead', 'kept')),
  -- When it is to be tried (again); a lease moves it ahead. NULL once nothing is to be done.
  due_at INTEGER,
  delivered_at INTEGER,
  -- Attempts since it was written or resent: they decide the next pause.
  attempts INTEGER NOT NULL DEFAULT 0,
  -- The last attempts, oldest first: [{created, status, duration_ms, error}].
  attempt_log TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX notices_by_shop ON notices (shop_id, id);
CREATE INDEX notices_by_type ON notices (shop_id, type, id);
CREATE INDEX notices_by_status ON notices (shop_id, status, id);
CREATE INDEX notices_by_transaction ON notices (transaction_id) WHERE attempts = 0;
-- By shop first: the sweep steps from shop to shop, past 100,000 due notices of one of them.
CREATE INDEX notices_due ON notices (shop_id, due_at) WHERE due_at IS NOT NULL;
