//! What agents send, in each version's words, made into what the core understands.
//!
//! The schemas are tables here ([`Rule`]), with bounds added: what is read is checked and copied member by member, so that nothing unknown
//! and nothing unbounded reaches a document. The official ones are closed, and an unknown member is refused with its path (RFC 9535) in
//! the words of the version that is spoken. Accepted beyond them is what the protocol's own documents contradict each other about and
//! published clients send; each such place says so.

use super::ask::{Ask, Authentication, Cancel, ItemAsk, Patch, Payment};
use super::dialect::Dialect;
use super::session::{Address, Contact, Selected};
use super::time::is_rfc3339;
use super::write::HANDLER;
use crate::error::{Kind, Problem, Result};
use crate::fields::Fields;
use crate::record::{Json, Member, Record};
use serde_json::{Map, Value};

/// Lines of one checkout.
const ITEMS: usize = 100;
/// Pieces of one line.
const QUANTITY: i64 = 999_999;
/// Discount codes of one checkout.
const CODES: usize = 20;
/// Groups, chosen options, consents: nobody needs more.
const FEW: usize = 20;
/// Characters of an id, of a line of text, of a note.
const ID: usize = 255;
const TEXT: usize = 255;
const NOTES: usize = 5_000;
/// Bytes of an object or a list that is kept as JSON.
const KEPT: usize = 16_384;

