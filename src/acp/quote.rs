//! The shop's live quote: what it is asked, and what its answer means (contract, *Agents, catalogue, fulfilment*, "Live quotes").

use super::session::{Message, Session};
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::money::{Currency, MAX_CHARGE};
use crate::record::{self, Json};
use serde_json::Value;

/// What the shop is given for it, milliseconds.
pub const DEADLINE: u32 = 2_500;
/// The most that is read of an answer, bytes: a hundred items with texts have some 20 KB.
pub const LIMIT: usize = 64 * 1024;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuotedItem {
    /// The catalogue's id.
    pub id: String,
    /// For all pieces, minor units.
    pub amount_total: i64,
    /// How many can be had; `None`: enough.
    pub available: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuotedShipping {
    pub id: String,
    pub title: String,
    pub subtitle: Option<String>,
    pub carrier: Option<String>,
    pub amount: i64,
    /// Business days.
    pub min_days: Option<i64>,
    pub max_days: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuotedDiscount {
    pub label: String,
    pub code: Option<String>,
    pub amount: i64,
}

/// A price of the shop's own, in the checkout's currency.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quote {
    pub items: Vec<QuotedItem>,
    pub shipping: Vec<QuotedShipping>,
    pub tax_total: Option<i64>,
    pub discounts: Vec<QuotedDiscount>,
    pub messages: Vec<Message>,
}

/// The body of the question. `id` names the session; the shop may be asked about it any number of times.
pub fn question(session: &Session) -> Value {
    let items: Vec<Value> = session.lines.iter().map(|line| object! { "id": line.product, "quantity": line.quantity }).collect();
    let mut body = object! { "id": session.id, "items": items, "currency": session.currency };
    if let Value::Object(members) = &mut body {
        if let Some(address) = &session.address {
            members.insert("address".into(), address.json());
        }
        if !session.codes.is_empty() {
            members.insert("coupons".into(), session.codes.json());
        }
    }
    body
}

/// Reads an answer. `Err`: it is none, or not about these items; the caller then prices by the tables.
pub fn read(session: &Session, body: &[u8]) -> Result<Quote> {
    let value: Value = record::parsed(body).map_err(|_| Problem::shape("json_invalid", "", "The quote is not valid JSON."))?;
    let Some(currency) = Currency::parse(&session.currency) else { return Err(Problem::fault("a checkout without its currency")) };
    // A shop may send more than is known here.
    let fields = Fields::lenient(&value, "")?;
    let amount = |fields: &Fields, member: &str| -> Result<Option<i64>> {
        let amount = fields.integer(member, 0, MAX_CHARGE)?;
        if amount.is_some_and(|amount| amount.checked_rem(currency.step()) != Some(0)) {
            return Err(Problem::value_about("parameter_invalid_integer", &fields.name(member), "is no amount of this currency."));
        }
        Ok(amount)
    };
    let mut quote = Quote { tax_total: amount(&fields, "tax_total")?, ..Quote::default() };
    for (path, element) in fields.array("items")?.into_iter().take(100) {
        let item = Fields::lenient(element, &path)?;
        item.need("amount_total")?;
        let available = match item.get("available") {
            Some(Value::Bool(true)) | None => None,
            Some(Value::Bool(false)) => Some(0),
            Some(_) => item.integer("available", 0, MAX_CHARGE)?,
        };
        let id = item.need_string("id", 200)?.to_owned();
        quote.items.push(QuotedItem { id, amount_total: amount(&item, "amount_total")?.unwrap_or_default(), available });
    }
    if let Some(line) = session.lines.iter().find(|line| !quote.items.iter().any(|item| item.id == line.product)) {
        return Err(Problem::value("quote_incomplete", "items", format!("The quote says nothing of '{}'.", line.product)));
    }
    for (path, element) in fields.array("shipping")?.into_iter().take(50) {
        let option = Fields::lenient(element, &path)?;
        option.need("amount")?;
        quote.shipping.push(QuotedShipping {
            id: option.need_string("id", 100)?.to_owned(),
            title: option.need_string("title", 200)?.to_owned(),
            subtitle: option.string("subtitle", 200)?.map(str::to_owned),
            carrier: option.string("carrier", 200)?.map(str::to_owned),
            amount: amount(&option, "amount")?.unwrap_or_default(),
            min_days: option.integer("min_days", 0, 365)?,
            max_days: option.integer("max_days", 0, 365)?,
        });
    }
    for (path, element) in fields.array("discounts")?.into_iter().take(50) {
        let discount = Fields::lenient(element, &path)?;
        discount.need("amount")?;
        quote.discounts.push(QuotedDiscount {
            label: discount.string("label", 200)?.unwrap_or("Discount").to_owned(),
            code: discount.string("code", 100)?.map(str::to_owned),
            amount: amount(&discount, "amount")?.unwrap_or_default(),
        });
    }
    for (path, element) in fields.array("messages")?.into_iter().take(20) {
        let message = Fields::lenient(element, &path)?;
        let kind = message.string("type", 20)?.filter(|kind| matches!(*kind, "info" | "warning" | "error")).unwrap_or("info");
        // The protocol has a list of codes for each kind; one that is on none is not passed on.
        let code = message.string("code", 50)?.filter(|code| match kind {
            "error" => {
                ["out_of_stock", "invalid", "missing", "region_restricted", "quantity_exceeded", "minimum_not_met", "maximum_exceeded"]
                    .contains(code)
            }
            "warning" => ["low_stock", "high_demand", "shipping_delay", "price_change", "limited_availability"].contains(code),
            _ => false,
        });
        let code = match kind {
            "error" => Some(code.unwrap_or("invalid")),
            "warning" => Some(code.unwrap_or("limited_availability")),
            _ => None,
        };
        quote.messages.push(Message {
            kind: kind.to_owned(),
            code: code.map(str::to_owned),
            param: None,
            content: message.need_string("content", 500)?.to_owned(),
            resolution: (kind != "info").then(|| "recoverable".to_owned()),
        });
    }
    Ok(quote)
}
