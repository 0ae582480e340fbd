//! What makes a request the same one again (rfc.agentic_checkout, section 6).

use super::dialect::Dialect;
use crate::error::Problem;
use crate::record::Json;
use crate::sign::sha256_hex;
use serde_json::Value;

/// Whether a POST (and `PUT /carts/{id}`) must carry an `Idempotency-Key`.
pub fn key_required(dialect: Dialect) -> bool {
    dialect >= Dialect::V20260417
}

/// SHA-256 of a body, as lower-case hex, the same for bodies that mean the same: members in any order, `1.0` as `1`. Arrays are ordered,
/// and an absent member is not a `null`. Integers are exact up to 64 bits; larger ones are read as floats, as everywhere in JSON.
pub fn fingerprint(body: &Value) -> String {
    let mut canonical = String::new();
    write(body, &mut canonical);
    sha256_hex(canonical.as_bytes())
}

/// JSON with one form of each number.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            // serde_json keeps members sorted by name.
            out.push('{');
            for (name, value) in members {
                out.push_str(&Value::from(name.as_str()).text());
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
        // A float that is whole is written as the integer that it is; what is no float is exact as it stands.
        Value::Number(number) => match number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Whole, and below 2^64.
            Some(float) if (0.0..18_446_744_073_709_551_616.0).contains(&float) => out.push_str(&(float as u64).to_string()),
            #[allow(clippy::cast_possible_truncation)] // Whole, and within 2^63.
            Some(float) if (-9_223_372_036_854_775_808.0..0.0).contains(&float) => out.push_str(&(float as i64).to_string()),
            _ => out.push_str(&number.to_string()),
        },
        other => out.push_str(&other.text()),
    }
}

/// The same key, another body: 422, which was 409 before 2026-04-17.
pub fn conflict(dialect: Dialect) -> Problem {
    let status = if key_required(dialect) { 422 } else { 409 };
    let message = "This Idempotency-Key was used before, with another body. Take a new key for a new request.";
    Problem::request(status, "idempotency_conflict", message)
}

/// 409: the first request with this key is still under way.
pub fn in_flight(dialect: Dialect) -> Problem {
    // One word and one status in all versions; the argument keeps the four alike for who calls them.
    let _ = dialect;
    let message = "The first request with this Idempotency-Key is still being processed. Send it again after Retry-After seconds.";
    Problem::request(409, "idempotency_in_flight", message).after(2)
}

/// 400 since 2026-04-17.
pub fn key_missing() -> Problem {
    Problem::request(400, "idempotency_key_required", "This request needs an Idempotency-Key header.")
}

/// 400: empty, too long, or not printable.
pub fn key_invalid() -> Problem {
    Problem::request(400, "idempotency_key_invalid", "An Idempotency-Key has 1 to 255 printable ASCII characters.")
}