/// What a member can be.
enum Shape {
    /// So many characters at most. Blank is absent: the examples write the second line of an address that has none as `""`.
    Text(usize),
    /// Must be there and may be blank: not every country has states and postal codes.
    Blank,
    Email,
    Phone,
    Country,
    /// The tag of a language, the name of a timezone.
    Tag,
    /// RFC 3339.
    Time,
    Word(&'static [&'static str]),
    Integer,
    Flag,
    /// A list of so many texts, each of so many characters.
    Texts(usize, usize),
    /// A list of names, each a text or an object that has one: the names.
    Names,
    /// Names, and values that are no objects and no lists.
    Flat,
    /// An object, whatever is in it.
    Any,
    /// These and no others.
    Closed(&'static [Rule]),
    /// Others are ignored.
    Open(&'static [Rule]),
    /// A list of closed objects.
    List(&'static [Rule]),
}

/// A member of an object.
struct Rule {
    name: &'static str,
    needed: bool,
    shape: Shape,
}

const fn may(name: &'static str, shape: Shape) -> Rule {
    Rule { name, needed: false, shape }
}

const fn need(name: &'static str, shape: Shape) -> Rule {
    Rule { name, needed: true, shape }
}

use Shape::*;

const ADDRESS: &[Rule] = &[
    need("name", Text(TEXT)),
    need("line_one", Text(TEXT)),
    may("line_two", Text(TEXT)),
    need("city", Text(TEXT)),
    need("state", Blank),
    need("country", Country),
    need("postal_code", Blank),
    // Since 2026-04-17, and not in its OpenAPI document.
    may("company", Text(TEXT)),
];

const DETAILS: &[Rule] = &[may("name", Text(TEXT)), may("phone_number", Phone), may("email", Email), may("address", Closed(ADDRESS))];

/// Until 2026-01-16.
const OLD_BUYER: &[Rule] =
    &[need("first_name", Text(TEXT)), need("last_name", Text(TEXT)), need("email", Email), may("phone_number", Phone)];

const BUYER: &[Rule] = &[
    need("email", Email),
    may("first_name", Text(TEXT)),
    may("last_name", Text(TEXT)),
    may("full_name", Text(TEXT)),
    may("phone_number", Phone),
    may("customer_id", Text(ID)),
    may("account_type", Word(&["guest", "registered", "business"])),
    may("authentication_status", Word(&["authenticated", "guest", "requires_signin"])),
    may("company", Closed(COMPANY)),
    may("loyalty", Closed(&[may("tier", Text(TEXT)), may("points_balance", Integer), may("member_since", Time)])),
    may("tax_exemption", Closed(EXEMPTION)),
];

const COMPANY: &[Rule] =
    &[need("name", Text(TEXT)), may("tax_id", Text(TEXT)), may("department", Text(TEXT)), may("cost_center", Text(TEXT))];

const EXEMPTION: &[Rule] = &[
    need("certificate_id", Text(TEXT)),
    need("certificate_type", Word(&["resale", "exempt_organization", "government"])),
    may("exempt_regions", Texts(100, 20)),
    may("expires_at", Time),
];

/// rfc.affiliate_attribution; unknown members are ignored (section 8.2).
const ATTRIBUTION: &[Rule] = &[
    need("provider", Text(ID)),
    may("token", Text(2_000)),
    may("publisher_id", Text(ID)),
    may("campaign_id", Text(ID)),
    may("creative_id", Text(ID)),
    may("sub_id", Text(ID)),
    may("source", Closed(&[need("type", Word(&["url", "platform", "unknown"])), may("url", Text(2_000))])),
    may("issued_at", Time),
    may("expires_at", Time),
    may("touchpoint", Word(&["first", "last"])),
    may("metadata", Flat),
];

const DELIVERIES: &[&str] = &["shipping", "pickup", "local_delivery", "digital"];
const CHOICE: &[Rule] = &[may("option_id", Text(ID)), may("item_ids", Texts(ITEMS, ID))];

/// `{type, option_id, item_ids}`, or `{type, shipping: {option_id, item_ids}}` as it was before 2026-01-30 and as later examples still
/// write it. rfc.agentic_checkout's examples leave `type` away.
const SELECTED: &[Rule] = &[
    may("type", Word(DELIVERIES)),
    may("option_id", Text(ID)),
    may("item_ids", Texts(ITEMS, ID)),
    may("shipping", Closed(CHOICE)),
    may("digital", Closed(CHOICE)),
];

const GROUPS: &[Rule] = &[
    need("id", Text(ID)),
    need("item_ids", Texts(ITEMS, ID)),
    need("destination_type", Word(DELIVERIES)),
    may("fulfillment_details", Closed(DETAILS)),
    may("location_id", Text(ID)),
    may("instructions", Text(500)),
];

/// What the agent can do, as far as anything depends on it. Unknown values are ignored (rfc.capability_negotiation, section 4.6.2).
const CAPABILITIES: &[Rule] = &[may("interventions", Open(&[may("supported", Texts(FEW, 100))])), may("extensions", Names)];

const OLD_PAYMENT: &[Rule] = &[need("token", Text(ID)), need("provider", Word(&["stripe"])), may("billing_address", Closed(ADDRESS))];

/// Since 2026-01-30; `{token, provider}` is still in the examples.
const PAYMENT: &[Rule] = &[
    may("handler_id", Text(ID)),
    // Further members of an instrument are its handler's to define. The examples of the MCP binding have the token right in it.
    may("instrument", Open(&[may("token", Text(ID)), may("credential", Open(&[need("token", Text(ID))]))])),
    may("billing_address", Closed(ADDRESS)),
    may("token", Text(ID)),
    may("provider", Word(&["stripe"])),
    may("purchase_order_number", Text(ID)),
    may("payment_terms", Word(&["immediate", "net_15", "net_30", "net_60", "net_90"])),
    may("due_date", Time),
    may("approval_required", Flag),
];

/// Of all versions: `authenticated` to `attempt` are those of 2026-01-16.
const OUTCOMES: &[&str] = &[
    "authenticated",
    "failed",
    "unavailable",
    "rejected",
    "attempt",
    "abandoned",
    "attempt_acknowledged",
    "canceled",
    "denied",
    "informational",
    "internal_error",
    "not_supported",
    "processing_error",
];

const AUTHENTICATION: &[Rule] = &[
    need("outcome", Word(OUTCOMES)),
    // Of a refusal the examples tell less than the schemas want; of a success, see `authentication`.
    may(
        "outcome_details",
        Closed(&[
            may("three_ds_cryptogram", Text(ID)),
            may("electronic_commerce_indicator", Word(&["01", "02", "05", "06", "07"])),
            may("transaction_id", Text(ID)),
            may("version", Text(20)),
        ]),
    ),
];

const SIGNALS: &[Rule] = &[
    may("ip_address", Text(64)),
    may("user_agent", Text(1_000)),
    may("accept_language", Text(TEXT)),
    may("session_id", Text(ID)),
    may("device_fingerprint", Text(1_000)),
];

/// rfc.intent_traces: only what is malformed is refused.
const TRACE: &[Rule] = &[need("reason_code", Text(ID)), may("trace_summary", Text(500)), may("metadata", Flat)];

const CREATE: u8 = 1;
const UPDATE: u8 = 2;
const COMPLETE: u8 = 4;
const CART: u8 = 8;

/// A member of a body: of which bodies, and since which version up to which.
type Known = (Rule, u8, Dialect, Dialect);

use Dialect::{Stripe, V20250929, V20251212, V20260116, V20260130, V20260417};

const MEMBERS: &[Known] = &[
    (may("buyer", Closed(OLD_BUYER)), CREATE | UPDATE | COMPLETE, Stripe, V20260116),
    (may("buyer", Closed(BUYER)), CREATE | UPDATE | COMPLETE | CART, V20260130, V20260417),
    (may("fulfillment_address", Closed(ADDRESS)), CREATE | UPDATE, Stripe, V20250929),
    (may("fulfillment_option_id", Text(ID)), UPDATE, Stripe, V20250929),
    // In a completion since the release after 2026-04-17, and for the contact only: the address is compared.
    (may("fulfillment_details", Closed(DETAILS)), CREATE | UPDATE | COMPLETE, V20251212, V20260417),
    (may("selected_fulfillment_options", List(SELECTED)), UPDATE, V20251212, V20260417),
    (may("affiliate_attribution", Open(ATTRIBUTION)), CREATE | COMPLETE, V20251212, V20260417),
    (need("payment_data", Closed(OLD_PAYMENT)), COMPLETE, Stripe, V20260116),
    (need("payment_data", Closed(PAYMENT)), COMPLETE, V20260130, V20260417),
    (may("authentication_result", Closed(AUTHENTICATION)), COMPLETE, V20251212, V20260417),
    // In the examples of 2026-01-16, and in no schema.
    (may("agent_capabilities", Open(CAPABILITIES)), CREATE, V20260116, V20260116),
    (may("capabilities", Open(CAPABILITIES)), CREATE, V20260130, V20260417),
    (may("currency", Text(TEXT)), CREATE | CART, V20260130, V20260417),
    (may("fulfillment_groups", List(GROUPS)), CREATE | UPDATE, V20260130, V20260417),
    (may("coupons", Texts(CODES, 100)), CREATE | UPDATE, V20260130, V20260417),
    (may("discounts", Closed(&[may("codes", Texts(CODES, 100))])), CREATE | UPDATE, V20260130, V20260417),
    (may("locale", Tag), CREATE | CART, V20260130, V20260417),
    (may("timezone", Tag), CREATE, V20260130, V20260417),
    (may("quote_id", Text(ID)), CREATE, V20260130, V20260417),
    (may("metadata", Any), CREATE, V20260130, V20260417),
    // In the schema of 2026-04-17 and not in its OpenAPI document.
    (may("order_notes", Text(NOTES)), CREATE | UPDATE | COMPLETE, V20260130, V20260417),
    (may("risk_signals", Closed(SIGNALS)), COMPLETE, V20260130, V20260417),
    (may("marketing_consents", List(&[need("channel", Text(50)), need("opted_in", Flag)])), COMPLETE, V20260130, V20260417),
    // Announced for carts (rfc.cart, section 5).
    (may("cart_id", Text(ID)), CREATE, V20260130, V20260417),
];

/// `POST /checkout_sessions`, `POST /checkouts`. Refuses with 400 and the path of the member at fault.
pub fn create(dialect: Dialect, body: &Value) -> Result<Ask> {
    told(asked(dialect, body, CREATE))
}

/// `POST /checkout_sessions/{id}`, `PUT /checkouts/{id}`.
pub fn update(dialect: Dialect, body: &Value) -> Result<Ask> {
    told(asked(dialect, body, UPDATE))
}

/// `POST /carts`, `PUT /carts/{id}` (2026-04-17).
pub fn cart(body: &Value) -> Result<Ask> {
    told(asked(V20260417, body, CART))
}

/// `POST …/complete`.
pub fn complete(dialect: Dialect, body: &Value) -> Result<Payment> {
    told(paid(dialect, body))
}

/// Refuses a handler that no checkout of ours offers. Apart from [`complete`], because a checkout that there is not is told first.
pub fn offered(payment: &Payment) -> Result<()> {
    match &payment.handler_id {
        Some(handler) if handler != HANDLER => {
            Err(invalid("$.payment_data.handler_id", &format!("is none of the handlers that this checkout offers: {HANDLER}.")))
        }
        _ => Ok(()),
    }
}

/// `POST …/cancel`; the body may be absent, which is `null` here.
pub fn cancel(dialect: Dialect, body: &Value) -> Result<Cancel> {
    told(given_up(dialect, body))
}

/// For the member of a body the protocol has one status, 400, and two codes.
fn told<T>(result: Result<T>) -> Result<T> {
    result.map_err(spoken)
}

fn spoken(mut problem: Problem) -> Problem {
    if problem.kind == Kind::InvalidRequest && (problem.code.starts_with("parameter_") || problem.code == "json_invalid") {
        problem.status = 400;
        problem.code = if problem.code == "parameter_missing" { "missing".into() } else { "invalid".into() };
    }
    problem
}

fn invalid(param: &str, what: &str) -> Problem {
    Problem::shape_about("invalid", param, what)
}

fn missing(param: &str) -> Problem {
    Problem::shape("missing", param, format!("Missing required parameter: {param}."))
}

fn unsupported(param: &str, why: &str) -> Problem {
    Problem::shape("unsupported", param, why)
}

/// Since 2026-01-30: `line_items`, capabilities, handlers.
fn newer(dialect: Dialect) -> bool {
    dialect >= V20260130
}

/// A member by its rule; `null` where it is absent.
fn member(fields: &Fields, rule: &Rule) -> Result<Value> {
    let name = rule.name;
    let Some(raw) = fields.get(name) else {
        return if rule.needed { fields.need(name).cloned() } else { Ok(Value::Null) };
    };
    let param = fields.name(name);
    let text = |max: usize, good: fn(&str) -> bool, what: &str| -> Result<Value> {
        let Some(text) = fields.string(name, max)? else { return Ok(Value::Null) };
        match text {
            blank if blank.trim().is_empty() => {
                if rule.needed {
                    Err(invalid(&param, "must not be empty."))
                } else {
                    Ok(Value::Null)
                }
            }
            text if !good(text) => Err(invalid(&param, what)),
            text => Ok(Value::from(text)),
        }
    };
    let value = match &rule.shape {
        Text(max) => text(*max, |_| true, "")?,
        Blank => Value::from(fields.string(name, TEXT)?),
        Email => text(254, is_email, "must be an email address, such as name@example.com.")?,
        Phone => text(40, is_phone, "must be a phone number, such as +15551234567.")?,
        Tag => text(64, is_tag, "must be a tag of letters and digits, such as en-US or America/New_York.")?,
        Time => text(40, is_rfc3339, "must be a time by RFC 3339, such as 2026-04-17T09:30:00Z.")?,
        Country => {
            let two =
                text(TEXT, |text| text.len() == 2 && letters(text), "must be the two letters of a country (ISO 3166-1), such as US.")?;
            Value::from(two.as_str().unwrap_or_default().to_ascii_uppercase())
        }
        Word(words) => {
            let word = text(100, |_| true, "")?;
            if word.as_str().is_some_and(|word| !words.contains(&word)) {
                return Err(invalid(&param, &format!("must be one of {}.", words.join(", "))));
            }
            word
        }
        Integer => Value::from(fields.integer(name, -1_000_000_000_000, 1_000_000_000_000)?),
        Flag => Value::from(fields.boolean(name)?),
        Texts(most, max) => {
            let mut texts = Vec::new();
            for (path, value) in array(fields, name, *most)? {
                match value.as_str() {
                    Some(text) if !text.trim().is_empty() && text.chars().count() <= *max && !text.chars().any(char::is_control) => {
                        texts.push(value.clone());
                    }
                    _ => return Err(invalid(&path, &format!("must be a text of 1 to {max} characters."))),
                }
            }
            Value::Array(texts)
        }
        Names => {
            let mut names = Vec::new();
            for (path, value) in array(fields, name, FEW)? {
                match value.as_str().or_else(|| value.get("name")?.as_str()) {
                    Some(text) if text.len() <= 100 => names.push(Value::from(text)),
                    _ => return Err(invalid(&path, "must be the name of an extension.")),
                }
            }
            Value::Array(names)
        }
        Flat | Any => {
            let members = Fields::lenient(raw, &param)?.members();
            let nested = members.iter().find(|(_, value)| value.is_object() || value.is_array() || value.is_null());
            if let (Some((key, _)), Flat) = (nested, &rule.shape) {
                let key: String = key.chars().take(100).collect();
                let path = Fields::lenient(raw, &param)?.name(&key);
                return Err(Problem::shape_about("invalid_type", &path, "must be a string, a number, true or false."));
            }
            if members.len() > 50 {
                return Err(invalid(&param, "may have at most 50 members."));
            }
            raw.clone()
        }
        Closed(rules) => object(raw, &param, rules, false)?,
        Open(rules) => object(raw, &param, rules, true)?,
        List(rules) => {
            let mut objects = Vec::new();
            for (path, value) in array(fields, name, FEW)? {
                objects.push(object(value, &path, rules, false)?);
            }
            Value::Array(objects)
        }
    };
    if (value.is_object() || value.is_array()) && value.text().len() > KEPT {
        return Err(invalid(&param, &format!("may have at most {KEPT} bytes.")));
    }
    Ok(value)
}

/// An object by its rules.
fn object(value: &Value, path: &str, rules: &[Rule], open: bool) -> Result<Value> {
    let mut known = Vec::with_capacity(rules.len());
    for rule in rules {
        known.push(rule.name);
    }
    let fields = if open { Fields::lenient(value, path)? } else { Fields::open(value, path, &known)? };
    let mut kept = Map::new();
    for rule in rules {
        let value = member(&fields, rule)?;
        if !value.is_null() {
            kept.insert(rule.name.to_owned(), value);
        }
    }
    Ok(Value::Object(kept))
}

/// The elements of an array that may have at most so many.
fn array<'a>(fields: &Fields<'a>, name: &str, most: usize) -> Result<Vec<(String, &'a Value)>> {
    let all = fields.array(name)?;
    if all.len() > most {
        return Err(invalid(&fields.name(name), &format!("may have at most {most} elements.")));
    }
    Ok(all)
}

fn letters(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphabetic())
}

