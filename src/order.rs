//! An order of an agent's, as it is kept and as its shop changes it (contract, *ACP*): which way its status may move, deliveries,
//! and what refunds and disputes make of it. What it says on the wire is [`crate::acp::order`]'s.

use crate::acp::dialect::Dialect;
use crate::acp::order::{self, Adjustment, Fulfillment, FulfillmentEvent, LineRef, OrderDoc};
use crate::aftermath::Aftermath;
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::ledger::{Row, stored};
use crate::record::{self, Json, Member};
use crate::text;
use crate::weburl::{self, WebUrl};
use serde_json::Value;

/// Where an order stands, in the words of the newest version. The first is every order's beginning.
pub const STATUSES: [&str; 7] = ["created", "manual_review", "confirmed", "processing", "shipped", "completed", "canceled"];
/// Where a delivery stands.
pub const DELIVERIES: [&str; 9] =
    ["pending", "processing", "shipped", "in_transit", "out_for_delivery", "ready_for_pickup", "delivered", "failed", "canceled"];
const DELIVERY_KINDS: [&str; 3] = ["shipping", "pickup", "digital"];
/// What happens to a delivery. Others are a mistake of the caller's rather than news of a carrier's.
const HAPPENINGS: [&str; 10] = [
    "processing",
    "shipped",
    "in_transit",
    "out_for_delivery",
    "ready_for_pickup",
    "delivered",
    "failed_attempt",
    "returned_to_sender",
    "canceled",
    "undeliverable",
];
/// How the id of a delivery begins that its shop gave none.
const OURS: &str = "ful_";
const MAX_FULFILLMENTS: usize = 100;
const MAX_EVENTS: usize = 100;
/// Times that a caller may name, Unix seconds.
const LAST_TIME: i64 = 253_402_300_799;

record! {
    /// An order as D1 has it. Times are Unix seconds.
    #[derive(Debug, PartialEq)]
    pub struct OrderRow {
        pub id: String,
        pub shop_id: String,
        pub agent_id: Option<String>,
        pub livemode: i64,
        pub dialect: Option<String>,
        /// The agent's checkout.
        pub checkout_session: String,
        pub transaction_id: String,
        /// The shop's own id of it, and what it tells the buyer; once it has told.
        pub order_id: Option<String>,
        pub order_number: Option<String>,
        pub permalink_url: Option<String>,
        pub status: String,
        /// As it was sold: an [`OrderDoc`], as JSON.
        pub body: String,
        pub fulfillments: String,
        pub adjustments: String,
        /// Counts the changes.
        pub version: i64,
        pub created: i64,
        pub updated: i64,
    }
}

/// Where an order of a shop's is to be seen, as long as the shop has not said so itself.
#[derive(Debug, Clone, Copy)]
pub struct Home<'a> {
    /// The shop's `order_url_template`.
    pub template: Option<&'a str>,
    pub public_url: &'a str,
}

impl Home<'_> {
    /// The address of an order (`ord_…`), of which the shop may have told its own id.
    pub fn of(&self, order: &str, order_id: Option<&str>) -> String {
        let own = self.template.and_then(|template| weburl::fill_order(template, order, order_id));
        own.unwrap_or_else(|| format!("{}/orders/{order}", self.public_url))
    }
}

/// By what an order is found again on its page.
pub fn email_key(email: &str) -> String {
    text::folded(email.trim())
}

/// A list of ours; text that cannot be read is a fault, never an empty list.
fn list<T: Member>(text: &str) -> Result<Vec<T>> {
    Vec::read(Some(stored(text))).ok_or_else(|| Problem::fault("unreadable list of an order"))
}

impl OrderRow {
    /// The whole document, as it is now.
    pub fn doc(&self, home: &Home<'_>) -> Result<OrderDoc> {
        let mut doc = OrderDoc::stored(&self.body).map_err(Problem::fault)?;
        doc.id.clone_from(&self.id);
        doc.order_id.clone_from(&self.order_id);
        doc.order_number.clone_from(&self.order_number);
        doc.permalink_url = self.permalink_url.clone().unwrap_or_else(|| home.of(&self.id, self.order_id.as_deref()));
        doc.status.clone_from(&self.status);
        doc.fulfillments = list(&self.fulfillments)?;
        doc.adjustments = list(&self.adjustments)?;
        doc.updated = self.updated;
        Ok(doc)
    }

