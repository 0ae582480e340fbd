//! One attempt, one effect (contract, *Conventions*, "Idempotency-Key"): what the routes that need a key have in common.

use crate::edge::http::{Incoming, Reply};
use crate::error::{Problem, Result};
use crate::record::Json;
use crate::sign;
use crate::store::idempotency::AttemptRow;
use serde_json::Value;

/// A lock that a crash left is free after this many seconds.
pub const LOCK_LIFE: i64 = 60;

/// The `Idempotency-Key`: 1–255 printable characters.
pub fn key(incoming: &Incoming) -> Result<String> {
    match incoming.header("Idempotency-Key").filter(|key| !key.is_empty()) {
        None => Err(Problem::request(
            400,
            "idempotency_key_required",
            "Send an Idempotency-Key header: one fresh value for each attempt, the same one when you send it again.",
        )),
        Some(key) if (1..=255).contains(&key.len()) && key.bytes().all(|b| (0x20..=0x7e).contains(&b)) => Ok(key),
        Some(_) => Err(Problem::request(400, "idempotency_key_invalid", "Idempotency-Key must be 1 to 255 printable ASCII characters.")),
    }
}

/// What a body is recognised by. Parsed JSON has its members sorted: their order in the body does not matter.
pub fn fingerprint(body: &Value) -> String {
    sign::sha256_hex(body.text().as_bytes())
}

pub fn in_flight() -> Problem {
    Problem::request(
        409,
        "idempotency_in_flight",
        "A request with this Idempotency-Key is still running. Send the same request again in a moment.",
    )
    .after(2)
}

/// What the same key was told before: the first answer again, a conflict, or "still running".
pub fn earlier_answer(attempt: Option<&AttemptRow>, fingerprint: &str, now: i64) -> Result<Option<Reply>> {
    let Some(attempt) = attempt else { return Ok(None) };
    if !sign::equal(attempt.fingerprint.as_bytes(), fingerprint.as_bytes()) {
        return Err(Problem::request(
            422,
            "idempotency_conflict",
            "This Idempotency-Key was used with another body. A new attempt needs a new key.",
        ));
    }
    if let (Some(status), Some(body)) = (attempt.status, &attempt.body) {
        let status = u16::try_from(status).map_err(Problem::fault)?;
        return Ok(Some(Reply::rendered(status, body.clone()).with("Idempotent-Replayed", "true")));
    }
    if attempt.locked_until > now { Err(in_flight()) } else { Ok(None) }
}