/// An address of the common form: dot-separated atoms (RFC 5322) at a name of the DNS.
fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else { return false };
    let atom = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b));
    let label = |part: &str| {
        let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        plain && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
    };
    user.len() <= 64 && user.split('.').all(atom) && host.contains('.') && host.split('.').all(label)
}

fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits >= 3 && text.bytes().all(|b| b.is_ascii_digit() || b" +-().,/#*xXetT;".contains(&b))
}

fn is_tag(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/+".contains(&b))
}

/// A body, by the members that it may have: those that it has, `null` as `null`.
struct Told<'a> {
    fields: Fields<'a>,
    members: Map<String, Value>,
}

impl<'a> Told<'a> {
    fn read(dialect: Dialect, body: &'a Value, kind: u8) -> Result<Told<'a>> {
        let here = |known: &&Known| known.1 & kind != 0 && known.2 <= dialect && dialect <= known.3;
        // `items` still is in the OpenAPI examples of versions that call them `line_items`.
        let mut known = if kind == COMPLETE { Vec::new() } else { vec!["items"] };
        if kind != COMPLETE && newer(dialect) {
            known.push("line_items");
        }
        for (rule, ..) in MEMBERS.iter().filter(here) {
            known.push(rule.name);
        }
        let fields = Fields::open(body, "$", &known)?;
        let mut members = Map::new();
        for (rule, ..) in MEMBERS.iter().filter(here) {
            let value = member(&fields, rule)?;
            if fields.raw(rule.name).is_some() {
                members.insert(rule.name.to_owned(), value);
            }
        }
        Ok(Told { fields, members })
    }

    /// Absent and `null` are the same here.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Option<String> {
        String::read(self.take(name))
    }

