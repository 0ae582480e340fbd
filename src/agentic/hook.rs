//! The hooks: what Stripe asks, in both spellings and envelopes that are in the wild, and what it is answered.
