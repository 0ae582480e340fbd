-- Shops' catalogues at Stripe. What each value is protected by is told in src/store/mod.rs.

-- A file of products, stock or prices on its way to Stripe, and what became of it there.
CREATE TABLE agentic_imports (
  id TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  livemode INTEGER NOT NULL CHECK (livemode IN (0, 1)),
  account TEXT NOT NULL,
  api TEXT NOT NULL CHECK (api IN ('v2', 'import_sets')),
  feed_type TEXT NOT NULL CHECK (feed_type IN ('product', 'inventory', 'pricing', 'promotion')),
  mode TEXT NOT NULL CHECK (mode IN ('upsert', 'replace')),
  -- catalogue: made of the shop's. file: passed on as it comes. upload: the shop sends it to Stripe. stock: what has changed, by the sweep.
  origin TEXT NOT NULL CHECK (origin IN ('catalogue', 'file', 'upload', 'stock')),
  -- What becomes of bad rows: left out, or nothing is sent. pass: they are not looked at.
  on_error TEXT NOT NULL CHECK (on_error IN ('skip', 'fail', 'pass')),
  -- Stripe's words.
  status TEXT NOT NULL CHECK (status IN ('awaiting_upload', 'processing', 'succeeded', 'succeeded_with_errors', 'failed')),
  -- The import, or the import set; and the file of one.
  stripe_id TEXT,
  stripe_file TEXT,
  -- Part of the keys that Stripe knows its calls by: another one where a stored one leads no further.
  attempt INTEGER NOT NULL DEFAULT 1,
  -- Rows that were sent, rows that were left out, bytes.
  rows INTEGER,
  rejected INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER,
  -- Stripe's own figures.
  success_count INTEGER,
  error_count INTEGER,
  -- Of the file: a list of names. And its first bad rows, for whoever looks at the import.
  columns TEXT NOT NULL DEFAULT '[]',
  samples TEXT NOT NULL DEFAULT '[]',
  -- Why it failed: {code, message}.
  problem TEXT,
  -- Which catalogue it was made of, and up to which of its changes.
  generation INTEGER,
  seen INTEGER NOT NULL DEFAULT 0,
  -- Whether the rows that Stripe refused are kept here.
  errors_kept INTEGER NOT NULL DEFAULT 0 CHECK (errors_kept IN (0, 1)),
  -- Who works on it moves this ahead; past, it was left by a crash.
  locked_until INTEGER NOT NULL,
  -- Of an upload: how long the shop may begin it.
  expires_at INTEGER,
  -- When Stripe is asked next.
  check_at INTEGER,
  checks INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL,
  -- When Stripe had all of it.
  uploaded_at INTEGER,
  finished INTEGER
) STRICT;
CREATE UNIQUE INDEX agentic_imports_one_running ON agentic_imports (shop_id, livemode, feed_type) WHERE status IN ('awaiting_upload', 'processing');
CREATE INDEX agentic_imports_by_shop ON agentic_imports (shop_id, id);
CREATE UNIQUE INDEX agentic_imports_by_stripe ON agentic_imports (stripe_id) WHERE stripe_id IS NOT NULL;
CREATE INDEX agentic_imports_due ON agentic_imports (shop_id, check_at) WHERE check_at IS NOT NULL;
CREATE INDEX agentic_imports_uploaded ON agentic_imports (shop_id, livemode, uploaded_at) WHERE feed_type = 'product' AND status <> 'failed';
CREATE INDEX agentic_imports_by_age ON agentic_imports (created);

-- Rows that were not taken, in pieces: JSON lists of [message, cell, …] under the import's columns. From 1,000,000 on Stripe's.
CREATE TABLE agentic_import_errors (
  import_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  rows TEXT NOT NULL,
  PRIMARY KEY (import_id, seq)
) STRICT;

-- What Stripe knows of a shop's stock: the changes (feed_changes) up to one, of a catalogue.
CREATE TABLE agentic_stock (
  shop_id TEXT NOT NULL,
  livemode INTEGER NOT NULL CHECK (livemode IN (0, 1)),
  generation INTEGER,
  seen INTEGER NOT NULL,
  -- 1: Stripe has products, so that their stock can be told.
  ready INTEGER NOT NULL DEFAULT 0 CHECK (ready IN (0, 1)),
  -- When it is looked at next; NULL: when something changes. After trouble not before wait_until.
  due_at INTEGER,
  wait_until INTEGER NOT NULL DEFAULT 0,
  tries INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (shop_id, livemode)
) STRICT;
CREATE INDEX agentic_stock_due ON agentic_stock (due_at) WHERE due_at IS NOT NULL AND ready = 1;