    /// Absent keeps, `null` clears; what is blank or empty clears, too.
    fn patch(&mut self, name: &str) -> Patch<Value> {
        patch(self.members.remove(name))
    }
}

fn patch(value: Option<Value>) -> Patch<Value> {
    match value {
        None => Patch::Keep,
        Some(Value::Null) => Patch::Clear,
        Some(Value::Array(elements)) if elements.is_empty() => Patch::Clear,
        Some(value) => Patch::Set(value),
    }
}

/// Of a type of ours. What was read by the rules can be read.
fn typed<T: Member>(patch: Patch<Value>) -> Patch<T> {
    match patch {
        Patch::Keep => Patch::Keep,
        Patch::Clear => Patch::Clear,
        Patch::Set(value) => T::read(Some(value)).map_or(Patch::Clear, Patch::Set),
    }
}

fn asked(dialect: Dialect, body: &Value, kind: u8) -> Result<Ask> {
    let mut told = Told::read(dialect, body, kind)?;
    let mut ask = Ask { cart: told.text("cart_id"), ..Ask::default() };
    let old_name = !newer(dialect) || told.fields.get("items").is_some() && told.fields.get("line_items").is_none();
    let name = if old_name { "items" } else { "line_items" };
    if told.fields.get(name).is_some() {
        ask.items = Some(items(dialect, &told.fields, name)?);
    } else if kind != UPDATE && ask.cart.is_none() {
        told.fields.need(name)?;
    }
    // Who says `items` follows the examples of the OpenAPI documents, which have neither.
    if kind == CREATE && !old_name && ask.cart.is_none() {
        told.fields.need("currency")?;
        told.fields.need("capabilities")?;
    }
    ask.currency = told.text("currency").map(|code| code.to_ascii_lowercase());
    if ask.currency.as_deref().is_some_and(|code| code.len() != 3 || !letters(code)) {
        return Err(invalid("$.currency", "must be the three letters of a currency, such as usd."));
    }
    ask.buyer = told.patch("buyer");
    ask.address = typed::<Address>(told.patch("fulfillment_address"));
    delivery(&mut told, &mut ask);
    ask.selected = match told.patch("fulfillment_option_id") {
        // One option for all: of which kind it is, the session's own options say.
        Patch::Set(id) => Patch::Set(vec![Selected { option_id: String::read(Some(id)).unwrap_or_default(), ..Selected::default() }]),
        Patch::Clear => Patch::Clear,
        Patch::Keep => match told.patch("selected_fulfillment_options") {
            Patch::Set(chosen) => Patch::Set(selected(&chosen)?),
            Patch::Clear => Patch::Clear,
            Patch::Keep => Patch::Keep,
        },
    };
    // What is sent replaces what was; `coupons` is the deprecated name.
    ask.codes = typed(match told.patch("discounts") {
        Patch::Set(mut discounts) => {
            let said = told.fields.get("discounts").is_some_and(|discounts| discounts.get("codes").is_some());
            patch(said.then(|| discounts.get_mut("codes").map(Value::take).unwrap_or_default()))
        }
        Patch::Clear => Patch::Clear,
        Patch::Keep => told.patch("coupons"),
    });
    ask.groups = told.patch("fulfillment_groups");
    ask.capabilities = told.take("capabilities").or_else(|| told.take("agent_capabilities"));
    ask.metadata = told.take("metadata");
    (ask.locale, ask.timezone, ask.quote_id) = (told.text("locale"), told.text("timezone"), told.text("quote_id"));
    ask.order_notes = typed(told.patch("order_notes"));
    ask.affiliate = affiliate(&mut told)?;
    Ok(ask)
}

