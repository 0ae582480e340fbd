//! What a shop sells to agents at Stripe, and when it does not (`PUT /v1/agentic/rules`).
