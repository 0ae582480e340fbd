-- The whole schema of the main job. What each value is protected by, and how long it lives, is told in src/store/mod.rs.
-- STRICT tables with INTEGER columns: D1 hands every number over as a float, and only these turn 5.0 back into 5.

CREATE TABLE shops (
  id TEXT PRIMARY KEY,
  site_url TEXT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'active', 'suspended', 'superseded', 'deleted')),
  checkout_enabled INTEGER NOT NULL DEFAULT 1 CHECK (checkout_enabled IN (0, 1)),
  challenge TEXT NOT NULL,
  challenge_url TEXT NOT NULL,
  webhook_url TEXT,
  allowed_origins TEXT NOT NULL DEFAULT '[]',
  create_session_endpoint TEXT,
  default_success_url TEXT,
  default_cancel_url TEXT,
  automatic_tax INTEGER NOT NULL DEFAULT 0 CHECK (automatic_tax IN (0, 1)),
  fee_bps INTEGER,
  fee_fixed TEXT,
  signing_secret TEXT NOT NULL,
  previous_signing_secret TEXT,
  previous_signing_secret_expires_at INTEGER,
  created INTEGER NOT NULL,
  verified_at INTEGER
) STRICT;
-- A shop is its site_url: the database itself refuses a second active one.
CREATE UNIQUE INDEX shops_one_active_per_site ON shops (site_url) WHERE status IN ('active', 'suspended');
CREATE INDEX shops_by_status ON shops (status, id);
-- What is sealed begins with the key's id, so that what an old key sealed is a range.
CREATE INDEX shops_by_seal ON shops (signing_secret);
CREATE INDEX shops_by_previous_seal ON shops (previous_signing_secret) WHERE previous_signing_secret IS NOT NULL;
CREATE INDEX shops_pending ON shops (created) WHERE status = 'pending';

CREATE TABLE api_keys (
  hash TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires_at INTEGER
) STRICT;
CREATE INDEX api_keys_by_shop ON api_keys (shop_id);
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE connect_tickets (
  hash TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  livemode INTEGER NOT NULL,
  return_url TEXT NOT NULL,
  replace_existing INTEGER NOT NULL,
  verifier_challenge TEXT NOT NULL,
  prefill TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT;
CREATE INDEX connect_tickets_by_expiry ON connect_tickets (expires_at);

CREATE TABLE connect_states (
  hash TEXT PRIMARY KEY,
  ticket TEXT NOT NULL,
  browser_hash TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT;
CREATE INDEX connect_states_by_expiry ON connect_states (expires_at);

CREATE TABLE connect_claims (
  hash TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  livemode INTEGER NOT NULL,
  account TEXT NOT NULL,
  scope TEXT NOT NULL,
  verifier_challenge TEXT NOT NULL,
  replace_existing INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('waiting', 'confirmed', 'dead')),
  connection_id TEXT NOT NULL,
  sealed_token TEXT,
  created INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX connect_claims_by_expiry ON connect_claims (status, expires_at);
CREATE INDEX connect_claims_by_account ON connect_claims (account, livemode) WHERE status = 'waiting';
CREATE INDEX connect_claims_by_seal ON connect_claims (sealed_token) WHERE sealed_token IS NOT NULL;
CREATE INDEX connect_claims_tokens_waiting ON connect_claims (created) WHERE status = 'confirmed' AND sealed_token IS NOT NULL;

CREATE TABLE connections (
  id TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  livemode INTEGER NOT NULL,
  account TEXT NOT NULL,
  scope TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'gone')),
  gone_reason TEXT,
  gone_at INTEGER,
  platform TEXT,
  -- The id of the key that sealed the token in KV; NULL where KV has none.
  token_seal TEXT,
  charges_enabled INTEGER,
  details_submitted INTEGER,
  checked_at INTEGER,
  connected_at INTEGER NOT NULL,
  -- Since when it is being disconnected: no session is handed out on it for the minute that this takes.
  closing_at INTEGER
) STRICT;
CREATE UNIQUE INDEX connections_one_active ON connections (shop_id, livemode) WHERE status = 'active';
CREATE INDEX connections_by_shop ON connections (shop_id, livemode, connected_at);
CREATE INDEX connections_by_status ON connections (status, livemode);
CREATE INDEX connections_by_seal ON connections (token_seal) WHERE token_seal IS NOT NULL;
-- Tokens that opened nothing any more and are still in KV.
CREATE INDEX connections_stale_token ON connections (id) WHERE status = 'gone' AND token_seal IS NOT NULL;
CREATE INDEX connections_by_account ON connections (account, livemode);

-- Accounts that may have to be given back to their owner at Stripe.
CREATE TABLE deauthorizations (
  account TEXT NOT NULL,
  livemode INTEGER NOT NULL,
  reason TEXT NOT NULL,
  due_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, livemode)
) STRICT;
CREATE INDEX deauthorizations_due ON deauthorizations (due_at);

