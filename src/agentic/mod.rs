//! Stripe's agentic commerce, as values: what a catalogue must be like for Stripe, what its hooks ask and are answered, what an agent's
//! order is made of. Nothing here sends anything.

pub mod agreement;
pub mod columns;
pub mod hook;
pub mod order;
pub mod rules;
