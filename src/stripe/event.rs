//! Webhook events, after their signature was found good.

use super::or_default;
use crate::error::{Problem, Result};
use crate::id;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An event. `data.object` stays as it came: what it is depends on the type, and most events are not for us.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// The connected account; none on the platform's own endpoint.
    #[serde(default)]
    pub account: Option<String>,
    /// Unix seconds; 0 where an event says it otherwise (thin events print a date).
    #[serde(default, deserialize_with = "seconds_or_zero")]
    pub created: i64,
    /// Required: a guess would mix test and live.
    pub livemode: bool,
    /// Empty in thin events.
    #[serde(default, deserialize_with = "or_default")]
    pub data: Data,
    /// `event`, or `v2.core.event` for a thin one.
    #[serde(default, deserialize_with = "or_default")]
    pub object: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct Data {
    #[serde(default)]
    pub object: Value,
}

impl Data {
    /// The object as what the type says it is; `None` when it has another shape.
    pub fn read_object<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(&self.object).ok()
    }
}

fn seconds_or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<i64, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_i64().unwrap_or(0))
}

/// Reads the body of a webhook; 400 when it is no event.
pub fn read(body: &[u8]) -> Result<Event> {
    let event: Event = serde_json::from_slice(body).map_err(|error| {
        // Not the parser's whole message: it may quote a buyer's data into the log.
        Problem::request(400, "json_invalid", "The body is not an event of Stripe's.").because(format!(
            "line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    // The id becomes a key of ours.
    if !id::is_prefixed(&event.id, "evt_") {
        return Err(Problem::shape("parameter_invalid", "id", "An event's id begins with evt_."));
    }
    if event.kind.is_empty() || event.kind.len() > 200 {
        return Err(Problem::shape("parameter_invalid", "type", "An event's type has 1 to 200 characters."));
    }
    Ok(event)
}