CREATE TABLE transactions (
  id TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  livemode INTEGER NOT NULL,
  account TEXT NOT NULL,
  charge_type TEXT NOT NULL CHECK (charge_type IN ('direct', 'destination')),
  status TEXT NOT NULL CHECK (status IN ('open', 'processing', 'authorized', 'paid', 'partially_refunded',
                                         'refunded', 'disputed', 'failed', 'expired', 'canceled')),
  source TEXT NOT NULL CHECK (source IN ('chat', 'agent', 'site')),
  agent TEXT,
  currency TEXT NOT NULL,
  -- What was agreed when the row was written; `amount` may grow by a chosen shipping rate or Stripe's tax.
  amount_expected INTEGER NOT NULL,
  total_rule TEXT NOT NULL CHECK (total_rule IN ('exact', 'open')),
  shipping_choices TEXT NOT NULL DEFAULT '[]',
  automatic_tax INTEGER NOT NULL DEFAULT 0,
  amount INTEGER NOT NULL,
  amount_subtotal INTEGER NOT NULL,
  amount_tax INTEGER NOT NULL DEFAULT 0,
  amount_shipping INTEGER NOT NULL DEFAULT 0,
  amount_capturable INTEGER NOT NULL DEFAULT 0,
  amount_captured INTEGER NOT NULL DEFAULT 0,
  amount_refunded INTEGER NOT NULL DEFAULT 0,
  application_fee_amount INTEGER NOT NULL DEFAULT 0,
  -- What of the fee was given back with refunds.
  application_fee_refunded INTEGER NOT NULL DEFAULT 0,
  capture TEXT NOT NULL CHECK (capture IN ('automatic', 'manual')),
  capture_before INTEGER,
  cart_id TEXT,
  order_id TEXT,
  order_key TEXT,
  success_url TEXT,
  cancel_url TEXT,
  checkout_session TEXT,
  session_url TEXT,
  expires_at INTEGER,
  payment_intent TEXT,
  line_items TEXT NOT NULL,
  extras TEXT NOT NULL,
  discounts TEXT NOT NULL,
  metadata TEXT NOT NULL,
  customer TEXT,
  shipping_details TEXT,
  billing_details TEXT,
  -- Every refund that is known or being asked for, and every dispute (src/refund.rs, src/dispute.rs): what follows from them (status,
  -- amount_refunded, …) is decided from the whole and written in one statement that wants them unchanged.
  refunds TEXT NOT NULL DEFAULT '[]',
  dispute TEXT,
  events TEXT NOT NULL DEFAULT '[]',
  -- The exact form and key of the request to Stripe, kept until its answer is recorded.
  stripe_form TEXT,
  stripe_key TEXT NOT NULL,
  attempt_until INTEGER NOT NULL,
  created INTEGER NOT NULL,
  paid_at INTEGER,
  -- When the sweep has to ask Stripe about this row; NULL once nothing can change by itself.
  check_at INTEGER,
  checks INTEGER NOT NULL DEFAULT 0
) STRICT;
-- ids begin with their time, so (shop, filter, id) is (shop, filter, time): a page costs the same at any depth.
CREATE INDEX transactions_by_shop ON transactions (shop_id, id);
CREATE INDEX transactions_by_source ON transactions (shop_id, source, id);
CREATE INDEX transactions_by_agent ON transactions (shop_id, agent, id) WHERE agent IS NOT NULL;
CREATE INDEX transactions_by_status ON transactions (shop_id, status, id);
CREATE INDEX transactions_by_mode ON transactions (shop_id, livemode, id);
CREATE INDEX transactions_by_order ON transactions (shop_id, order_id, id) WHERE order_id IS NOT NULL;
CREATE UNIQUE INDEX transactions_by_session ON transactions (checkout_session) WHERE checkout_session IS NOT NULL;
CREATE INDEX transactions_by_payment_intent ON transactions (payment_intent) WHERE payment_intent IS NOT NULL;
-- For the operator's figures: what may still change, without a look at the ledger.
CREATE INDEX transactions_unsettled ON transactions (status, livemode, expires_at)
  WHERE status IN ('open', 'processing', 'authorized');
CREATE INDEX transactions_to_check ON transactions (check_at) WHERE check_at IS NOT NULL;
-- By shop first: the sweep steps from shop to shop, past 100,000 due rows of one of them.
CREATE INDEX transactions_to_check_by_shop ON transactions (shop_id, check_at) WHERE check_at IS NOT NULL;
-- Before an account is given back at Stripe, what is open on it is ended, and what is under way waited for.
CREATE INDEX transactions_open_by_account ON transactions (account, livemode, status) WHERE status IN ('open', 'processing');
-- Two requests for one order at the same moment cannot both open a session that a buyer could pay.
CREATE UNIQUE INDEX transactions_one_open_per_order ON transactions (shop_id, livemode, order_id)
  WHERE status = 'open' AND order_id IS NOT NULL;

CREATE TABLE idempotency (
  shop_id TEXT NOT NULL,
  path TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  -- What the attempt makes: a transaction, a refund, a capture.
  subject TEXT NOT NULL,
  -- The exact form that goes to Stripe, where the subject's own row does not keep it.
  form TEXT,
  lock TEXT NOT NULL,
  locked_until INTEGER NOT NULL,
  status INTEGER,
  body TEXT,
  created INTEGER NOT NULL,
  PRIMARY KEY (shop_id, path, key)
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created);

CREATE TABLE stripe_events (
  id TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  account TEXT,
  livemode INTEGER NOT NULL,
  transaction_id TEXT,
  created INTEGER NOT NULL,
  received INTEGER NOT NULL
) STRICT;
CREATE INDEX stripe_events_by_age ON stripe_events (received);

-- Events and Sessions that name one of our transactions and are not what was created.
CREATE TABLE strays (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('event', 'session')),
  object_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  account TEXT,
  livemode INTEGER NOT NULL,
  reason TEXT NOT NULL,
  created INTEGER NOT NULL
) STRICT;
CREATE INDEX strays_by_transaction ON strays (transaction_id);