fn items(dialect: Dialect, fields: &Fields, name: &str) -> Result<Vec<ItemAsk>> {
    let all = array(fields, name, ITEMS)?;
    if all.is_empty() {
        return Err(invalid(&fields.name(name), &format!("must have 1 to {ITEMS} items. To give a checkout up, cancel it.")));
    }
    // Names and prices are the shop's to say: what an agent says of them is read past. `quantity` is missing in the schemas since
    // 2026-01-30, in which a request could not say it at all; `suggested_price` comes after 2026-04-17; `item` is how answers name it.
    let known: &[&str] =
        if newer(dialect) { &["id", "quantity", "item", "name", "unit_amount", "suggested_price"] } else { &["id", "quantity"] };
    let mut items = Vec::with_capacity(all.len());
    for (path, value) in all {
        let outer = Fields::open(value, &path, known)?;
        let inner = match outer.get("item").filter(|_| outer.get("id").is_none()) {
            Some(item) => Some(Fields::open(item, &outer.name("item"), known)?),
            None => None,
        };
        let product = inner.as_ref().unwrap_or(&outer).need_string("id", ID)?.to_owned();
        let counted = [Some(&outer), inner.as_ref()].into_iter().flatten().find(|item| item.raw("quantity").is_some());
        let quantity = match counted {
            Some(item) => quantity(item)?,
            None if newer(dialect) => 1,
            None => quantity(&outer)?,
        };
        items.push(ItemAsk { product, quantity, param: path });
    }
    Ok(items)
}

