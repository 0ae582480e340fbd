//! What agents send, in each version's words, made into what the core understands.
//!
//! The schemas are closed, so unknown members are refused with their path. Accepted beyond them is what published clients send and the
//! protocol's own documents contradict each other about: each such place says so. Nothing that is read can grow without a bound.

use super::ask::{Ask, Authentication, Cancel, ItemAsk, Patch, Payment};
use super::dialect::Dialect;
use super::order::Object;
use super::session::{Address, Contact, Selected};
use super::time;
use crate::error::{Kind, Problem, Result};
use crate::fields::{Fields, whole};
use crate::record::Json;
use serde_json::{Map, Value};

/// Lines of one checkout.
const ITEMS: usize = 100;
const QUANTITY: i64 = 999_999;
/// Codes of one checkout.
const CODES: usize = 20;
const ID: usize = 255;
const TEXT: usize = 500;
const NOTES: usize = 5_000;
/// Characters of what is kept as it came.
const KEPT: usize = 8_192;

const BUYER_OLD: &[&str] = &["first_name", "last_name", "email", "phone_number"];
const BUYER: &[&str] = &[
    "first_name",
    "last_name",
    "email",
    "phone_number",
    "full_name",
    "customer_id",
    "account_type",
    "authentication_status",
    "company",
    "loyalty",
    "tax_exemption",
];

/// `POST /checkout_sessions`, `POST /checkouts`.
pub fn create(dialect: Dialect, body: &Value) -> Result<Ask> {
    told(asked(dialect, body, true))
}

/// `POST /checkout_sessions/{id}`, `PUT /checkouts/{id}`.
pub fn update(dialect: Dialect, body: &Value) -> Result<Ask> {
    told(asked(dialect, body, false))
}

/// `POST …/complete`.
pub fn complete(dialect: Dialect, body: &Value) -> Result<Payment> {
    told(paid(dialect, body))
}

/// `POST …/cancel`; the body may be absent (`null`).
pub fn cancel(dialect: Dialect, body: &Value) -> Result<Cancel> {
    told(given_up(dialect, body))
}

/// `POST /carts`, `PUT /carts/{id}` (2026-04-17).
pub fn cart(body: &Value) -> Result<Ask> {
    told(carried(body))
}

/// The protocol knows two codes for a body, `missing` and `invalid`, and one status, 400.
fn told<T>(result: Result<T>) -> Result<T> {
    result.map_err(|mut problem| {
        if problem.kind == Kind::InvalidRequest {
            match problem.code.as_ref() {
                "parameter_missing" => (problem.status, problem.code) = (400, "missing".into()),
                "parameter_unknown" | "json_invalid" => (problem.status, problem.code) = (400, "invalid".into()),
                code if code.starts_with("parameter_") => (problem.status, problem.code) = (400, "invalid".into()),
                _ => {}
            }
        }
        problem
    })
}

fn invalid(param: &str, what: &str) -> Problem {
    Problem::shape_about("invalid", param, what)
}

fn newest(dialect: Dialect) -> bool {
    dialect >= Dialect::V20260130
}

fn flat_address(dialect: Dialect) -> bool {
    dialect <= Dialect::V20250929
}

