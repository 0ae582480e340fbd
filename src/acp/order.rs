//! What was sold to an agent: the document, the events that tell the agent of it, and the order as the shop sees it.
//!
//! Amounts are minor units of `currency`, times Unix seconds. Words are those of 2026-04-17.

use super::dialect::Dialect;
use super::object::present;
use super::session::{Address, Applied, Contact, DeliveryOption, Line, Totals, document};
use super::time::rfc3339;
use super::write::{Scope, address, decimal, estimate, line_totals, totals, uri};
use crate::record::{Json, Record, each};
use serde_json::Value;

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
        /// What Stripe tells of the agent that ordered there (private preview); `null` else.
        pub agent_details: Value,
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
        /// When it was paid; of an order made at Stripe, when its charge was made.
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

/// `EventDataOrder` up to 2026-01-30: what was given back, as far as it did not fail.
fn brief(order: &OrderDoc) -> Value {
    let mut refunds = Vec::new();
    for adjustment in order.adjustments.iter().filter(|adjustment| adjustment.status != "failed") {
        let kind = match adjustment.kind.as_str() {
            "refund" => "original_payment",
            "credit" => "store_credit",
            _ => continue,
        };
        if let Some(amount) = adjustment.amount {
            refunds.push(object! { "type": kind, "amount": amount });
        }
    }
    object! { "type": "order", "checkout_session_id": order.checkout_session_id, "permalink_url": order.permalink_url,
    "status": older_status(&order.status), "refunds": refunds }
}

/// `Order` of 2026-04-17, with the `type` that an event's has.
fn whole(order: &OrderDoc) -> Value {
    let shipped = order.fulfillments.iter().find(|one| one.latest.is_some()).map(|one| estimate(one.earliest, one.latest));
    let chosen = order.delivery.iter().find(|option| option.latest.is_some()).map(|option| estimate(option.earliest, option.latest));
    present! {
        "type": "order",
        "id": order.id,
        "checkout_session_id": order.checkout_session_id,
        "order_number": order.order_number,
        "permalink_url": order.permalink_url,
        "status": order.status,
        "estimated_delivery": shipped.or(chosen),
        "confirmation": present! {
            "confirmation_number": order.order_number.as_ref().unwrap_or(&order.id),
            "receipt_url": order.receipt_url.as_deref().and_then(uri), "order_notes": order.order_notes,
        },
        "line_items": each(&order.lines, &|line| {
            let (current, fulfilled) = quantities(order, line);
            ordered(line, current, fulfilled)
        }),
        "fulfillments": each(&order.fulfillments, &|one| fulfillment(order, one)),
        "adjustments": each(&order.adjustments, &adjustment),
        "totals": totals(Dialect::V20260417, &order.totals, &order.currency, Scope::Order(refunded(order))),
    }
}

/// What was given back for good (rfc.orders, section 4.6).
fn refunded(order: &OrderDoc) -> i64 {
    let done = order.adjustments.iter().filter(|adjustment| adjustment.kind == "refund" && adjustment.status == "completed");
    done.filter_map(|adjustment| adjustment.amount).fold(0, i64::saturating_add)
}

/// How many pieces of a line some references name.
fn pieces<'a>(refs: impl Iterator<Item = &'a LineRef>, line: &Line) -> i64 {
    refs.filter(|reference| reference.id == line.id).fold(0, |sum, reference| sum.saturating_add(reference.quantity.max(0)))
}

/// What is left of a line, and how much of that is on its way.
fn quantities(order: &OrderDoc, line: &Line) -> (i64, i64) {
    let gone = |adjustment: &&Adjustment| matches!(adjustment.kind.as_str(), "return" | "cancellation") && adjustment.status == "completed";
    let sent =
        |fulfillment: &&Fulfillment| matches!(fulfillment.status.as_str(), "shipped" | "in_transit" | "out_for_delivery" | "delivered");
    let gone = pieces(order.adjustments.iter().filter(gone).flat_map(|adjustment| &adjustment.line_items), line);
    let sent = pieces(order.fulfillments.iter().filter(sent).flat_map(|fulfillment| &fulfillment.line_items), line);
    let current = if order.status == "canceled" { 0 } else { line.quantity.saturating_sub(gone).max(0) };
    // Whom nobody told of deliveries is told by the order's own status that everything is on its way.
    let dispatched = order.fulfillments.is_empty() && matches!(order.status.as_str(), "shipped" | "completed");
    (current, if dispatched { current } else { sent.min(current) })
}

