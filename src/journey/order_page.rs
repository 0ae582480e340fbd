//! The page of an order, for whoever knows the buyer's e-mail (contract, *ACP*: `GET /orders/{ord_…}`).
//!
//! Attack: who knows or guesses an order's address learns whether there is such an order, or whose it is. So the form is the same for
//! every address and reads nothing; a wrong e-mail and an unknown order get the same answer from the same reads; and guesses are
//! counted, by who guesses and by the order that he guesses at.

use super::orders::home;
use crate::acp::order::{Fulfillment, OrderDoc};
use crate::acp::time::rfc3339;
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, limit};
use crate::error::Result;
use crate::id;
use crate::limit::Counter;
use crate::money::{Amount, Currency};
use crate::order::{self, OrderRow};
use crate::page::{self, AskEmail, Part, Shipment};
use crate::store::shops::ShopRow;
use crate::text;

/// Characters of an e-mail address, as SMTP lets it be.
const LONGEST: usize = 254;

fn reply(status: u16, html: String) -> Reply {
    Reply::page(status, html, page::csp_own())
}

/// `GET /orders/{ord_…}`
pub fn form() -> Result<Reply> {
    Ok(reply(200, page::ask_email(&AskEmail::default())))
}

/// `POST /orders/{ord_…}`, `email=…`
pub fn show(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let body = incoming.bytes()?;
    let entered = text::param(&String::from_utf8_lossy(&body), "email").unwrap_or_default();
    let entered: String = entered.trim().chars().take(LONGEST).collect();
    // Many addresses that guess at one order are one guesser.
    limit::count(&edge.env, edge.config, Counter::Address, ["order/", id].concat())?;
    let found = edge.db.order_of_buyer(id, &order::email_key(&entered))?;
    match found.filter(|_| id::is_prefixed(id, "ord_") && !entered.is_empty()) {
        Some((row, shop)) => {
            *edge.counters.shop.borrow_mut() = Some(shop.id.clone());
            Ok(reply(200, shown(edge, &row, &shop)?))
        }
        None => Ok(reply(404, page::ask_email(&AskEmail { refused: Some(&entered) }))),
    }
}

fn shown(edge: &Edge, row: &OrderRow, shop: &ShopRow) -> Result<String> {
    let doc = row.doc(&home(edge, shop))?;
    let currency = Currency::parse(&doc.currency);
    let money = |minor: i64| {
        let sum = currency.zip(Amount::new(minor.saturating_abs())).map(|(currency, amount)| currency.display(amount)).unwrap_or_default();
        if minor < 0 { format!("−{sum}") } else { sum }
    };
    let part = |name: &str, amount: i64| Part { name: name.to_owned(), quantity: None, amount: money(amount) };
    let items: Vec<Part> = doc
        .lines
        .iter()
        .map(|line| Part { name: line.title.clone(), quantity: Some(line.quantity), amount: money(line.subtotal) })
        .collect();
    let sums = &doc.totals;
    let all = [("Discount", sums.discount.saturating_neg()), ("Delivery", sums.fulfillment), ("Tax", sums.tax), ("Fees", sums.fee)];
    let mut totals: Vec<Part> = all.iter().filter(|(_, amount)| *amount != 0).map(|(name, amount)| part(name, *amount)).collect();
    totals.push(part("Total", sums.total));
    let refunded = given_back(&doc);
    let refunded = (refunded > 0).then(|| money(refunded));
    let shipments: Vec<Shipment> = doc.fulfillments.iter().map(shipment).collect();
    let number = doc.order_number.as_ref().or(doc.order_id.as_ref()).unwrap_or(&doc.id);
    Ok(page::order(&page::Order {
        shop_name: &shop.name,
        shop_url: &shop.site_url,
        number,
        placed: &day(doc.created),
        state: state(&doc.status),
        items: &items,
        totals: &totals,
        refunded: refunded.as_deref(),
        shipments: &shipments,
        own_page: own_page(edge, row, shop).as_deref(),
    }))
}

/// Where the shop itself shows it: what it told, else by its template.
fn own_page(edge: &Edge, row: &OrderRow, shop: &ShopRow) -> Option<String> {
    let told = row.permalink_url.clone();
    told.or_else(|| shop.order_url_template.as_ref().map(|_| home(edge, shop).of(&row.id, row.order_id.as_deref())))
        .filter(|url| !url.starts_with(&*edge.public_url))
}

fn given_back(doc: &OrderDoc) -> i64 {
    let refunds = doc.adjustments.iter().filter(|one| one.kind == "refund" && one.status == "completed");
    refunds.filter_map(|one| one.amount).fold(0, i64::saturating_add)
}

fn day(seconds: i64) -> String {
    rfc3339(seconds).chars().take(10).collect()
}

fn state(status: &str) -> &'static str {
    match status {
        "confirmed" => "Confirmed",
        "manual_review" => "Being reviewed by the shop",
        "processing" => "Being prepared",
        "shipped" => "On its way",
        "completed" => "Completed",
        "canceled" => "Canceled",
        _ => "Received",
    }
}

fn shipment(one: &Fulfillment) -> Shipment {
    let title = match one.kind.as_str() {
        "pickup" => "Pickup",
        "digital" => "Download",
        _ => "Parcel",
    };
    let state = match one.status.as_str() {
        "processing" => "Being prepared",
        "shipped" => "Shipped",
        "in_transit" => "On its way",
        "out_for_delivery" => "Out for delivery",
        "ready_for_pickup" => "Ready for pickup",
        "delivered" => "Delivered",
        "failed" => "Could not be delivered",
        "canceled" => "Canceled",
        _ => "Not sent yet",
    };
    Shipment {
        title: title.to_owned(),
        state: state.to_owned(),
        carrier: one.carrier.clone(),
        number: one.tracking_number.clone(),
        url: one.tracking_url.clone().or_else(|| one.access_url.clone()),
        expected: one.earliest.zip(one.latest).map(|(from, to)| {
            let (from, to) = (day(from), day(to));
            if from == to { from } else { format!("{from} – {to}") }
        }),
    }
}
