//! Stripe's agentic commerce for the shops (contract, *Stripe's agentic commerce*): their catalogues at Stripe, the hooks by which Stripe
//! asks before a sale, the agents that a merchant has switched on, and the orders that agents make there.

pub mod account;
pub mod agreements;
pub mod following;
pub mod hooks;
pub mod imports;
pub mod orders;
pub mod rules;
pub mod sending;
pub mod stock;