/// `OrderLineItem`: its status follows from its three quantities (rfc.orders, section 3.2).
pub(super) fn ordered(line: &Line, current: i64, fulfilled: i64) -> Value {
    let status = match fulfilled {
        _ if current == 0 => "removed",
        fulfilled if fulfilled == current => "fulfilled",
        0 => "processing",
        _ => "partial",
    };
    present! {
        "id": line.id,
        "title": line.title,
        "product_id": line.product,
        "description": line.description,
        "image_url": line.images.iter().find_map(|image| uri(image)),
        "url": line.link.as_deref().and_then(uri),
        "quantity": object! { "ordered": line.quantity.max(1), "current": current, "fulfilled": fulfilled },
        "unit_price": line.unit_amount,
        "subtotal": line.subtotal,
        "totals": line_totals(line),
        "status": status,
    }
}

fn references(refs: &[LineRef]) -> Vec<&LineRef> {
    refs.iter().filter(|reference| reference.quantity >= 1).collect()
}

fn fulfillment(order: &OrderDoc, one: &Fulfillment) -> Value {
    // Three kinds in a closed list; a shop that delivers in another way ships.
    let kind = if matches!(one.kind.as_str(), "pickup" | "digital") { &*one.kind } else { "shipping" };
    let access = (one.access_url.is_some() || one.license_key.is_some()).then(|| {
        present! { "access_url": one.access_url.as_deref().and_then(uri), "license_key": one.license_key,
        "expires_at": one.access_expires_at.map(rfc3339) }
    });
    let event = |event: &FulfillmentEvent| {
        present! { "id": event.id, "type": event.kind, "occurred_at": rfc3339(event.occurred_at), "description": event.description,
        "location": event.location }
    };
    present! {
        "id": one.id,
        "type": kind,
        "status": Some(&one.status).filter(|status| !status.is_empty()),
        "line_items": references(&one.line_items),
        "carrier": one.carrier,
        "tracking_number": one.tracking_number,
        "tracking_url": one.tracking_url.as_deref().and_then(uri),
        "destination": order.address.as_ref().filter(|_| kind == "shipping").map(|to| address(Dialect::V20260417, to)),
        "estimated_delivery": estimate(one.earliest, one.latest),
        "digital_delivery": access,
        "description": one.description,
        "events": each(&one.events, &event),
    }
}

fn adjustment(one: &Adjustment) -> Value {
    present! {
        "id": one.id,
        "type": one.kind,
        "occurred_at": rfc3339(one.occurred_at),
        "status": one.status,
        "line_items": references(&one.line_items),
        "amount": one.amount,
        "currency": one.currency.as_ref().filter(|_| one.amount.is_some()),
        "description": one.description,
        "reason": one.reason,
    }
}

/// The order as the shop sees it, in `/v1/orders` and in the notice `order.created` (contract, *Stripe's agentic commerce*). In Stripe's
/// words: amounts in minor units, times in Unix seconds, `null` for what is not known.
pub fn object(order: &OrderDoc) -> Value {
    let lines = each(&order.lines, &|line| sold(&order.totals, line));
    let delivery = each(&order.delivery, &|option| {
        object! { "type": option.kind, "id": option.id, "title": option.title, "carrier": option.carrier,
        "amount_subtotal": option.subtotal, "amount_tax": option.tax, "amount_total": option.total }
    });
    let discounts = each(&order.discounts, &|applied| {
        object! { "code": applied.code, "coupon": applied.coupon, "name": applied.name, "amount": applied.amount }
    });
    let said = |name: &str| order.buyer.get(name).and_then(Value::as_str);
    let contact = order.contact.as_ref();
    let phone = contact.and_then(|contact| contact.phone_number.as_deref()).or_else(|| said("phone_number"));
    let email = said("email").or_else(|| contact.and_then(|contact| contact.email.as_deref()));
    let shipping = order.address.as_ref().map(|to| {
        let name = contact.and_then(|contact| contact.name.as_deref()).unwrap_or(&to.name);
        object! { "name": name, "phone": phone, "address": postal(to) }
    });
    let billing =
        order.billing.as_ref().map(|to| object! { "name": to.name, "email": email, "phone": said("phone_number"), "address": postal(to) });
    let totals = &order.totals;
    object! {
        "id": order.id, "object": "order", "transaction": order.transaction, "checkout_session": order.checkout_session_id,
        "livemode": order.livemode, "agent": order.agent, "agent_details": order.agent_details, "order_id": order.order_id, "order_number": order.order_number,
        "permalink_url": order.permalink_url, "status": order.status, "order_date": order.created, "currency": order.currency,
        "line_items": lines, "discounts": discounts, "amount_subtotal": totals.subtotal, "amount_discount": totals.discount,
        "amount_shipping": totals.fulfillment, "amount_tax": totals.tax, "amount_fee": totals.fee, "amount_total": totals.total,
        "amount_refunded": refunded(order), "buyer": order.buyer, "contact": order.contact, "shipping_details": shipping,
        "shipping_options": delivery, "billing_details": billing, "card": order.card, "receipt_number": order.receipt_number,
        "receipt_url": order.receipt_url, "order_notes": order.order_notes, "metadata": order.metadata,
        "fulfillments": typed(order.fulfillments.json()), "adjustments": typed(order.adjustments.json()), "created": order.created,
        "updated": order.updated,
    }
}