    /// In which words its agent is told of it.
    pub fn dialect(&self) -> Option<Dialect> {
        Dialect::stored(self.dialect.as_deref()?)
    }
}

/// Type and body of an event.
pub fn event(dialect: Dialect, created: bool, doc: &OrderDoc) -> (String, String) {
    let event = order::event(dialect, created, doc);
    let kind = event.get("type").and_then(Value::as_str).unwrap_or("order_update").to_owned();
    (kind, event.text())
}

/// What a shop wants changed. A member that is named and `null` is taken back.
#[derive(Debug, Default)]
pub struct Wish {
    pub order_id: Option<Option<String>>,
    pub order_number: Option<Option<String>>,
    /// Still to be held against the shop's own origins.
    pub permalink_url: Option<Option<String>>,
    pub status: Option<&'static str>,
    pub fulfillments: Vec<Delivery>,
}

/// What a shop says of one delivery. What it does not say stays.
#[derive(Debug, Default)]
pub struct Delivery {
    param: String,
    id: Option<String>,
    kind: Option<&'static str>,
    status: Option<&'static str>,
    line_items: Option<Vec<(String, String, Option<i64>)>>,
    carrier: Option<Option<String>>,
    tracking_number: Option<Option<String>>,
    tracking_url: Option<Option<String>>,
    description: Option<Option<String>>,
    estimated: Option<Option<(i64, i64)>>,
    access_url: Option<Option<String>>,
    license_key: Option<Option<String>>,
    access_expires_at: Option<Option<i64>>,
    events: Vec<Happening>,
}

#[derive(Debug)]
struct Happening {
    id: Option<String>,
    kind: &'static str,
    at: Option<i64>,
    description: Option<String>,
    location: Option<String>,
}

fn word(fields: &Fields<'_>, member: &str, words: &[&'static str]) -> Result<Option<&'static str>> {
    let pairs: Vec<(&str, &'static str)> = words.iter().map(|word| (*word, *word)).collect();
    fields.choice(member, &pairs)
}

/// Text that may be taken back: `None` where it is not named.
fn text(fields: &Fields<'_>, member: &str, max: usize) -> Result<Option<Option<String>>> {
    match fields.raw(member) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(_) => Ok(Some(Some(fields.need_string(member, max)?.to_owned()))),
    }
}

/// An address on any host, for a browser to follow: a carrier's, or where a download lies.
fn link(fields: &Fields<'_>, member: &str, allow_local: bool) -> Result<Option<Option<String>>> {
    let Some(Some(raw)) = text(fields, member, 1000)? else { return text(fields, member, 1000) };
    match WebUrl::parse(&raw, allow_local) {
        Ok(url) => Ok(Some(Some(url.to_string()))),
        Err(why) => Err(Problem::value_about("url_not_allowed", &fields.name(member), &format!("is not allowed: {why}."))),
    }
}

fn own_id(fields: &Fields<'_>, member: &str) -> Result<Option<Option<String>>> {
    Ok(match fields.raw(member) {
        None => None,
        Some(_) => Some(fields.id(member, 200)?),
    })
}

/// An id that a shop chose for a delivery or for what happened to it.
fn chosen_id(fields: &Fields<'_>) -> Result<Option<String>> {
    let Some(id) = fields.string("id", 64)? else { return Ok(None) };
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b)) {
        return Err(Problem::value_about("parameter_invalid", &fields.name("id"), "must be 1 to 64 of A-Z, a-z, 0-9, _, -, . and :."));
    }
    Ok(Some(id.to_owned()))
}

/// Reads the body of `PATCH /v1/orders/{id}`.
pub fn read(body: &Value, allow_local: bool) -> Result<Wish> {
    let fields = Fields::open(body, "", &["order_id", "order_number", "permalink_url", "status", "fulfillments"])?;
    // What the oldest version calls a completed one.
    let status = match fields.get("status") {
        Some(Value::String(word)) if word == "fulfilled" => Some("completed"),
        _ => word(&fields, "status", &STATUSES)?,
    };
    let mut fulfillments = Vec::new();
    for (param, value) in fields.array("fulfillments")? {
        fulfillments.push(delivery(value, param, allow_local)?);
    }
    Ok(Wish {
        order_id: own_id(&fields, "order_id")?,
        order_number: own_id(&fields, "order_number")?,
        permalink_url: text(&fields, "permalink_url", 1000)?,
        status,
        fulfillments,
    })
}

