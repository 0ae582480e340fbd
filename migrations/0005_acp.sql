-- Agents, their checkouts and orders (Agentic Commerce Protocol). What each value is protected by is told in src/store/mod.rs.

CREATE TABLE agents (
  id TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  name TEXT NOT NULL,
  livemode INTEGER NOT NULL CHECK (livemode IN (0, 1)),
  -- ["acp","mcp"]: what its key opens.
  allow TEXT NOT NULL,
  webhook_url TEXT,
  signing_secret TEXT NOT NULL,
  previous_signing_secret TEXT,
  previous_signing_secret_expires_at INTEGER,
  feed_url TEXT,
  -- Sealed.
  feed_key TEXT,
  -- Where the push of the catalogue to the agent's feed stands (JSON); NULL where there is none.
  feed_state TEXT,
  feed_due_at INTEGER,
  created INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT;
CREATE INDEX agents_by_shop ON agents (shop_id, id);
-- Those that there are: a shop may make and delete as many as it likes.
CREATE INDEX agents_live ON agents (shop_id, id) WHERE deleted_at IS NULL;
CREATE INDEX agents_by_seal ON agents (signing_secret);
CREATE INDEX agents_by_previous_seal ON agents (previous_signing_secret) WHERE previous_signing_secret IS NOT NULL;
CREATE INDEX agents_by_feed_seal ON agents (feed_key) WHERE feed_key IS NOT NULL;
CREATE INDEX agents_feed_due ON agents (feed_due_at) WHERE feed_due_at IS NOT NULL;

CREATE TABLE agent_keys (
  hash TEXT PRIMARY KEY,
  agent_id TEXT NOT NULL,
  shop_id TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires_at INTEGER
) STRICT;
CREATE INDEX agent_keys_by_agent ON agent_keys (agent_id);
CREATE INDEX agent_keys_by_shop ON agent_keys (shop_id);
CREATE INDEX agent_keys_by_expiry ON agent_keys (expires_at) WHERE expires_at IS NOT NULL;

-- Checkout sessions and carts of agents. `state` is the whole document (src/acp/session.rs); the columns beside it are what
-- statements decide by.
CREATE TABLE acp_sessions (
  id TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  livemode INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('session', 'cart')),
  status TEXT NOT NULL,
  state TEXT NOT NULL,
  -- What is kept and never shown to an agent: attribution, intent trace, risk signals (JSON).
  private TEXT NOT NULL DEFAULT '{}',
  -- Counts the changes: a change wants the number that it read, so that of two at once one is told to read again.
  version INTEGER NOT NULL DEFAULT 1,
  transaction_id TEXT,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX acp_sessions_by_shop ON acp_sessions (shop_id, id);
CREATE INDEX acp_sessions_open ON acp_sessions (expires_at) WHERE status NOT IN ('completed', 'canceled', 'expired');
CREATE INDEX acp_sessions_by_age ON acp_sessions (updated) WHERE status IN ('canceled', 'expired');

-- What was sold to agents, as the shop fulfils it.
CREATE TABLE orders (
  id TEXT PRIMARY KEY,
  shop_id TEXT NOT NULL,
  agent_id TEXT,
  -- The agent's name, as the ledger has it.
  agent TEXT,
  livemode INTEGER NOT NULL,
  -- Where it was made: acp, or stripe (an agent's order at Stripe).
  origin TEXT NOT NULL CHECK (origin IN ('acp', 'stripe')),
  -- The version in which the agent completed it: its events are told in that one. NULL where no agent of ours is told.
  dialect TEXT,
  checkout_session TEXT NOT NULL,
  transaction_id TEXT NOT NULL UNIQUE,
  -- The shop's own id of it.
  order_id TEXT,
  order_number TEXT,
  permalink_url TEXT,
  status TEXT NOT NULL,
  -- JSON: the order as it was sold (src/acp/order.rs).
  body TEXT NOT NULL,
  fulfillments TEXT NOT NULL DEFAULT '[]',
  adjustments TEXT NOT NULL DEFAULT '[]',
  -- Lower case, for the buyer's page.
  buyer_email TEXT,
  version INTEGER NOT NULL DEFAULT 1,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL
) STRICT;
-- ids begin with their time, so (shop, filter, id) is (shop, filter, time): a page costs the same at any depth.
CREATE INDEX orders_by_shop ON orders (shop_id, id);
CREATE INDEX orders_by_mode ON orders (shop_id, livemode, id);
CREATE INDEX orders_by_status ON orders (shop_id, status, id);
CREATE INDEX orders_by_agent ON orders (shop_id, agent_id, id) WHERE agent_id IS NOT NULL;
CREATE INDEX orders_by_agent_name ON orders (shop_id, agent, id) WHERE agent IS NOT NULL;
CREATE INDEX orders_by_order ON orders (shop_id, order_id, id) WHERE order_id IS NOT NULL;
CREATE INDEX orders_by_session ON orders (checkout_session);

-- Which protocol a transaction was made by. 'checkout': a Checkout Session at Stripe; 'acp': a PaymentIntent of an agent's
-- checkout, whose id stands in checkout_session.
ALTER TABLE transactions ADD COLUMN protocol TEXT NOT NULL DEFAULT 'checkout';
-- Whom a notice is for, where it is not the shop.
ALTER TABLE notices ADD COLUMN agent_id TEXT;
-- In which version's words an agent is told: it decides how the event is signed.
ALTER TABLE notices ADD COLUMN dialect TEXT;
-- Events of one order go to its agent one after the other: one that waits for an earlier one is due without a time.
CREATE INDEX notices_by_agent ON notices (agent_id, transaction_id) WHERE agent_id IS NOT NULL;
-- By whom it is for first: what one agent does not take holds up neither the shop nor another agent.
DROP INDEX notices_due;
CREATE INDEX notices_due ON notices (coalesce(agent_id, shop_id), due_at) WHERE due_at IS NOT NULL;
