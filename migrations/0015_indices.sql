-- Found by tests/worker/plans.test.mjs: what the sweep and a shop that leaves had to look through whole tables for.
CREATE INDEX shops_previous_signing_secret ON shops (previous_signing_secret_expires_at) WHERE previous_signing_secret_expires_at IS NOT NULL;
CREATE INDEX connect_tickets_by_shop ON connect_tickets (shop_id);
CREATE INDEX connect_states_by_ticket ON connect_states (ticket);
CREATE INDEX connect_claims_by_shop ON connect_claims (shop_id);