/// What a shop's answer to `order.created` says. It may hold whatever else a shop answers with.
pub fn read_answer(body: &[u8]) -> Option<Wish> {
    let value: Value = record::parsed(body).ok()?;
    let fields = Fields::lenient(&value, "").ok()?;
    let order_id = fields.id("order_id", 200).ok()?;
    let permalink = fields.string("permalink_url", 1000).ok()?.filter(|url| !url.is_empty()).map(str::to_owned);
    let wish = Wish { order_id: order_id.map(Some), permalink_url: permalink.map(Some), ..Wish::default() };
    (wish.order_id.is_some() || wish.permalink_url.is_some()).then_some(wish)
}

const DELIVERY_MEMBERS: [&str; 13] = [
    "id",
    "type",
    "status",
    "line_items",
    "carrier",
    "tracking_number",
    "tracking_url",
    "description",
    "estimated_delivery",
    "access_url",
    "license_key",
    "access_expires_at",
    "events",
];

fn delivery(value: &Value, param: String, allow_local: bool) -> Result<Delivery> {
    let fields = Fields::open(value, &param, &DELIVERY_MEMBERS)?;
    let mut line_items = None;
    if fields.get("line_items").is_some() {
        let mut lines = Vec::new();
        for (param, value) in fields.array("line_items")? {
            let line = Fields::open(value, &param, &["id", "quantity"])?;
            line.need("id")?;
            lines.push((param.clone(), line.id("id", 200)?.unwrap_or_default(), line.integer("quantity", 1, 999_999)?));
        }
        line_items = Some(lines);
    }
    let estimated = match fields.raw("estimated_delivery") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(value) => {
            let window = Fields::open(value, &fields.name("estimated_delivery"), &["earliest", "latest"])?;
            window.need("earliest")?;
            window.need("latest")?;
            let (earliest, latest) = (window.integer("earliest", 0, LAST_TIME)?, window.integer("latest", 0, LAST_TIME)?);
            let both = earliest.zip(latest).filter(|(earliest, latest)| earliest <= latest);
            if both.is_none() {
                return Err(Problem::value_about("parameter_invalid", &window.name("latest"), "must not be before earliest."));
            }
            Some(both)
        }
    };
    let access_expires_at = match fields.raw("access_expires_at") {
        None => None,
        Some(_) => Some(fields.integer("access_expires_at", 0, LAST_TIME)?),
    };
    let mut events = Vec::new();
    for (param, value) in fields.array("events")? {
        events.push(happening(value, &param)?);
    }
    Ok(Delivery {
        id: chosen_id(&fields)?,
        kind: word(&fields, "type", &DELIVERY_KINDS)?,
        status: word(&fields, "status", &DELIVERIES)?,
        line_items,
        carrier: text(&fields, "carrier", 100)?,
        tracking_number: text(&fields, "tracking_number", 100)?,
        tracking_url: link(&fields, "tracking_url", allow_local)?,
        description: text(&fields, "description", 500)?,
        estimated,
        access_url: link(&fields, "access_url", allow_local)?,
        license_key: text(&fields, "license_key", 1000)?,
        access_expires_at,
        events,
        param,
    })
}

fn happening(value: &Value, param: &str) -> Result<Happening> {
    let fields = Fields::open(value, param, &["id", "type", "occurred_at", "description", "location"])?;
    fields.need("type")?;
    let kind = word(&fields, "type", &HAPPENINGS)?.unwrap_or_default();
    Ok(Happening {
        id: chosen_id(&fields)?,
        kind,
        at: fields.integer("occurred_at", 0, LAST_TIME)?,
        description: text(&fields, "description", 500)?.flatten(),
        location: text(&fields, "location", 200)?.flatten(),
    })
}

/// Whether an order may go from one status to another: forward, to a review by hand while nothing was shipped, and back from that.
/// What is completed or canceled stays so.
pub fn may_follow(from: &str, to: &str) -> bool {
    let place = |status: &str| STATUSES.iter().position(|known| *known == status);
    match (from, to) {
        (from, to) if from == to => true,
        ("completed" | "canceled", _) => false,
        (_, "canceled") => true,
        (from, "manual_review") => matches!(from, "created" | "confirmed" | "processing"),
        (from, to) => place(from) < place(to),
    }
}

