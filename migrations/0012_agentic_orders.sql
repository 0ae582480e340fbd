-- Orders that agents make at Stripe. What each value is protected by is told in src/store/mod.rs.

-- One transaction for a payment that an agent made at Stripe, whatever events tell of it and at once.
CREATE UNIQUE INDEX transactions_one_at_stripe ON transactions (payment_intent) WHERE protocol = 'stripe' AND payment_intent IS NOT NULL;

-- A session that was approved is an order to be. When the sweep asks Stripe what became of it, should no event tell; NULL: it is known,
-- or nobody asks any more.
ALTER TABLE agentic_hooks ADD COLUMN ask_at INTEGER DEFAULT 0;
CREATE INDEX agentic_hooks_to_ask ON agentic_hooks (ask_at) WHERE approved = 1 AND ask_at IS NOT NULL AND checkout_session IS NOT NULL;

-- Whether anybody here sells to agents at all.
CREATE INDEX agentic_enabled ON agentic (livemode) WHERE enabled = 1;