/// A number in 2025-09-29 and an integer since: whole, for nobody sells half a mug.
fn quantity(fields: &Fields) -> Result<i64> {
    let Some(value) = fields.raw("quantity") else { return Err(missing(&fields.name("quantity"))) };
    let whole = value.as_i64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= 1e9)?;
        #[allow(clippy::cast_possible_truncation)] // Whole, and at most 10^9.
        Some(number as i64)
    });
    whole
        .filter(|whole| (1..=QUANTITY).contains(whole))
        .ok_or_else(|| invalid(&fields.name("quantity"), &format!("must be a whole number from 1 to {QUANTITY}.")))
}

/// `fulfillment_details`: whom, and where to. Each of the two is replaced as a whole, and stays where nothing is said of it.
fn delivery(told: &mut Told, ask: &mut Ask) {
    match told.patch("fulfillment_details") {
        Patch::Keep => {}
        Patch::Clear => (ask.contact, ask.address) = (Patch::Clear, Patch::Clear),
        Patch::Set(mut details) => {
            let said = |name: &str| told.fields.raw("fulfillment_details").and_then(|details| details.get(name)).is_some();
            if said("address") {
                ask.address = typed::<Address>(patch(Some(details.get_mut("address").map(Value::take).unwrap_or_default())));
            }
            if said("name") || said("phone_number") || said("email") {
                let contact = Contact::from_value(details).unwrap_or_default();
                ask.contact = if contact == Contact::default() { Patch::Clear } else { Patch::Set(contact) };
            }
        }
    }
}

