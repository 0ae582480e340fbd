//! What an agent asks for, in no version's words: what the readers of the dialects make of a body.

use super::session::{Address, Contact, Selected};
use serde_json::Value;

/// A member of an update. Absent keeps what is there, `null` clears it (rfc.agentic_checkout, section 6: null is not absent).
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Patch<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

/// One product that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemAsk {
    /// The catalogue's id.
    pub product: String,
    /// 1 to 999,999.
    pub quantity: i64,
    /// Where it stood in the body, for errors: `$.line_items[0]`.
    pub param: String,
}

/// A create or an update.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ask {
    /// All lines anew; `None` keeps them. A create has them or a `cart`.
    pub items: Option<Vec<ItemAsk>>,
    /// Three lower-case letters, where the agent says.
    pub currency: Option<String>,
    /// The buyer as the newest version names him (see `Session::buyer`).
    pub buyer: Patch<Value>,
    pub contact: Patch<Contact>,
    pub address: Patch<Address>,
    /// `item_ids` as sent: ids of lines or of products; empty for all.
    pub selected: Patch<Vec<Selected>>,
    /// `discounts.codes`, or its older alias `coupons`; replaces all.
    pub codes: Patch<Vec<String>>,
    pub groups: Patch<Value>,
    pub capabilities: Option<Value>,
    pub metadata: Option<Value>,
    pub locale: Option<String>,
    pub timezone: Option<String>,
    pub quote_id: Option<String>,
    pub order_notes: Patch<String>,
    /// Checked, kept, never echoed.
    pub affiliate: Option<Value>,
    /// The cart that becomes this checkout (2026-04-17).
    pub cart: Option<String>,
}

/// What the bank said of the buyer (`authentication_result`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authentication {
    /// `authenticated`, `attempt_acknowledged`, `denied`, …
    pub outcome: String,
    pub cryptogram: Option<String>,
    pub electronic_commerce_indicator: Option<String>,
    pub transaction_id: Option<String>,
    pub version: Option<String>,
}

/// How a checkout is to be paid.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Payment {
    /// `spt_…`
    pub token: String,
    pub handler_id: Option<String>,
    pub billing: Option<Address>,
    /// Buyer, notes, attribution and delivery contact that come along; no items.
    pub ask: Ask,
    pub authentication: Option<Authentication>,
    /// As sent, kept.
    pub risk: Option<Value>,
    /// Channel and decision.
    pub consents: Vec<(String, bool)>,
}

/// Why an agent gives a checkout up; kept, never echoed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cancel {
    pub trace: Option<Value>,
}
