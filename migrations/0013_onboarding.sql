-- The second way to connect (Accounts v2), the page on which a merchant switches agents on, and the agreements that come of it. What
-- each value is protected by is told in src/store/mod.rs.

ALTER TABLE connect_tickets ADD COLUMN method TEXT NOT NULL DEFAULT 'oauth' CHECK (method IN ('oauth', 'onboarding'));
-- Of an onboarding: what is sent to make the account, byte for byte, and which attempt it is; the account, once Stripe has named it; how
-- many links to Stripe's form were made for it.
ALTER TABLE connect_tickets ADD COLUMN account_body TEXT;
ALTER TABLE connect_tickets ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE connect_tickets ADD COLUMN account TEXT;
-- The browser that pressed the button first: the account is its.
ALTER TABLE connect_tickets ADD COLUMN browser_hash TEXT;
ALTER TABLE connect_tickets ADD COLUMN links INTEGER NOT NULL DEFAULT 0;

-- How it was made: it decides what tells whether the account may take payments.
ALTER TABLE connections ADD COLUMN method TEXT NOT NULL DEFAULT 'oauth' CHECK (method IN ('oauth', 'onboarding'));

-- Accounts that this platform made: no OAuth connected them, so none ends them.
CREATE TABLE onboarded (
  account TEXT NOT NULL,
  livemode INTEGER NOT NULL CHECK (livemode IN (0, 1)),
  created INTEGER NOT NULL,
  PRIMARY KEY (account, livemode)
) STRICT;

-- Links to the page on which a merchant switches agents on.
CREATE TABLE agentic_settings (
  hash TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  livemode INTEGER NOT NULL CHECK (livemode IN (0, 1)),
  account TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  -- Opened: when, by which browser, and how many account sessions it was given since.
  used_at INTEGER,
  browser_hash TEXT,
  sessions INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX agentic_settings_by_expiry ON agentic_settings (expires_at);
CREATE INDEX agentic_settings_by_shop ON agentic_settings (shop_id);

-- Agreements with agents, as Stripe told them last.
CREATE TABLE agreements (
  shop_id TEXT NOT NULL,
  livemode INTEGER NOT NULL CHECK (livemode IN (0, 1)),
  account TEXT NOT NULL,
  id TEXT NOT NULL,
  -- Of its status: src/agentic/agreement.rs. It only grows.
  rank INTEGER NOT NULL,
  -- As Stripe writes it (RFC 3339, UTC).
  created TEXT NOT NULL,
  object TEXT NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY (shop_id, id)
) STRICT;
CREATE INDEX agreements_by_age ON agreements (shop_id, livemode, account, created, id);