fn selected(chosen: &Value) -> Result<Vec<Selected>> {
    let mut all = Vec::new();
    for (place, choice) in chosen.as_array().into_iter().flatten().enumerate() {
        let path = format!("$.selected_fulfillment_options[{place}]");
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = text(choice, "type");
        if kind == "pickup" || kind == "local_delivery" {
            return Err(unsupported(&format!("{path}.type"), "This shop delivers by shipping and digitally only."));
        }
        let nested = [kind.as_str(), "shipping", "digital"].into_iter().find_map(|name| Some((name, choice.get(name)?)));
        let (path, inner) = nested.map_or((path.clone(), choice), |(name, inner)| (format!("{path}.{name}"), inner));
        let option_id = text(inner, "option_id");
        if option_id.is_empty() {
            return Err(missing(&format!("{path}.option_id")));
        }
        all.push(Selected { kind, option_id, item_ids: Vec::read(inner.get("item_ids").cloned()).unwrap_or_default() });
    }
    Ok(all)
}

/// Who sent the buyer (rfc.affiliate_attribution): kept, never echoed, never about a person.
fn affiliate(told: &mut Told) -> Result<Option<Value>> {
    let Some(claim) = told.take("affiliate_attribution") else { return Ok(None) };
    if let Some(raw) = told.fields.get("affiliate_attribution") {
        impersonal(raw, "$.affiliate_attribution")?;
        impersonal(raw.get("metadata").unwrap_or(&Value::Null), "$.affiliate_attribution.metadata")?;
    }
    // Of the two one is enough; the one that anyone has is asked for.
    if claim.get("token").is_none() && claim.get("publisher_id").is_none() {
        return Err(missing("$.affiliate_attribution.publisher_id"));
    }
    Ok(Some(claim))
}

/// Refuses what looks like a person's email, phone or name, in names and in values; rather too much than too little (section 6.2). The
/// token is the provider's own secret, and no words.
fn impersonal(claim: &Value, path: &str) -> Result<()> {
    for (name, value) in claim.as_object().into_iter().flatten() {
        let text = value.as_str().filter(|_| name != "token").unwrap_or_default();
        if names_a_person(name) || holds_email(text) || holds_phone(text) {
            let name: String = name.chars().take(100).collect();
            let message = "Attribution must not tell who the buyer is: no names, emails, phone numbers or addresses.";
            return Err(Problem::shape("pii_not_allowed", Fields::lenient(claim, path)?.name(&name), message));
        }
    }
    Ok(())
}

fn names_a_person(member: &str) -> bool {
    let plain: String = member.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    let within = ["email", "phone", "address", "firstname", "lastname", "fullname", "surname", "username", "birth", "passport", "ssn"];
    let whole = ["name", "buyername", "customername", "customerid", "userid", "dob", "mobile", "tel", "ip"];
    within.iter().any(|part| plain.contains(part)) || whole.contains(&plain.as_str())
}

/// An email anywhere in a text: `u1=name@example.com&u2=`.
fn holds_email(text: &str) -> bool {
    text.match_indices('@').any(|(place, _)| {
        let before = text.get(..place).and_then(|before| before.chars().next_back());
        let after = text.get(place.saturating_add(1)..).unwrap_or_default();
        let host = after.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.').next().unwrap_or_default();
        let top = host.trim_end_matches('.').rsplit_once('.').map_or("", |(_, top)| top);
        before.is_some_and(|c| c.is_alphanumeric() || "._%+-".contains(c)) && top.len() >= 2 && letters(top)
    })
}

/// A number as people write it: with a plus, or ten digits and more with something between them. Ids are digits alone, dates have eight.
fn holds_phone(text: &str) -> bool {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b" +-().".contains(&b));
    plain && digits <= 15 && (text.starts_with('+') && digits >= 7 || digits >= 10 && digits < text.len())
}

