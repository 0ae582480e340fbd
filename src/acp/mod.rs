//! The Agentic Commerce Protocol (contract, *ACP*): one core, six dialects.
//!
//! The core knows no wire format: [`session`] is the document, [`ask`] what an agent wants of it, [`order`] what was sold. A [`dialect`]
//! is one version: its reader, its writer and its errors. Nothing here sends anything.

pub mod ask;
pub mod change;
pub mod dialect;
pub mod feed;
pub mod idempotency;
mod object;
pub mod order;
pub mod price;
pub mod problem;
pub mod quote;
pub mod read;
pub mod session;
pub mod time;
pub mod write;