fn asked(dialect: Dialect, body: &Value, new: bool) -> Result<Ask> {
    let known: &[&str] = if newest(dialect) {
        if new {
            &[
                "line_items",
                "items",
                "currency",
                "capabilities",
                "buyer",
                "fulfillment_details",
                "fulfillment_groups",
                "affiliate_attribution",
                "coupons",
                "discounts",
                "locale",
                "timezone",
                "quote_id",
                "metadata",
                "order_notes",
                "cart_id",
            ]
        } else {
            &[
                "line_items",
                "items",
                "buyer",
                "fulfillment_details",
                "fulfillment_groups",
                "selected_fulfillment_options",
                "coupons",
                "discounts",
                "order_notes",
            ]
        }
    } else if flat_address(dialect) {
        if new { &["items", "buyer", "fulfillment_address"] } else { &["items", "buyer", "fulfillment_address", "fulfillment_option_id"] }
    } else if new {
        &["items", "buyer", "fulfillment_details", "affiliate_attribution", "agent_capabilities"]
    } else {
        &["items", "buyer", "fulfillment_details", "selected_fulfillment_options"]
    };
    let fields = Fields::open(body, "$", known)?;
    let mut ask = Ask { cart: text(&fields, "cart_id", ID)?, ..Ask::default() };
    let lines = if newest(dialect) && fields.get("line_items").is_some() { "line_items" } else { "items" };
    if fields.get(lines).is_some() {
        ask.items = Some(items(dialect, &fields, lines)?);
    } else if new && ask.cart.is_none() {
        fields.need(if newest(dialect) { "line_items" } else { "items" })?;
    }
    ask.currency = currency(&fields)?;
    if new && newest(dialect) && ask.cart.is_none() {
        fields.need("currency")?;
        fields.need("capabilities")?;
    }
    ask.buyer = patch(&fields, "buyer", |value, path| buyer(dialect, value, path))?;
    if flat_address(dialect) {
        ask.address = patch(&fields, "fulfillment_address", address)?;
        if let Some(option) = text(&fields, "fulfillment_option_id", ID)? {
            ask.selected = Patch::Set(vec![Selected { option_id: option, ..Selected::default() }]);
        } else if fields.raw("fulfillment_option_id").is_some() {
            ask.selected = Patch::Clear;
        }
    } else {
        delivery(&fields, &mut ask)?;
        ask.selected = patch(&fields, "selected_fulfillment_options", selected)?;
    }
    ask.codes = codes(&fields)?;
    ask.order_notes = patch_text(&fields, "order_notes", NOTES)?;
    ask.affiliate = affiliate(&fields)?;
    ask.metadata = kept(&fields, "metadata")?;
    ask.locale = text(&fields, "locale", 35)?;
    ask.timezone = text(&fields, "timezone", 64)?;
    ask.quote_id = text(&fields, "quote_id", ID)?;
    ask.capabilities = kept(&fields, if newest(dialect) { "capabilities" } else { "agent_capabilities" })?;
    Ok(ask)
}

fn carried(body: &Value) -> Result<Ask> {
    let fields = Fields::open(body, "$", &["line_items", "items", "buyer", "locale", "currency"])?;
    let lines = if fields.get("items").is_some() && fields.get("line_items").is_none() { "items" } else { "line_items" };
    fields.need(lines)?;
    Ok(Ask {
        items: Some(items(Dialect::V20260417, &fields, lines)?),
        buyer: patch(&fields, "buyer", |value, path| buyer(Dialect::V20260417, value, path))?,
        locale: text(&fields, "locale", 35)?,
        currency: currency(&fields)?,
        ..Ask::default()
    })
}

fn text(fields: &Fields, name: &str, max: usize) -> Result<Option<String>> {
    Ok(fields.string(name, max)?.filter(|text| !text.trim().is_empty()).map(str::to_owned))
}

fn patch<T>(fields: &Fields, name: &str, read: impl FnOnce(&Value, &str) -> Result<T>) -> Result<Patch<T>> {
    Ok(match fields.raw(name) {
        None => Patch::Keep,
        Some(Value::Null) => Patch::Clear,
        Some(value) => Patch::Set(read(value, &fields.name(name))?),
    })
}

fn patch_text(fields: &Fields, name: &str, max: usize) -> Result<Patch<String>> {
    Ok(match text(fields, name, max)? {
        Some(text) => Patch::Set(text),
        None if fields.raw(name).is_some() => Patch::Clear,
        None => Patch::Keep,
    })
}

fn currency(fields: &Fields) -> Result<Option<String>> {
    let Some(code) = fields.string("currency", 3)? else { return Ok(None) };
    if code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Ok(Some(code.to_ascii_lowercase()));
    }
    Err(invalid(&fields.name("currency"), "must be the three letters of a currency."))
}

