//! What needs no key and changes nothing: the front page, health, the contract as OpenAPI.

use crate::config::{Config, Misconfigured};
use crate::edge::Edge;
use crate::edge::http::Reply;
use crate::error::{Kind, Problem};
use crate::page;

/// This contract as OpenAPI 3.1; `tests/worker/openapi.test.mjs` keeps it true.
/// Packed by build.rs.
const OPENAPI: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.zlib"));

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
const FEATURES: [&str; 15] = [
    "connect.oauth",
    "connect.onboarding",
    "checkout",
    "completion",
    "ledger",
    "refunds",
    "capture",
    "webhooks",
    "notices",
    "catalogue",
    "acp",
    "acp.mcp",
    "acp.feed",
    "orders",
    "agentic",
];

pub fn front(config: &'static Result<Config, Misconfigured>, public_url: &str, allow_local: bool) -> Reply {
    Reply::page(200, page::front(VERSION, &config.as_ref(), public_url), page::csp(allow_local))
}

pub fn openapi() -> Result<Reply, Problem> {
    Ok(Reply::unpacked(200, OPENAPI)?.with("X-Contract-Version", "1"))
}

pub fn health(edge: &Edge) -> Reply {
    let mut alive = true;
    for place in edge.everywhere() {
        alive = alive && place.db.alive();
    }
    let status = if alive { "ok" } else { "database_unavailable" };
    Reply::json(if alive { 200 } else { 503 }, &object! { "status": status, "version": VERSION, "contract": 1, "features": FEATURES })
}

pub fn health_misconfigured(broken: &Misconfigured) -> Reply {
    let variables: Vec<_> = broken.problems.iter().map(|(name, what)| object! { "variable": name, "problem": what }).collect();
    Reply::json(503, &object! { "status": "misconfigured", "version": VERSION, "contract": 1, "features": FEATURES, "problems": variables })
}

/// Trouble, told to the merchant or the buyer who looks at it.
pub fn sorry(problem: &Problem, request_id: &str) -> Reply {
    let what_happened = match problem.kind {
        Kind::NotConfigured => "This service is not set up completely, so it could not do what you asked for.",
        Kind::RateLimit => "Too many requests came from your network within one minute.",
        Kind::Upstream if problem.code == "shop_moving" => "The shop is being moved to another database.",
        Kind::Upstream => "Stripe does not answer at the moment.",
        _ => "Something went wrong on our side.",
    };
    let html = page::problem(&page::ErrorPage {
        title: "That did not work just now",
        what_happened,
        what_next: "Wait a moment and load this page again: nothing is done twice. If you have paid, your payment is not lost; the shop is told by itself.",
        reference: Some(request_id),
    });
    let mut reply = Reply::page(problem.status, html, page::csp(false));
    if let Some(seconds) = problem.retry_after {
        reply = reply.with("Retry-After", seconds.to_string());
    }
    reply
}
