//! What needs no key and changes nothing: the front page, health, the contract as OpenAPI.

use crate::config::{Config, Misconfigured};
use crate::edge::Edge;
use crate::edge::http::Reply;
use crate::page;
use serde_json::json;

/// This contract as OpenAPI 3.1; `tests/worker/openapi.test.mjs` keeps it true.
const OPENAPI: &str = include_str!("../openapi.json");

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
const FEATURES: [&str; 5] = ["connect.oauth", "checkout", "completion", "ledger", "webhooks"];

pub fn front(config: &'static Result<Config, Misconfigured>, public_url: &str, allow_local: bool) -> Reply {
    Reply::page(200, page::front(VERSION, &config.as_ref(), public_url), page::csp(allow_local))
}

pub fn openapi() -> Reply {
    Reply::rendered(200, OPENAPI.to_owned()).with("X-Contract-Version", "1")
}

pub async fn health(edge: &Edge) -> Reply {
    let alive = edge.db.alive().await;
    let status = if alive { "ok" } else { "database_unavailable" };
    Reply::json(if alive { 200 } else { 503 }, &json!({ "status": status, "version": VERSION, "contract": 1, "features": FEATURES }))
}

pub fn health_misconfigured(broken: &Misconfigured) -> Reply {
    let variables: Vec<_> = broken.problems.iter().map(|(name, what)| json!({ "variable": name, "problem": what })).collect();
    Reply::json(
        503,
        &json!({ "status": "misconfigured", "version": VERSION, "contract": 1, "features": FEATURES, "problems": variables }),
    )
}
