//! Agreements with agents: which way they go, and which news of them a shop is told.
//!
//! The merchant switches an agent on (`initiated`), one side confirms (`partially_confirmed`), then the other (`confirmed`), and either
//! side may end it (`terminated`). Events and answers come in any order, so the status that we keep only goes this way.

use crate::route;
use serde_json::Value;

/// Statuses, in the order in which an agreement goes through them.
const STATUSES: [&str; 4] = ["initiated", "partially_confirmed", "confirmed", "terminated"];

/// How far an agreement is. One that Stripe invents later counts as the beginning: it moves nothing back.
pub fn rank(status: &str) -> i64 {
    STATUSES.iter().position(|known| *known == status).and_then(|place| i64::try_from(place).ok()).unwrap_or(0)
}

/// What a thin event of this type tells: the shop's notice, and how far the agreement has to be for it.
pub fn news(kind: &str) -> Option<(&'static str, i64)> {
    Some(match kind.strip_prefix(crate::stripe::event::AGREEMENT)? {
        "created" => ("agreement.created", 0),
        "partially_confirmed" => ("agreement.partially_confirmed", 1),
        "confirmed" => ("agreement.confirmed", 2),
        "terminated" => ("agreement.terminated", 3),
        _ => return None,
    })
}

/// An agreement as Stripe sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    pub id: String,
    pub rank: i64,
    pub livemode: bool,
    pub created: String,
    /// As it came.
    pub object: Value,
}

impl Agreement {
    /// `None` when it is none.
    pub fn read(object: Value) -> Option<Agreement> {
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let id = text("id").filter(|id| route::is_plain(id))?.to_owned();
        let (status, created) = (text("status")?, text("created").unwrap_or_default().to_owned());
        let livemode = object.get("livemode").and_then(Value::as_bool)?;
        Some(Agreement { rank: rank(status), id, livemode, created, object })
    }

    /// Whether what `act` asks for is so already: a lost answer is asked for again, and Stripe refuses the second time.
    pub fn is_done(&self, act: Act) -> bool {
        match act {
            Act::Confirm => {
                self.rank < rank("terminated")
                    && self.object.pointer("/status_transitions/seller_confirmed_at").is_some_and(|at| !at.is_null())
            }
            Act::Terminate => self.rank == rank("terminated"),
        }
    }
}

/// What a seller does to an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Confirm,
    Terminate,
}

impl Act {
    /// Its word in the path.
    pub fn name(self) -> &'static str {
        match self {
            Act::Confirm => "confirm",
            Act::Terminate => "terminate",
        }
    }
}
