//! One file a story, each to be read from top to bottom: receive → load → decide → call Stripe → record → reply.

pub mod access;
pub mod acp;
pub mod admin;
pub mod aftermath;
pub mod agents;
pub mod attempt;
pub mod capture;
pub mod catalogue;
pub mod checkout;
pub mod complete;
pub mod connect;
pub mod download;
pub mod erase;
pub mod event;
pub mod export;
pub mod fulfillment;
pub mod ledger;
pub mod lists;
pub mod notify;
pub mod refund;
pub mod reseal;
pub mod settle;
pub mod shops;
pub mod sweep;
pub mod upload;
pub mod welcome;
