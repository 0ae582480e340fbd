//! Refusals in each version's words: the flat `Error` of the protocol.

use super::dialect::Dialect;
use super::order::Object;
use crate::error::{Kind, Problem};
use crate::record::Json;
use serde_json::Value;

/// 400: `API-Version` is absent.
pub fn missing_version() -> Problem {
    Problem::request(400, "missing_api_version", "The header API-Version is required.").with("supported_versions", versions())
}

/// 400: `API-Version` is none that we speak.
pub fn unsupported_version(sent: &str) -> Problem {
    let sent: String = sent.chars().take(40).collect();
    Problem::request(400, "unsupported_api_version", format!("API-Version '{sent}' is not supported."))
        .with("supported_versions", versions())
}

/// Oldest first.
pub(super) fn versions() -> Value {
    Dialect::VERSIONS.map(Dialect::name).json()
}

/// Status and body of the answer.
pub fn body(dialect: Dialect, problem: &Problem) -> (u16, Value) {
    let kind = match problem.kind {
        _ if problem.code == "idempotency_conflict" && dialect < Dialect::V20260417 => "request_not_idempotent",
        Kind::InvalidRequest | Kind::Authentication | Kind::Permission | Kind::RateLimit => "invalid_request",
        Kind::Upstream | Kind::NotConfigured => "service_unavailable",
        Kind::Internal => "processing_error",
    };
    let mut error = Object::default();
    error.put("type", kind).put("code", &*problem.code).put("message", &problem.message).maybe("param", problem.param.as_ref());
    if dialect >= Dialect::V20260417 {
        error.maybe("supported_versions", problem.extra.as_ref().and_then(|extra| extra.get("supported_versions")));
    }
    (problem.status, error.done())
}
