//! What was sold to an agent: the document, the events that tell the agent of it, and the order as the shop sees it.
//!
//! Amounts are minor units of `currency`, times Unix seconds. Words are those of 2026-04-17.

use super::dialect::Dialect;
use super::session::{Address, Applied, Contact, DeliveryOption, Line, Totals, document};
use super::time::rfc3339;
use crate::record::{Json, Record};
use serde_json::{Map, Value};

document! {
    /// Some of a line.
    pub struct LineRef {
        /// `li_1`, …
        pub id: String,
        pub quantity: i64,
    }
}

document! {
    /// What happened to a delivery; never changed, only added to.
    pub struct FulfillmentEvent {
        pub id: String,
        /// `processing`, `shipped`, `in_transit`, `out_for_delivery`, `ready_for_pickup`, `delivered`, `failed_attempt`,
        /// `returned_to_sender`, `canceled` or `undeliverable`; others must be tolerated.
        pub kind: String,
        pub occurred_at: i64,
        pub description: Option<String>,
        pub location: Option<String>,
    }
}

document! {
    /// One delivery.
    pub struct Fulfillment {
        pub id: String,
        /// `shipping`, `pickup` or `digital`.
        pub kind: String,
        /// `pending`, `processing`, `shipped`, `in_transit`, `out_for_delivery`, `ready_for_pickup`, `delivered`, `failed` or `canceled`.
        pub status: String,
        pub line_items: Vec<LineRef>,
        pub carrier: Option<String>,
        pub tracking_number: Option<String>,
        pub tracking_url: Option<String>,
        pub description: Option<String>,
        /// When it is expected, both or none.
        pub earliest: Option<i64>,
        pub latest: Option<i64>,
        /// Of digital goods: where they are, and what opens them.
        pub access_url: Option<String>,
        pub license_key: Option<String>,
        pub access_expires_at: Option<i64>,
        pub events: Vec<FulfillmentEvent>,
    }
}

document! {
    /// A change after the sale.
    pub struct Adjustment {
        pub id: String,
        /// `refund`, `credit`, `return`, `exchange`, `price_adjustment`, `cancellation` or `dispute`.
        pub kind: String,
        /// `pending`, `completed` or `failed`.
        pub status: String,
        /// What the buyer gets back, tax and all.
        pub amount: Option<i64>,
        pub currency: Option<String>,
        pub reason: Option<String>,
        pub description: Option<String>,
        pub line_items: Vec<LineRef>,
        pub occurred_at: i64,
    }
}

document! {
    pub struct Card {
        pub brand: Option<String>,
        pub last4: Option<String>,
        pub exp_month: Option<i64>,
        pub exp_year: Option<i64>,
    }
}

document! {
    pub struct OrderDoc {
        /// `ord_…`
        pub id: String,
        /// `cct_…`
        pub transaction: String,
        pub checkout_session_id: String,
        pub livemode: bool,
        /// The agent's name.
        pub agent: Option<String>,
        /// The shop's own id of it, and the number that it tells buyers; once it has told.
        pub order_id: Option<String>,
        pub order_number: Option<String>,
        pub permalink_url: String,
        /// `created`, `confirmed`, `manual_review`, `processing`, `shipped`, `completed` or `canceled`.
        pub status: String,
        pub currency: String,
        pub lines: Vec<Line>,
        pub totals: Totals,
        pub discounts: Vec<Applied>,
        /// The ways of delivery that were chosen.
        pub delivery: Vec<DeliveryOption>,
        pub address: Option<Address>,
        pub contact: Option<Contact>,
        /// As in `Session`; `null` without.
        pub buyer: Value,
        pub billing: Option<Address>,
        pub card: Option<Card>,
        /// Stripe's number of the receipt, and its address.
        pub receipt_number: Option<String>,
        pub receipt_url: Option<String>,
        pub order_notes: Option<String>,
        pub metadata: Value,
        pub fulfillments: Vec<Fulfillment>,
        pub adjustments: Vec<Adjustment>,
        /// When it was paid.
        pub created: i64,
        pub updated: i64,
    }
}

impl OrderDoc {
    /// From the table.
    pub fn stored(text: &str) -> Result<OrderDoc, crate::record::Unreadable> {
        OrderDoc::from_json(text.as_bytes())
    }
}

/// Members of an object of ours: what there is none of is left out, not `null`.
#[derive(Default)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    pub fn put(&mut self, name: &str, value: impl Json) -> &mut Self {
        self.0.insert(name.to_owned(), value.json());
        self
    }

    pub fn maybe(&mut self, name: &str, value: Option<impl Json>) -> &mut Self {
        if let Some(value) = value {
            self.put(name, value);
        }
        self
    }

    pub fn done(self) -> Value {
        Value::Object(self.0)
    }
}

/// What one of the words of 2026-04-17 was called before.
fn older_status(status: &str) -> &str {
    match status {
        "processing" => "confirmed",
        "completed" => "fulfilled",
        "canceled" | "confirmed" | "manual_review" | "shipped" => status,
        _ => "created",
    }
}

/// An order as an agent is told of it (`WebhookEvent`): a new one where `created`, else what it is now. Up to 2026-01-30 a few words and
/// the refunds; since 2026-04-17 all of it.
pub fn event(dialect: Dialect, created: bool, order: &OrderDoc) -> Value {
    let kind = match (dialect, created) {
        (Dialect::Stripe, true) => "order_created",
        (Dialect::Stripe, false) => "order_updated",
        (_, true) => "order_create",
        (_, false) => "order_update",
    };
    let data = if dialect >= Dialect::V20260417 { whole(order) } else { brief(order) };
    object! { "type": kind, "data": data }
}

/// `EventDataOrder` up to 2026-01-30.
fn brief(order: &OrderDoc) -> Value {
    let mut refunds = Vec::new();
    for adjustment in &order.adjustments {
        let kind = match adjustment.kind.as_str() {
            "refund" => "original_payment",
            "credit" => "store_credit",
            _ => continue,
        };
        if let Some(amount) = adjustment.amount.filter(|_| adjustment.status != "failed") {
            refunds.push(object! { "type": kind, "amount": amount });
        }
    }
    object! { "type": "order", "checkout_session_id": order.checkout_session_id, "permalink_url": order.permalink_url,
    "status": older_status(&order.status), "refunds": refunds }
}

/// `Order` of 2026-04-17, with its `type`.
fn whole(order: &OrderDoc) -> Value {
    let mut data = Object::default();
    data.put("type", "order").put("id", &order.id).put("checkout_session_id", &order.checkout_session_id);
    data.maybe("order_number", order.order_number.as_ref());
    data.put("permalink_url", &order.permalink_url).put("status", &order.status);
    data.done()
}

/// The order as the shop sees it: in `/v1/orders`, and in the notice `order.created`.
pub fn object(order: &OrderDoc) -> Value {
    object! { "id": order.id, "object": "order", "transaction": order.transaction }
}