fn paid(dialect: Dialect, body: &Value) -> Result<Payment> {
    let mut told = Told::read(dialect, body, COMPLETE)?;
    let data = told.take("payment_data").unwrap_or_default();
    let mut payment = Payment { token: token(&data)?, ..Payment::default() };
    payment.handler_id = String::read(data.get("handler_id").cloned());
    payment.billing = Address::read(data.get("billing_address").cloned());
    payment.ask.buyer = told.patch("buyer");
    payment.ask.order_notes = typed(told.patch("order_notes"));
    payment.ask.affiliate = affiliate(&mut told)?;
    delivery(&mut told, &mut payment.ask);
    payment.authentication = told.take("authentication_result").map(|result| authentication(dialect, &result)).transpose()?;
    payment.risk = told.take("risk_signals");
    for consent in told.take("marketing_consents").as_ref().and_then(Value::as_array).into_iter().flatten() {
        let channel = consent.get("channel").and_then(Value::as_str).unwrap_or_default().to_owned();
        payment.consents.push((channel, consent.get("opted_in") == Some(&Value::Bool(true))));
    }
    Ok(payment)
}

/// What is paid with, of `payment_data`; refuses ways to pay that are no payment.
fn token(data: &Value) -> Result<String> {
    let said = |name: &str| data.get(name).and_then(Value::as_str);
    let instrument = data.get("instrument");
    if said("purchase_order_number").is_some() && instrument.is_none() && said("token").is_none() {
        let why = "This shop takes no purchase orders: pay with an instrument of one of its payment handlers.";
        return Err(unsupported("$.payment_data.purchase_order_number", why));
    }
    // Payment is taken at once: what was promised for later must not be charged now.
    if said("payment_terms").is_some_and(|terms| terms != "immediate") {
        return Err(unsupported("$.payment_data.payment_terms", "This shop is paid at once: payment_terms can only be immediate."));
    }
    if data.get("approval_required") == Some(&Value::Bool(true)) {
        let why = "This shop cannot wait for an approval: complete the checkout once it is given.";
        return Err(unsupported("$.payment_data.approval_required", why));
    }
    let within =
        |instrument: &Value| Some(instrument.pointer("/credential/token").or_else(|| instrument.get("token"))?.as_str()?.to_owned());
    match instrument {
        Some(instrument) => within(instrument).ok_or_else(|| missing("$.payment_data.instrument.credential")),
        None => said("token").map(str::to_owned).ok_or_else(|| missing("$.payment_data.instrument")),
    }
}

/// What the bank said, in the newest version's words.
fn authentication(dialect: Dialect, result: &Value) -> Result<Authentication> {
    let outcome = match result.get("outcome").and_then(Value::as_str).unwrap_or_default() {
        "failed" => "denied",
        "unavailable" => "not_supported",
        "attempt" => "attempt_acknowledged",
        outcome => outcome,
    };
    let details = result.get("outcome_details");
    let good = matches!(outcome, "authenticated" | "informational" | "attempt_acknowledged");
    if good && details.is_none() && dialect != V20260116 {
        return Err(missing("$.authentication_result.outcome_details"));
    }
    let said = |name: &str| -> Result<Option<String>> {
        let said = String::read(details.and_then(|details| details.get(name)).cloned());
        if good && said.is_none() && details.is_some() {
            return Err(missing(&format!("$.authentication_result.outcome_details.{name}")));
        }
        Ok(said)
    };
    Ok(Authentication {
        outcome: outcome.to_owned(),
        cryptogram: said("three_ds_cryptogram")?,
        electronic_commerce_indicator: said("electronic_commerce_indicator")?,
        transaction_id: said("transaction_id")?,
        version: said("version")?,
    })
}

/// Why an agent gives up (rfc.intent_traces). A reason that is new to us counts as `other`, and what else is in the body does not keep a
/// checkout from being canceled. The first release knows no reasons.
fn given_up(dialect: Dialect, body: &Value) -> Result<Cancel> {
    if body.is_null() {
        return Ok(Cancel::default());
    }
    let fields = Fields::lenient(body, "$")?;
    if dialect <= V20250929 {
        return Ok(Cancel::default());
    }
    let mut trace = member(&fields, &may("intent_trace", Open(TRACE)))?;
    if trace.is_null() {
        return Ok(Cancel::default());
    }
    const REASONS: &[&str] = &[
        "price_sensitivity",
        "shipping_cost",
        "shipping_speed",
        "product_fit",
        "trust_security",
        "returns_policy",
        "payment_options",
        "comparison",
        "timing_deferred",
    ];
    if let Some(reason) = trace.get_mut("reason_code").filter(|reason| !reason.as_str().is_some_and(|word| REASONS.contains(&word))) {
        *reason = Value::from("other");
    }
    Ok(Cancel { trace: Some(trace) })
}
