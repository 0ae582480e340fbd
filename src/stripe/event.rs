//! Webhook events, after their signature was found good.

use super::call::Call;
use super::payment_intent::Reference;
use super::{account, charge, dispute, known, payment_intent, refund, session};
use crate::acp::time;
use crate::error::{Problem, Result};
use crate::record::{self, Member, Record, Unreadable};
use crate::{id, route};
use serde_json::Value;

record! {
    /// An event. `data.object` stays as it came: what it is depends on the type, and most events are not for us.
    #[derive(Debug)]
    pub struct Event {
        pub id: String,
        pub kind: String = "type",
        /// The connected account; none on the platform's own endpoint.
        pub account: Option<String>,
        /// Unix seconds; 0 where an event does not say it.
        pub created: Seconds = lenient,
        /// Required: a guess would mix test and live.
        pub livemode: bool,
        /// Empty in thin events.
        pub data: Data = lenient,
        /// `event`, or `v2.core.event` for a thin one.
        pub object: String = lenient,
        /// Thin events: the account, and what it is about.
        pub context: Option<String>,
        pub related_object: Option<Reference>,
    }
}

/// The types of thin events that are a snapshot's twin begin with this.
const TWIN: &str = "v1.";

/// Types of v2 that are listened to begin with one of these.
pub const IMPORTS: &str = "v2.commerce.product_catalog.imports.";
pub const AGREEMENT: &str = "v2.orchestrated_commerce.agreement.";
/// Of Accounts v2; what follows is `.` or the part of the account in brackets.
pub const ACCOUNT: &str = "v2.core.account";

/// The objects that events are about: how the type of a snapshot begins, how its ids begin, and what fetches it. A thin event is
/// fetched by this table alone: its `related_object.url` is an address that a stranger could have chosen.
type Fetch = fn(&str, Option<&str>) -> Call;
const OBJECTS: [(&str, &str, Fetch); 6] = [
    ("checkout.session.", "cs_", session::retrieve),
    ("payment_intent.", "pi_", payment_intent::retrieve),
    ("charge.dispute.", "", dispute::retrieve),
    ("charge.refunded", "", charge::retrieve),
    ("refund.", "", refund::retrieve),
    ("account.updated", "acct_", |id, _| account::retrieve(id)),
];

/// What a thin event asks for.
pub enum Thin {
    /// It is none.
    No,
    /// It says all by itself.
    Bare,
    Fetch(Call),
    /// Of an API that has no snapshots: about an object of v2.
    V2,
    /// Not a type of ours, or not an object of that type.
    Foreign,
}

impl Event {
    pub fn is_thin(&self) -> bool {
        self.object == "v2.core.event"
    }

    /// Whether it is about an account of v2 itself (`v2.core.account_link.…` is not).
    pub fn is_of_account(&self) -> bool {
        self.kind.strip_prefix(ACCOUNT).is_some_and(|rest| rest.starts_with(['.', '[']))
    }

    /// The id of the object of v2 that it is about. Which collection that is in, its type says.
    pub fn related_id(&self) -> Option<&str> {
        self.related_object.as_ref().map(|related| related.id.as_str()).filter(|id| route::is_plain(id))
    }

    /// Takes a thin event for the snapshot that it stands for: its type and account are those, its object is to be fetched.
    pub fn thin(&mut self) -> Thin {
        if !self.is_thin() {
            return Thin::No;
        }
        let twin = self.kind.strip_prefix(TWIN).map(str::to_owned);
        let second = self.kind.starts_with(IMPORTS) || self.kind.starts_with(AGREEMENT) || self.is_of_account();
        if twin.is_none() && !second {
            return Thin::Foreign;
        }
        self.account = self.context.take();
        // It goes into a header.
        if self.account.as_ref().is_some_and(|account| !id::is_account_id(account)) {
            return Thin::Foreign;
        }
        let Some(kind) = twin else { return Thin::V2 };
        self.kind = kind;
        if self.kind == "account.application.deauthorized" {
            return Thin::Bare;
        }
        let about = self.related_object.as_ref().map(|related| related.id.as_str()).unwrap_or_default();
        let row = OBJECTS.iter().find(|(kind, ..)| self.kind.starts_with(kind));
        match row.filter(|(_, prefix, _)| id::is_prefixed(about, prefix)) {
            Some((.., fetch)) => Thin::Fetch(fetch(about, self.account.as_deref())),
            None => Thin::Foreign,
        }
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

/// Unix seconds; thin events print a date. 0 where it is neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seconds(pub i64);

impl Member for Seconds {
    fn read(value: Option<Value>) -> Option<Self> {
        let value = value?;
        Some(Seconds(value.as_i64().or_else(|| time::seconds(value.as_str()?)).unwrap_or(0)))
    }
}

/// Reads the body of a webhook; 400 when it is no event.
pub fn read(body: &[u8]) -> Result<Event> {
    let refused = |why| Problem::request(400, "json_invalid", "The body is not an event of Stripe's.").because(why);
    let mut value: Value = record::parsed(body).map_err(|_| refused(Unreadable("JSON")))?;
    // Which mode an event is of it says itself, or its object does.
    let of_object = value.pointer("/data/object/livemode").filter(|mode| mode.is_boolean()).cloned();
    if let (Value::Object(members), Some(mode)) = (&mut value, of_object) {
        members.entry("livemode").or_insert(mode);
    }
    let mut event = Event::from_value(value).map_err(refused)?;
    known::of_event(&event.kind, &mut event.data.object);
    known::in_mode(&mut event.data.object, event.livemode);
    // The id becomes a key of ours.
    if !id::is_prefixed(&event.id, "evt_") {
        return Err(Problem::shape("parameter_invalid", "id", "An event's id is evt_ and letters, digits, _ or -."));
    }
    if event.kind.is_empty() || event.kind.len() > 200 {
        return Err(Problem::shape("parameter_invalid", "type", "An event's type has 1 to 200 characters."));
    }
    Ok(event)
}
