//! The operator's log: one JSON object a line. No personal data and no secret is ever given to it.

use crate::error::{Kind, Problem};
use crate::record::Json;
use serde_json::Value;

pub fn line(entry: Value) {
    worker::web_sys::console::log_1(&entry.text().into());
}

/// Faults are reported with their cause; refusals are in the request's own line already.
pub fn problem(problem: &Problem, request_id: &str) {
    if problem.kind == Kind::Internal || problem.cause.is_some() {
        let level = if problem.kind == Kind::Internal { "error" } else { "warn" };
        line(object! { "level": level, "event": "problem", "request_id": request_id, "code": problem.code, "why": problem.cause });
    }
}

/// Whether a caller's id of a request is one that a log can hold.
pub fn fits(id: &str) -> bool {
    (8..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