/// The order as a shop wants it; `None` where nothing changes.
pub fn change(row: &OrderRow, wish: &Wish, now: i64) -> Result<Option<Box<OrderRow>>> {
    let mut after = Box::new(row.clone());
    let set = |place: &mut Option<String>, wish: &Option<Option<String>>| {
        if let Some(value) = wish {
            place.clone_from(value);
        }
    };
    set(&mut after.order_id, &wish.order_id);
    set(&mut after.order_number, &wish.order_number);
    set(&mut after.permalink_url, &wish.permalink_url);
    if let Some(to) = wish.status {
        if !may_follow(&row.status, to) {
            let problem = format!("This order is {}; it cannot become {to}.", row.status);
            return Err(Problem::value("order_unexpected_state", "status", problem));
        }
        to.clone_into(&mut after.status);
    }
    if !wish.fulfillments.is_empty() {
        let doc = OrderDoc::stored(&row.body).map_err(Problem::fault)?;
        let mut known: Vec<Fulfillment> = list(&row.fulfillments)?;
        let mut named: Vec<usize> = Vec::new();
        for delivery in &wish.fulfillments {
            let alike =
                |other: &&Delivery| other.id.is_none() && (other.kind == delivery.kind || other.kind.is_none() || delivery.kind.is_none());
            let alike = wish.fulfillments.iter().filter(alike).count();
            let place = deliver(&doc, &mut known, delivery, (&named, alike), now)?;
            named.push(place);
        }
        after.fulfillments = known.text();
    }
    Ok(changed(row, after, now))
}

fn changed(row: &OrderRow, mut after: Box<OrderRow>, now: i64) -> Option<Box<OrderRow>> {
    if *after == *row {
        return None;
    }
    after.version = row.version.saturating_add(1);
    after.updated = now.max(row.updated);
    Some(after)
}

/// Which delivery is meant: the one of the id; without one, that of the tracking number; without such a one, one that was told without an
/// id too, has no number yet and takes the same along, the first for the first that could mean it. So a request that is sent again
/// doubles nothing, and a parcel that gets its number is still the same. `named` are those that the request spoke of already, `alike` is
/// how many of its deliveries, this one with them, have no id and may be of this kind.
fn meant(doc: &OrderDoc, known: &[Fulfillment], told: &Delivery, named: &[usize], alike: usize) -> Result<Option<usize>> {
    if let Some(id) = &told.id {
        return Ok(known.iter().position(|one| one.id == *id));
    }
    let of_kind = |one: &Fulfillment| told.kind.is_none_or(|kind| kind == one.kind);
    let number = told.tracking_number.as_ref().and_then(Option::as_ref);
    if let Some(place) = known.iter().position(|one| number.is_some() && one.tracking_number.as_ref() == number && of_kind(one)) {
        return Ok(Some(place));
    }
    let lines = told.line_items.as_ref().map(|lines| line_refs(doc, lines)).transpose()?;
    let fits = |one: &Fulfillment| {
        let over = ended(&one.status) && told.status.is_some_and(|status| status != one.status);
        let numberless = one.id.starts_with(OURS) && one.tracking_number.is_none();
        of_kind(one) && numberless && !over && lines.as_ref().is_none_or(|lines| *lines == one.line_items)
    };
    let fitting: Vec<usize> = known.iter().enumerate().filter(|(_, one)| fits(one)).map(|(place, _)| place).collect();
    if fitting.len() > alike {
        let what = "is needed: several deliveries of this order could be meant.";
        return Err(Problem::shape_about("parameter_missing", &format!("{}[id]", told.param), what));
    }
    Ok(fitting.into_iter().find(|place| !named.contains(place)))
}

fn ended(status: &str) -> bool {
    matches!(status, "delivered" | "canceled")
}

