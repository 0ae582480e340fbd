//! Webhook events, after their signature was found good.

use crate::error::{Problem, Result};
use crate::id;
use crate::record::{Member, Record};
use serde_json::Value;

record! {
    /// An event. `data.object` stays as it came: what it is depends on the type, and most events are not for us.
    #[derive(Debug)]
    pub struct Event {
        pub id: String,
        pub kind: String = "type",
        /// The connected account; none on the platform's own endpoint.
        pub account: Option<String>,
        /// Unix seconds; 0 where an event says it otherwise (thin events print a date).
        pub created: Seconds = lenient,
        /// Required: a guess would mix test and live.
        pub livemode: bool,
        /// Empty in thin events.
        pub data: Data = lenient,
        /// `event`, or `v2.core.event` for a thin one.
        pub object: String = lenient,
    }
}

record! {
    #[derive(Debug)]
    pub struct Data {
        pub object: Value,
    }
}

impl Data {
    /// The object as what the type says it is; `None` when it has another shape.
    pub fn read_object<T: Record>(&self) -> Option<T> {
        T::from_value(self.object.clone()).ok()
    }
}

/// Unix seconds, or 0 where a date is printed instead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seconds(pub i64);

impl Member for Seconds {
    fn read(value: Option<Value>) -> Option<Self> {
        Some(Seconds(value?.as_i64().unwrap_or(0)))
    }
}

/// Reads the body of a webhook; 400 when it is no event.
pub fn read(body: &[u8]) -> Result<Event> {
    let event = Event::from_json(body)
        .map_err(|why| Problem::request(400, "json_invalid", "The body is not an event of Stripe's.").because(why))?;
    // The id becomes a key of ours.
    if !id::is_prefixed(&event.id, "evt_") {
        return Err(Problem::shape("parameter_invalid", "id", "An event's id begins with evt_."));
    }
    if event.kind.is_empty() || event.kind.len() > 200 {
        return Err(Problem::shape("parameter_invalid", "type", "An event's type has 1 to 200 characters."));
    }
    Ok(event)
}
