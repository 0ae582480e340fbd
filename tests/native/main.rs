//! Everything that decides, tested on the host in milliseconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
// Of a second parser only the WASM grows.
#![allow(clippy::disallowed_methods)]

mod acp_feed;
mod acp_price;
mod acp_read;
mod acp_write;
mod aftermath;
mod agent;
mod agentic_columns;
mod agentic_order;
mod cart;
mod catalogue;
mod config;
mod dice;
mod fulfillment;
mod fuzz;
mod histories;
mod hook;
mod known;
mod ledger;
mod limit;
mod mcp;
mod money;
mod notice;
mod onboarding;
mod order;
mod pages;
mod place;
mod route;
mod sign;
mod stripe;
mod targets;
mod weburl;