/// Takes in what is said of one delivery, and answers which one it is. See [`meant`].
fn deliver(doc: &OrderDoc, known: &mut Vec<Fulfillment>, told: &Delivery, (named, alike): (&[usize], usize), now: i64) -> Result<usize> {
    let place = meant(doc, known, told, named, alike)?;
    if place.is_some_and(|place| named.contains(&place)) {
        let what = "speaks of a delivery that stands before it already; two of them need ids.";
        return Err(Problem::value_about("parameter_invalid", &told.param, what));
    }
    let others = |known: &[Fulfillment]| -> Vec<Fulfillment> {
        known.iter().enumerate().filter(|(at, _)| Some(*at) != place).map(|(_, one)| one.clone()).collect()
    };
    let mut one = match place.and_then(|place| known.get(place)) {
        Some(one) => one.clone(),
        None => {
            let kind = told.kind.ok_or_else(|| {
                let param = format!("{}[type]", told.param);
                Problem::shape("parameter_missing", param.clone(), format!("Missing required parameter: {param}."))
            })?;
            let id = told.id.clone().unwrap_or_else(|| free_id(OURS, known.iter().map(|one| one.id.as_str())));
            let line_items = if told.line_items.is_some() { Vec::new() } else { left(doc, &others(known)) };
            Fulfillment { id, kind: kind.to_owned(), status: "pending".to_owned(), line_items, ..Fulfillment::default() }
        }
    };
    if let Some(kind) = told.kind {
        kind.clone_into(&mut one.kind);
    }
    let set = |place: &mut Option<String>, told: &Option<Option<String>>| {
        if let Some(value) = told {
            place.clone_from(value);
        }
    };
    set(&mut one.carrier, &told.carrier);
    set(&mut one.tracking_number, &told.tracking_number);
    set(&mut one.tracking_url, &told.tracking_url);
    set(&mut one.description, &told.description);
    set(&mut one.access_url, &told.access_url);
    set(&mut one.license_key, &told.license_key);
    if let Some(expires) = told.access_expires_at {
        one.access_expires_at = expires;
    }
    if let Some(window) = told.estimated {
        (one.earliest, one.latest) = window.unzip();
    }
    if let Some(lines) = &told.line_items {
        one.line_items = line_refs(doc, lines)?;
    }
    let before = one.status.clone();
    if let Some(to) = told.status {
        if ended(&before) && before != to {
            let problem = format!("This delivery is {before}; it cannot become {to}.");
            return Err(Problem::value("order_unexpected_state", format!("{}[status]", told.param), problem));
        }
        to.clone_into(&mut one.status);
    }
    happen(&mut one, told, &before, now)?;
    if moves(&one) {
        enough(doc, &others(known), &one, &told.param)?;
    }
    match place {
        Some(place) => {
            known.splice(place..=place, [one]);
            Ok(place)
        }
        None if known.len() >= MAX_FULFILLMENTS => {
            let problem = format!("An order has at most {MAX_FULFILLMENTS} deliveries.");
            Err(Problem::value("parameter_invalid", "fulfillments", problem))
        }
        None => {
            known.push(one);
            Ok(known.len().saturating_sub(1))
        }
    }
}

/// The first id of ours that nothing has.
fn free_id<'a>(prefix: &str, taken: impl Iterator<Item = &'a str> + Clone) -> String {
    (1_u32..).map(|number| format!("{prefix}{number}")).find(|id| !taken.clone().any(|known| known == id)).unwrap_or_default()
}

/// Whether it takes goods along.
fn moves(one: &Fulfillment) -> bool {
    !matches!(one.status.as_str(), "failed" | "canceled")
}

fn on_the_way(others: &[Fulfillment], line: &str) -> i64 {
    let all = others.iter().filter(|one| moves(one)).flat_map(|one| &one.line_items);
    all.filter(|item| item.id == line).fold(0, |sum, item| sum.saturating_add(item.quantity))
}

/// What no delivery takes along yet.
fn left(doc: &OrderDoc, others: &[Fulfillment]) -> Vec<LineRef> {
    let left = |line: &crate::acp::session::Line| line.quantity.saturating_sub(on_the_way(others, &line.id));
    doc.lines.iter().map(|line| LineRef { id: line.id.clone(), quantity: left(line) }).filter(|item| item.quantity > 0).collect()
}

/// Lines are named by their own id or by the product's.
fn line_refs(doc: &OrderDoc, told: &[(String, String, Option<i64>)]) -> Result<Vec<LineRef>> {
    let mut refs: Vec<LineRef> = Vec::new();
    for (param, id, quantity) in told {
        let line = doc.lines.iter().find(|line| line.id == *id).or_else(|| doc.lines.iter().find(|line| line.product == *id));
        let line = line.ok_or_else(|| Problem::value_about("parameter_invalid", &format!("{param}[id]"), "is no line of this order."))?;
        if refs.iter().any(|known| known.id == line.id) {
            return Err(Problem::value_about("parameter_invalid", &format!("{param}[id]"), "is named twice."));
        }
        refs.push(LineRef { id: line.id.clone(), quantity: quantity.unwrap_or(line.quantity) });
    }
    Ok(refs)
}

