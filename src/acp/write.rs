//! Checkouts in each version's words.

use super::dialect::Dialect;
use super::order::Object;
use super::problem::versions;
use super::session::{Seller, Session};
use serde_json::Value;

/// A checkout as an answer.
pub fn session(_dialect: Dialect, session: &Session, _seller: &Seller) -> Value {
    let mut answer = Object::default();
    answer.put("id", &session.id).put("status", session.status).put("currency", &session.currency);
    answer.done()
}

/// A cart as an answer (2026-04-17).
pub fn cart(session: &Session, _seller: &Seller) -> Value {
    let mut answer = Object::default();
    answer.put("id", &session.id).put("currency", &session.currency);
    answer.done()
}

/// `/.well-known/acp.json`.
pub fn discovery(public_url: &str, documentation_url: &str) -> Value {
    object! { "protocol": object! { "name": "acp", "version": Dialect::V20260417.name(), "supported_versions": versions(),
        "documentation_url": documentation_url },
    "api_base_url": public_url, "transports": ["rest", "mcp"], "capabilities": object! { "services": ["checkout", "orders", "carts"] } }
}