fn items(dialect: Dialect, fields: &Fields, name: &str) -> Result<Vec<ItemAsk>> {
    let all = fields.array(name)?;
    if all.is_empty() || all.len() > ITEMS {
        return Err(invalid(&fields.name(name), &format!("must have 1 to {ITEMS} items.")));
    }
    let mut items = Vec::with_capacity(all.len());
    for (path, value) in all {
        let item = Fields::open(value, &path, &["id", "quantity", "item", "name", "unit_amount", "suggested_price"])?;
        let product = match item.get("item").filter(|_| item.get("id").is_none()) {
            Some(inner) => {
                let inner = Fields::open(inner, &item.name("item"), &["id", "quantity", "name", "unit_amount", "suggested_price"])?;
                inner.need_string("id", ID)?.to_owned()
            }
            None => item.need_string("id", ID)?.to_owned(),
        };
        if !newest(dialect) {
            item.need("quantity")?;
        }
        let quantity = match item.get("quantity") {
            None => 1,
            Some(value) => whole_quantity(value)
                .ok_or_else(|| invalid(&item.name("quantity"), &format!("must be a whole number from 1 to {QUANTITY}.")))?,
        };
        items.push(ItemAsk { product, quantity, param: path });
    }
    Ok(items)
}

fn whole_quantity(value: &Value) -> Option<i64> {
    whole(value).ok().filter(|quantity| (1..=QUANTITY).contains(quantity))
}

fn buyer(dialect: Dialect, value: &Value, path: &str) -> Result<Value> {
    let fields = Fields::open(value, path, if newest(dialect) { BUYER } else { BUYER_OLD })?;
    let mut buyer = Object::default();
    buyer.put("email", email(&fields, "email")?.ok_or_else(|| missing(&fields, "email"))?);
    for name in ["first_name", "last_name", "full_name", "phone_number", "customer_id"] {
        buyer.maybe(name, text(&fields, name, TEXT)?);
    }
    Ok(buyer.done())
}

fn missing(fields: &Fields, name: &str) -> Problem {
    let param = fields.name(name);
    Problem::shape("missing", param.clone(), format!("Missing required parameter: {param}."))
}

fn email(fields: &Fields, name: &str) -> Result<Option<String>> {
    text(fields, name, 254)
}

fn address(value: &Value, path: &str) -> Result<Address> {
    let fields = Fields::open(value, path, &["name", "line_one", "line_two", "city", "state", "country", "postal_code", "company"])?;
    let need = |name: &str| -> Result<String> { Ok(fields.need_string(name, TEXT)?.to_owned()) };
    Ok(Address {
        name: need("name")?,
        line_one: need("line_one")?,
        line_two: text(&fields, "line_two", TEXT)?,
        city: need("city")?,
        state: need("state")?,
        country: need("country")?.to_ascii_uppercase(),
        postal_code: need("postal_code")?,
        company: text(&fields, "company", TEXT)?,
    })
}

fn delivery(fields: &Fields, ask: &mut Ask) -> Result<()> {
    let Some(value) = fields.raw("fulfillment_details") else { return Ok(()) };
    if value.is_null() {
        (ask.contact, ask.address) = (Patch::Clear, Patch::Clear);
        return Ok(());
    }
    let details = Fields::open(value, &fields.name("fulfillment_details"), &["name", "phone_number", "email", "address"])?;
    let contact = Contact {
        name: text(&details, "name", TEXT)?,
        phone_number: text(&details, "phone_number", TEXT)?,
        email: email(&details, "email")?,
    };
    if contact != Contact::default() {
        ask.contact = Patch::Set(contact);
    }
    ask.address = patch(&details, "address", address)?;
    Ok(())
}

fn selected(value: &Value, path: &str) -> Result<Vec<Selected>> {
    let Value::Array(all) = value else { return Err(invalid(path, "must be an array.")) };
    let mut selected = Vec::new();
    for (place, value) in all.iter().enumerate().take(ITEMS) {
        let fields = Fields::open(value, &format!("{path}[{place}]"), &["type", "option_id", "item_ids", "shipping", "digital"])?;
        let kind = fields.need_string("type", 20)?;
        let nested = fields.get(kind).map(|inner| Fields::open(inner, &fields.name(kind), &["option_id", "item_ids"])).transpose()?;
        let inner = nested.as_ref().unwrap_or(&fields);
        let mut item_ids = Vec::new();
        for (path, id) in inner.array("item_ids")? {
            item_ids.push(id.as_str().filter(|id| id.len() <= ID).ok_or_else(|| invalid(&path, "must be an item's id."))?.to_owned());
        }
        selected.push(Selected { kind: kind.to_owned(), option_id: inner.need_string("option_id", ID)?.to_owned(), item_ids });
    }
    Ok(selected)
}

