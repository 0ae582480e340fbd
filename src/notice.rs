//! A notice to a shop, or an event to an agent: what it says, when it is tried again, how it looks from outside (contract, *To the shop*,
//! *ACP*).

use crate::acp::dialect::Dialect;
use crate::ledger::stored;
use serde_json::Value;

/// Pauses between attempts, seconds: 1, 5, 30 minutes, 2 hours, then growing, so that the tenth and last lies 3 days behind the first.
const PAUSES: [i64; 9] = [60, 300, 1800, 7200, 5 * 3600, 10 * 3600, 14 * 3600, 18 * 3600, 80_640];

/// Where a notice stands: `kept` is one that had no address to go to, or that a newer one made needless; `dead` one that was given up.
pub const STATUSES: [&str; 4] = ["due", "delivered", "dead", "kept"];

record! {
    /// A notice as D1 has it. Times are Unix seconds.
    #[derive(Debug)]
    pub struct NoticeRow {
        pub id: String,
        pub shop_id: String,
        /// Whom it is for, where it is not the shop, and in which version's words.
        pub agent_id: Option<String>,
        pub dialect: Option<String>,
        pub kind: String = "type",
        /// What a notice is about; of an agent's event the whole body.
        pub object: String,
        pub transaction_id: Option<String>,
        pub created: i64,
        pub status: String,
        pub due_at: Option<i64>,
        pub delivered_at: Option<i64>,
        pub attempts: i64,
        pub attempt_log: String,
    }
}

impl NoticeRow {
    /// What is sent. The same bytes with every attempt: the parts do not change, and only the object is not of our own alphabet.
    pub fn body(&self) -> String {
        if self.agent_id.is_some() {
            return self.object.clone();
        }
        format!(r#"{{"id":"{}","type":"{}","created":{},"data":{{"object":{}}}}}"#, self.id, self.kind, self.created, self.object)
    }

    /// Of an agent's event: how it is signed.
    pub fn dialect(&self) -> Option<Dialect> {
        Dialect::stored(self.dialect.as_deref()?)
    }

    /// The `event` object of the API.
    pub fn event(&self) -> Value {
        let mut object = stored(&self.object);
        if self.agent_id.is_some() {
            object = object.get_mut("data").map(Value::take).unwrap_or_default();
        }
        object! { "object": "event",
        "id": self.id,
        "type": self.kind,
        "agent": self.agent_id,
        "created": self.created,
        "data": object! { "object": object },
        "status": self.status,
        "delivered_at": self.delivered_at,
        "next_attempt_at": self.due_at,
        "attempts": stored(&self.attempt_log) }
    }
}

/// When a notice is due again after its attempt number `attempts` failed; `None`: it is given up.
pub fn next_attempt(attempts: i64, now: i64) -> Option<i64> {
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(0);
    PAUSES.get(index).map(|pause| now.saturating_add(*pause))
}
