//! What makes a request the same one again (rfc.agentic_checkout, section 6).

use super::dialect::Dialect;
use crate::error::Problem;
use crate::sign::sha256_hex;
use serde_json::Value;

/// Whether a POST (and `PUT /carts/{id}`) must carry an `Idempotency-Key`.
pub fn key_required(dialect: Dialect) -> bool {
    dialect >= Dialect::V20260417
}

/// SHA-256 of a body, as lower-case hex, the same for bodies that mean the same: members in any order, `1.0` as `1`; arrays are ordered, and
/// an absent member is not a `null`.
pub fn fingerprint(body: &Value) -> String {
    let mut canonical = String::new();
    write(body, &mut canonical);
    sha256_hex(canonical.as_bytes())
}

/// JSON with sorted members and one form of each number.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (name, value) in sorted {
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                write(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for element in elements {
                write(element, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Number(number) => match number.as_f64() {
            // Beyond 2^53 a float is no longer one integer: integers are written as they are.
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0 => {
                out.push_str(&format!("{float:.0}").replace("-0", "0"));
            }
            _ => out.push_str(&number.to_string()),
        },
        other => out.push_str(&other.to_string()),
    }
}

/// The same key, another body: 422, which was 409 before 2026-04-17.
pub fn conflict(dialect: Dialect) -> Problem {
    let status = if key_required(dialect) { 422 } else { 409 };
    Problem::request(status, "idempotency_conflict", "This Idempotency-Key was used with another body. Take a new key for a new request.")
}

/// The first request with this key is still under way.
pub fn in_flight(_dialect: Dialect) -> Problem {
    Problem::request(409, "idempotency_in_flight", "The first request with this Idempotency-Key is still under way. Send it again later.")
        .after(2)
}

pub fn key_missing() -> Problem {
    Problem::request(400, "idempotency_key_required", "This request needs an Idempotency-Key.")
}

pub fn key_invalid() -> Problem {
    Problem::request(400, "idempotency_key_invalid", "An Idempotency-Key has 1 to 255 printable characters.")
}