fn codes(fields: &Fields) -> Result<Patch<Vec<String>>> {
    let discounts = fields.get("discounts").map(|value| Fields::open(value, &fields.name("discounts"), &["codes"])).transpose()?;
    let (fields, name) = match &discounts {
        Some(discounts) => (discounts, "codes"),
        None => (fields, "coupons"),
    };
    if fields.raw(name).is_none() {
        return Ok(Patch::Keep);
    }
    let all = fields.array(name)?;
    if all.len() > CODES {
        return Err(invalid(&fields.name(name), &format!("may have at most {CODES} codes.")));
    }
    let mut codes = Vec::new();
    for (path, code) in all {
        codes.push(code.as_str().filter(|code| code.len() <= 100).ok_or_else(|| invalid(&path, "must be a code."))?.to_owned());
    }
    Ok(if codes.is_empty() { Patch::Clear } else { Patch::Set(codes) })
}

fn affiliate(fields: &Fields) -> Result<Option<Value>> {
    kept(fields, "affiliate_attribution")
}

fn kept(fields: &Fields, name: &str) -> Result<Option<Value>> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    if !value.is_object() {
        return Err(invalid(&fields.name(name), "must be an object."));
    }
    if value.to_string().len() > KEPT {
        return Err(invalid(&fields.name(name), &format!("may have at most {KEPT} characters.")));
    }
    Ok(Some(value.clone()))
}

fn paid(dialect: Dialect, body: &Value) -> Result<Payment> {
    let fields = Fields::open(
        body,
        "$",
        &[
            "payment_data",
            "buyer",
            "authentication_result",
            "affiliate_attribution",
            "risk_signals",
            "marketing_consents",
            "order_notes",
            "fulfillment_details",
        ],
    )?;
    let mut ask = Ask {
        buyer: patch(&fields, "buyer", |value, path| buyer(dialect, value, path))?,
        order_notes: patch_text(&fields, "order_notes", NOTES)?,
        affiliate: affiliate(&fields)?,
        ..Ask::default()
    };
    delivery(&fields, &mut ask)?;
    let data = Fields::open(
        fields.need("payment_data")?,
        &fields.name("payment_data"),
        &["token", "provider", "billing_address", "handler_id", "instrument"],
    )?;
    let token = match data.get("instrument") {
        Some(instrument) => {
            let instrument = Fields::open(instrument, &data.name("instrument"), &["type", "credential"])?;
            let credential = Fields::open(instrument.need("credential")?, &instrument.name("credential"), &["type", "token"])?;
            credential.need_string("token", ID)?.to_owned()
        }
        None => data.need_string("token", ID)?.to_owned(),
    };
    let authentication = match fields.get("authentication_result") {
        None => None,
        Some(value) => {
            let result = Fields::open(value, &fields.name("authentication_result"), &["outcome", "outcome_details"])?;
            Some(Authentication { outcome: result.need_string("outcome", 50)?.to_owned(), ..Authentication::default() })
        }
    };
    Ok(Payment {
        token,
        handler_id: text(&data, "handler_id", ID)?,
        billing: match patch(&data, "billing_address", address)? {
            Patch::Set(address) => Some(address),
            _ => None,
        },
        ask,
        authentication,
        risk: kept(&fields, "risk_signals")?,
        consents: Vec::new(),
    })
}

fn given_up(dialect: Dialect, body: &Value) -> Result<Cancel> {
    let trace = if dialect >= Dialect::V20251212 { body.get("intent_trace") } else { None };
    Ok(Cancel { trace: trace.filter(|trace| trace.is_object() && trace.to_string().len() <= KEPT).cloned() })
}
