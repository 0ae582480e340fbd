//! Stripe, as values: this builds the calls and reads the answers and never sends anything.
//!
//! Who sends (`Authorization`, `Stripe-Version`, `Stripe-Account`, `Idempotency-Key`, time limits, retries) is the
//! edge; here is only what can be decided, and tested, without a network.
//! Amounts are minor units as Stripe means them, times Unix seconds.

pub mod account;
pub mod agreement;
pub mod call;
pub mod charge;
pub mod dispute;
pub mod event;
pub mod form;
pub mod import;
pub mod known;
pub mod oauth;
pub mod payment_intent;
pub mod refund;
pub mod session;

pub use account::Account;
pub use call::{Answer, Base, Call, Outcome, StripeError, Version};
pub use charge::Charge;
pub use dispute::Dispute;
pub use event::Event;
pub use form::Form;
pub use oauth::Grant;
pub use payment_intent::PaymentIntent;
pub use refund::Refund;
pub use session::{Session, Terms};

use crate::record::Member;
use serde_json::Value;

/// Sent as `Stripe-Version` with every API call, so that no account's own default decides what we read.
pub const API_VERSION: &str = "2026-10-28.endive";

/// Sent instead with what is not in there yet: shared payment tokens (facts: public preview since 2026-04-22).
pub const PREVIEW_VERSION: &str = "2026-10-14.preview";

/// Sent with import sets (seed: *Upload the catalog data to Stripe*).
pub const IMPORT_SETS_VERSION: &str = "2025-09-30.clover;udap_beta=v1";

/// Sent where an embedded component is asked for that is in private preview (seed: *Enable agents for your connected accounts*).
pub const EMBEDDED_VERSION: &str = "2026-10-14.preview; embedded_connect_beta=v2";

/// What has an id of Stripe's.
pub trait Identified {
    fn id(&self) -> &str;
}

/// A reference that Stripe gives as an id, or as the object when `expand` asked for it.
#[derive(Debug, Clone)]
pub enum Expandable<T> {
    Id(String),
    Object(Box<T>),
}

impl<T: Identified> Expandable<T> {
    pub fn id(&self) -> &str {
        match self {
            Expandable::Id(id) => id,
            Expandable::Object(object) => object.id(),
        }
    }
}

impl<T> Expandable<T> {
    /// The object, where Stripe sent it.
    pub fn object(&self) -> Option<&T> {
        match self {
            Expandable::Id(_) => None,
            Expandable::Object(object) => Some(object),
        }
    }
}

impl<T> Default for Expandable<T> {
    fn default() -> Self {
        Expandable::Id(String::new())
    }
}

impl<T: Member> Member for Expandable<T> {
    fn read(value: Option<Value>) -> Option<Self> {
        match value {
            Some(Value::String(id)) => Some(Expandable::Id(id)),
            some => T::read(some).map(|object| Expandable::Object(Box::new(object))),
        }
    }
}
