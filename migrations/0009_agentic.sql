-- Stripe's agentic commerce. What each value is protected by is told in src/store/mod.rs.

-- The agentic side of a shop in one of Stripe's modes. It counts while the shop has an active connection to this account; of the shops
-- that share an account and a mode one has it.
CREATE TABLE agentic (
  shop_id TEXT NOT NULL,
  livemode INTEGER NOT NULL CHECK (livemode IN (0, 1)),
  account TEXT NOT NULL,
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  -- What PUT /v1/agentic/rules said, as src/agentic/rules.rs writes it.
  rules TEXT NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (shop_id, livemode)
) STRICT;
CREATE INDEX agentic_by_account ON agentic (account, livemode);

-- What was answered to Stripe's hooks. The same hook gets the same answer, and a session that was approved is an order to be.
CREATE TABLE agentic_hooks (
  id TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  livemode INTEGER NOT NULL,
  type TEXT NOT NULL,
  -- cs_…, where Stripe told it.
  checkout_session TEXT,
  -- 1: an order approval that was approved.
  approved INTEGER NOT NULL DEFAULT 0 CHECK (approved IN (0, 1)),
  -- Of the question: the same id with another question is another one.
  fingerprint TEXT NOT NULL,
  answer TEXT NOT NULL,
  created INTEGER NOT NULL
) STRICT;
CREATE INDEX agentic_hooks_approved ON agentic_hooks (checkout_session) WHERE approved = 1;
CREATE INDEX agentic_hooks_by_shop ON agentic_hooks (shop_id, created);
CREATE INDEX agentic_hooks_by_age ON agentic_hooks (created);

-- What the platform takes of products by their feed category ({"Apparel > Shoes": {"bps": 500, "fixed": {"usd": 30}}}).
ALTER TABLE shops ADD COLUMN category_fees TEXT;