/// In documents of ours `type` is called `kind`, at every depth, and a delivery's window is in two parts.
fn typed(mut value: Value) -> Value {
    for element in value.as_array_mut().into_iter().flatten() {
        let Some(members) = element.as_object_mut() else { continue };
        if let Some(kind) = members.remove("kind") {
            members.insert("type".to_owned(), kind);
        }
        if let (Some(earliest), Some(latest)) = (members.remove("earliest"), members.remove("latest")) {
            let window = object! { "earliest": earliest, "latest": latest };
            members.insert("estimated_delivery".to_owned(), if latest.is_null() { Value::Null } else { window });
        }
        if let Some(events) = members.remove("events") {
            members.insert("events".to_owned(), typed(events));
        }
    }
    value
}

/// An address in Stripe's words.
fn postal(to: &Address) -> Value {
    // What an agent's checkout must have, Stripe may not know.
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    object! { "line1": known(&to.line_one), "line2": to.line_two, "city": known(&to.city), "state": known(&to.state),
    "postal_code": known(&to.postal_code), "country": known(&to.country), "company": to.company }
}

/// A line as it was paid: `amount_total` with its share of the discounts on the order, and with its tax.
fn sold(totals: &Totals, line: &Line) -> Value {
    // Of a line that Stripe knows by no id of the shop's.
    let sku = (!line.product.is_empty()).then_some(&line.product);
    object! {
        "id": line.id, "sku": sku, "title": line.title, "description": line.description.as_ref().unwrap_or(&line.title),
        "image_url": line.images.first(), "url": line.link, "variant": line.variant, "digital": line.digital,
        "quantity": line.quantity, "unit_amount": line.unit_amount, "amount_subtotal": line.base_amount,
        "amount_discount": line.discount.saturating_add(line.order_discount), "amount_tax": line.tax,
        "amount_total": line.total.saturating_sub(line.order_discount), "taxes": taxes(totals, line), "gtin": line.gtin, "mpn": line.mpn,
    }
}

/// A line's tax by the taxes of the order, in proportion to their rates: what is added, and what the price includes.
fn taxes(totals: &Totals, line: &Line) -> Vec<Value> {
    let mut taxes = Vec::new();
    for tax in &line.taxes {
        taxes.push(object! { "amount": tax.amount, "type": tax.kind, "rate": tax.rate, "inclusive": tax.inclusive });
    }
    if !taxes.is_empty() {
        return taxes;
    }
    for (inclusive, amount) in [(false, line.tax), (true, line.included_tax)] {
        if amount == 0 {
            continue;
        }
        let parts: Vec<_> = totals.taxes.iter().filter(|part| part.inclusive == inclusive).collect();
        let all = parts.iter().fold(0_i64, |sum, part| sum.saturating_add(part.rate_bps));
        let (mut rates, mut given) = (0_i64, 0_i64);
        for (place, part) in parts.iter().enumerate() {
            rates = rates.saturating_add(part.rate_bps);
            let due = i128::from(amount).saturating_mul(i128::from(rates)).checked_div(i128::from(all));
            let last = place.saturating_add(1) == parts.len();
            let due = if last { amount } else { due.and_then(|due| i64::try_from(due).ok()).unwrap_or_default() };
            let share = due.saturating_sub(given);
            given = due;
            taxes.push(object! { "amount": share, "type": part.name, "rate": decimal(part.rate_bps, 100.0), "inclusive": inclusive });
        }
        if parts.is_empty() {
            let rate = decimal(line.tax_rate_bps, 100.0);
            taxes.push(object! { "amount": amount, "type": "Tax", "rate": rate, "inclusive": inclusive });
        }
    }
    taxes
}