/// Nothing is delivered twice.
fn enough(doc: &OrderDoc, others: &[Fulfillment], one: &Fulfillment, param: &str) -> Result<()> {
    for item in &one.line_items {
        let ordered = doc.lines.iter().find(|line| line.id == item.id).map_or(0, |line| line.quantity);
        let elsewhere = on_the_way(others, &item.id);
        if elsewhere.saturating_add(item.quantity) > ordered {
            let problem = format!("{ordered} of {} were ordered; with this delivery there would be {} more.", item.id, {
                elsewhere.saturating_add(item.quantity).saturating_sub(ordered)
            });
            return Err(Problem::value("parameter_invalid", format!("{param}[line_items]"), problem));
        }
    }
    Ok(())
}

/// Adds what happened. It is told from what is known by its id, else by when it was, else by its words: a second failed attempt wants
/// one of the first two, or it is a request that was sent again. A status that nothing explains is something that happened by itself.
fn happen(one: &mut Fulfillment, told: &Delivery, before: &str, now: i64) -> Result<()> {
    for event in &told.events {
        let again = one.events.iter().any(|known| match (&event.id, event.at) {
            (Some(id), _) => known.id == *id,
            (None, Some(at)) => known.kind == event.kind && known.occurred_at == at,
            (None, None) => known.kind == event.kind && known.description == event.description && known.location == event.location,
        });
        if !again {
            let happened = FulfillmentEvent {
                id: event.id.clone().unwrap_or_default(),
                kind: event.kind.to_owned(),
                occurred_at: event.at.unwrap_or(now),
                description: event.description.clone(),
                location: event.location.clone(),
            };
            add(one, happened);
        }
    }
    if let Some(status) = told.status.filter(|status| *status != before && told.events.is_empty()) {
        let kind = if status == "failed" { "undeliverable" } else { status };
        if HAPPENINGS.contains(&kind) {
            add(one, FulfillmentEvent { kind: kind.to_owned(), occurred_at: now, ..FulfillmentEvent::default() });
        }
    }
    if one.events.len() > MAX_EVENTS {
        return Err(Problem::value_about("parameter_invalid", &format!("{}[events]", told.param), "are more than 100 of one delivery."));
    }
    Ok(())
}

fn add(one: &mut Fulfillment, mut happened: FulfillmentEvent) {
    if happened.id.is_empty() {
        happened.id = free_id("fe_", one.events.iter().map(|known| known.id.as_str()));
    }
    one.events.push(happened);
}

/// The order after something happened to its payment; `None` where that shows nothing new.
pub fn adjust(order: &OrderRow, transaction: &Row, now: i64) -> Result<Option<Box<OrderRow>>> {
    let mut after = Box::new(order.clone());
    after.adjustments = adjustments(transaction)?.text();
    Ok(changed(order, after, now))
}

/// What refunds and disputes of a payment are to its order, the oldest first.
pub fn adjustments(transaction: &Row) -> Result<Vec<Adjustment>> {
    let known = Aftermath::of(transaction)?;
    let mut all = Vec::new();
    for refund in known.refunds.iter().filter(|refund| !refund.reserved()) {
        let status = match refund.status.as_str() {
            "succeeded" => "completed",
            "failed" | "canceled" => "failed",
            _ => "pending",
        };
        all.push(Adjustment {
            id: refund.id.clone().unwrap_or_default(),
            kind: "refund".to_owned(),
            status: status.to_owned(),
            amount: Some(refund.amount),
            currency: Some(transaction.currency.clone()),
            reason: refund.reason.clone(),
            occurred_at: refund.created,
            ..Adjustment::default()
        });
    }
    for case in &known.disputes {
        // The buyer has his money back only of one that was lost.
        let status = match case.status.as_str() {
            "lost" => "completed",
            _ if case.stands() => "pending",
            _ => "failed",
        };
        all.push(Adjustment {
            id: case.id.clone(),
            kind: "dispute".to_owned(),
            status: status.to_owned(),
            amount: Some(case.amount),
            currency: Some(transaction.currency.clone()),
            reason: case.reason.clone(),
            occurred_at: case.created,
            ..Adjustment::default()
        });
    }
    all.sort_by(|one, other| (one.occurred_at, &one.id).cmp(&(other.occurred_at, &other.id)));
    Ok(all)
}
