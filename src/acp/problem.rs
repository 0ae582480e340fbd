//! Refusals in each version's words: the flat `Error` of the protocol.

use super::dialect::Dialect;
use super::object::present;
use crate::error::Problem;
use crate::record::Json;
use serde_json::Value;

/// 400: `API-Version` is absent.
pub fn missing_version() -> Problem {
    let message = format!("The header API-Version is missing. Supported: {}.", Dialect::VERSIONS.map(Dialect::name).join(", "));
    Problem::request(400, "missing_api_version", message).with("supported_versions", versions())
}

/// 400: `API-Version` is none that we speak.
pub fn unsupported_version(sent: &str) -> Problem {
    let sent: String = sent.chars().filter(|c| !c.is_control()).take(40).collect();
    let message = format!("API-Version '{sent}' is not supported. Supported: {}.", Dialect::VERSIONS.map(Dialect::name).join(", "));
    Problem::request(400, "unsupported_api_version", message).with("supported_versions", versions())
}

/// Oldest first.
pub(super) fn versions() -> Value {
    Dialect::VERSIONS.map(Dialect::name).json()
}

/// Status and body of the answer. Whatever went wrong in the Worker can be said: status, code and message stay, the type is what the
/// status says, and of a path only what the version has words for.
pub fn body(dialect: Dialect, problem: &Problem) -> (u16, Value) {
    let kind = match problem.status {
        _ if problem.code == "idempotency_conflict" && dialect < Dialect::V20260417 => "request_not_idempotent",
        503 => "service_unavailable",
        500.. => "processing_error",
        _ => "invalid_request",
    };
    let supported = problem.extra.as_ref().and_then(|extra| extra.get("supported_versions")).filter(|_| dialect >= Dialect::V20260417);
    let param = problem.param.as_deref().and_then(|param| path(dialect, param, true));
    let error =
        present! { "type": kind, "code": problem.code, "message": problem.message, "param": param, "supported_versions": supported };
    (problem.status, error)
}

/// A path into the newest version's checkout, in the words of another: of a session, or of a request. `None` where it has none for it.
pub(super) fn path(dialect: Dialect, path: &str, request: bool) -> Option<String> {
    if !path.starts_with('$') {
        return None;
    }
    if dialect >= Dialect::V20260130 {
        return Some(path.to_owned());
    }
    /// What comes after a member's name, where the path goes through it.
    fn after<'a>(path: &'a str, member: &str) -> Option<&'a str> {
        path.strip_prefix(member).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
    if let Some(rest) = after(path, "$.line_items") {
        // Quantities are the items' there; in a request the lines are the items.
        return Some(match (request, rest.strip_suffix(".quantity")) {
            (true, _) => format!("$.items{}", rest.replace(".item.", ".")),
            (false, Some(line)) if !line.ends_with(".item") => format!("$.line_items{line}.item.quantity"),
            (false, _) => path.to_owned(),
        });
    }
    if ["$.discounts", "$.capabilities", "$.fulfillment_groups", "$.order_notes"].iter().any(|member| after(path, member).is_some()) {
        return None;
    }
    if after(path, "$.payment_data.instrument").is_some() {
        return Some("$.payment_data.token".to_owned());
    }
    if dialect >= Dialect::V20251212 {
        return Some(path.to_owned());
    }
    if after(path, "$.authentication_result").is_some() {
        return None;
    }
    if let Some(rest) = after(path, "$.fulfillment_details.address") {
        return Some(format!("$.fulfillment_address{rest}"));
    }
    match after(path, "$.fulfillment_details") {
        Some("") => return Some("$.fulfillment_address".to_owned()),
        Some(_) => return None,
        None => {}
    }
    if after(path, "$.selected_fulfillment_options").is_some() {
        return Some("$.fulfillment_option_id".to_owned());
    }
    Some(path.to_owned())
}
