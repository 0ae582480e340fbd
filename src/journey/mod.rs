//! One file a story, each to be read from top to bottom: receive → load → decide → call Stripe → record → reply.

pub mod access;
pub mod checkout;
pub mod complete;
pub mod connect;
pub mod event;
pub mod ledger;
pub mod settle;
pub mod shops;
pub mod sweep;
pub mod welcome;
