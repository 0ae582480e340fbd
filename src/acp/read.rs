//! What agents send, in each version's words, made into what the core understands.
//!
//! The schemas are closed: an unknown member is refused with its path (RFC 9535) in the words of the version that is spoken. Accepted
//! beyond the schemas is what the protocol's own documents contradict each other about and published clients send; each such place says
//! so. Every text and every list has a bound, so that no checkout grows beyond what a row can hold.

use super::ask::{Ask, Authentication, Cancel, ItemAsk, Patch, Payment};
use super::dialect::Dialect;
use super::object::Object;
use super::session::{Address, Contact, Selected};
use super::time::is_rfc3339;
use crate::error::{Kind, Problem, Result};
use crate::fields::Fields;
use serde_json::{Map, Value};

/// Lines of one checkout.
const ITEMS: usize = 100;
/// Pieces of one line.
const QUANTITY: i64 = 999_999;
/// Discount codes of one checkout.
const CODES: usize = 20;
/// Groups, chosen options, consents, extensions: nobody needs more.
const FEW: usize = 20;
/// Characters of an id, of a line of text, of a note.
const ID: usize = 255;
const TEXT: usize = 255;
const NOTES: usize = 5_000;
/// Bytes of an object that is kept as JSON.
const KEPT: usize = 8_192;

/// `POST /checkout_sessions`, `POST /checkouts`. Refuses with 400 and the path of the member at fault.
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

/// `POST …/cancel`; the body may be absent, which is `null` here.
pub fn cancel(dialect: Dialect, body: &Value) -> Result<Cancel> {
    told(given_up(dialect, body))
}

/// `POST /carts`, `PUT /carts/{id}` (2026-04-17).
pub fn cart(body: &Value) -> Result<Ask> {
    told(carried(body))
}

/// For the member of a body the protocol has one status, 400, and two codes.
fn told<T>(result: Result<T>) -> Result<T> {
    result.map_err(|mut problem| {
        if problem.kind == Kind::InvalidRequest && (problem.code.starts_with("parameter_") || problem.code == "json_invalid") {
            problem.status = 400;
            problem.code = if problem.code == "parameter_missing" { "missing".into() } else { "invalid".into() };
        }
        problem
    })
}

fn invalid(fields: &Fields, name: &str, what: &str) -> Problem {
    Problem::shape_about("invalid", &fields.name(name), what)
}

fn unsupported(fields: &Fields, name: &str, why: &str) -> Problem {
    Problem::shape("unsupported", fields.name(name), why)
}

/// Since 2026-01-30: `line_items`, capabilities, handlers.
fn newer(dialect: Dialect) -> bool {
    dialect >= Dialect::V20260130
}

/// Up to 2025-09-29: `fulfillment_address` and one option for all.
fn first(dialect: Dialect) -> bool {
    dialect <= Dialect::V20250929
}

/// A member, in which bodies it may be, and in which versions.
type Known = (&'static str, u8, fn(Dialect) -> bool);

/// Members of a create (1), of an update (2) and of a completion (4).
const MEMBERS: &[Known] = &[
    ("items", 3, |_| true),
    ("buyer", 7, |_| true),
    ("fulfillment_address", 3, first),
    ("fulfillment_option_id", 2, first),
    // On a completion since the release after 2026-04-17, and for the contact only: the address is compared.
    ("fulfillment_details", 7, |dialect| !first(dialect)),
    ("selected_fulfillment_options", 2, |dialect| !first(dialect)),
    ("affiliate_attribution", 5, |dialect| !first(dialect)),
    ("authentication_result", 4, |dialect| !first(dialect)),
    // In the examples of 2026-01-16, and in no schema.
    ("agent_capabilities", 1, |dialect| dialect == Dialect::V20260116),
    ("line_items", 3, newer),
    ("currency", 1, newer),
    ("capabilities", 1, newer),
    ("fulfillment_groups", 3, newer),
    ("coupons", 3, newer),
    ("discounts", 3, newer),
    ("locale", 1, newer),
    ("timezone", 1, newer),
    ("quote_id", 1, newer),
    ("metadata", 1, newer),
    // In the schema of 2026-04-17 and not in its OpenAPI document.
    ("order_notes", 7, newer),
    ("risk_signals", 4, newer),
    ("marketing_consents", 4, newer),
    // Announced for carts (rfc.cart, section 5).
    ("cart_id", 1, newer),
    ("payment_data", 4, |_| true),
];

fn open(dialect: Dialect, body: &Value, kind: u8) -> Result<Fields<'_>> {
    let known: Vec<&str> = MEMBERS.iter().filter(|(_, kinds, since)| kinds & kind != 0 && since(dialect)).map(|(name, ..)| *name).collect();
    Fields::open(body, "$", &known)
}

fn asked(dialect: Dialect, body: &Value, new: bool) -> Result<Ask> {
    let fields = open(dialect, body, if new { 1 } else { 2 })?;
    let mut ask = Ask { cart: text(&fields, "cart_id", ID)?, ..Ask::default() };
    let name = lines(&fields, newer(dialect));
    if fields.get(name).is_some() {
        ask.items = Some(items(dialect, &fields, name)?);
    } else if new && ask.cart.is_none() {
        fields.need(name)?;
    }
    // Who says `items` follows the examples of the OpenAPI documents, which have no currency. The schemas want `capabilities` too; all
    // examples of the discount extension are without, and an agent that says nothing of them has none.
    if new && name == "line_items" && ask.cart.is_none() {
        fields.need("currency")?;
    }
    ask.currency = currency(&fields)?;
    ask.buyer = patch(&fields, "buyer", |value, path| buyer(dialect, value, path))?;
    ask.address = patch(&fields, "fulfillment_address", address)?;
    delivery(&fields, &mut ask)?;
    ask.selected = match patch_text(&fields, "fulfillment_option_id", ID)? {
        // One option for all: of which kind it is, the session's own options say.
        Patch::Set(option_id) => Patch::Set(vec![Selected { option_id, ..Selected::default() }]),
        Patch::Clear => Patch::Clear,
        Patch::Keep => emptied(patch(&fields, "selected_fulfillment_options", selected)?),
    };
    ask.codes = codes(&fields)?;
    ask.groups = patch(&fields, "fulfillment_groups", groups)?;
    for name in ["capabilities", "agent_capabilities"] {
        if let Some(value) = fields.get(name) {
            ask.capabilities = Some(capabilities(value, &fields.name(name))?);
        }
    }
    ask.metadata = metadata(&fields)?;
    ask.locale = tag(&fields, "locale")?;
    ask.timezone = tag(&fields, "timezone")?;
    ask.quote_id = text(&fields, "quote_id", ID)?;
    ask.order_notes = patch_text(&fields, "order_notes", NOTES)?;
    ask.affiliate = affiliate(&fields)?;
    Ok(ask)
}

fn carried(body: &Value) -> Result<Ask> {
    let dialect = Dialect::V20260417;
    let fields = Fields::open(body, "$", &["line_items", "items", "buyer", "locale", "currency"])?;
    let name = lines(&fields, true);
    fields.need(name)?;
    Ok(Ask {
        items: Some(items(dialect, &fields, name)?),
        buyer: patch(&fields, "buyer", |value, path| buyer(dialect, value, path))?,
        locale: tag(&fields, "locale")?,
        currency: currency(&fields)?,
        ..Ask::default()
    })
}

/// What the lines are called; `items` still is in the OpenAPI examples of versions that call them `line_items`.
fn lines(fields: &Fields, newer: bool) -> &'static str {
    if newer && (fields.get("items").is_none() || fields.get("line_items").is_some()) { "line_items" } else { "items" }
}

/// A text, or nothing where it is blank: the examples write an absent second line of an address as `""`.
fn text(fields: &Fields, name: &str, max: usize) -> Result<Option<String>> {
    Ok(fields.string(name, max)?.filter(|text| !text.trim().is_empty()).map(str::to_owned))
}

/// The tag of a language (`en-US`) or the name of a timezone (`America/New_York`).
fn tag(fields: &Fields, name: &str) -> Result<Option<String>> {
    let text = text(fields, name, 64)?;
    match &text {
        Some(tag) if !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/+".contains(&b)) => {
            Err(invalid(fields, name, "must be a tag of letters and digits, such as en-US or America/New_York."))
        }
        _ => Ok(text),
    }
}

/// One of some words.
fn word(fields: &Fields, name: &str, words: &[&str]) -> Result<Option<String>> {
    let text = text(fields, name, 100)?;
    match &text {
        Some(text) if !words.contains(&text.as_str()) => Err(invalid(fields, name, &format!("must be one of {}.", words.join(", ")))),
        _ => Ok(text),
    }
}

fn date(fields: &Fields, name: &str) -> Result<Option<String>> {
    let text = text(fields, name, 40)?;
    match &text {
        Some(text) if !is_rfc3339(text) => Err(invalid(fields, name, "must be a time by RFC 3339, such as 2026-04-17T09:30:00Z.")),
        _ => Ok(text),
    }
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

/// An empty list clears, as `null` does.
fn emptied<T>(patch: Patch<Vec<T>>) -> Patch<Vec<T>> {
    match patch {
        Patch::Set(list) if list.is_empty() => Patch::Clear,
        patch => patch,
    }
}

/// The elements of an array that may have at most so many.
fn array<'a>(fields: &Fields<'a>, name: &str, most: usize) -> Result<Vec<(String, &'a Value)>> {
    let all = fields.array(name)?;
    if all.len() > most {
        return Err(invalid(fields, name, &format!("may have at most {most} elements.")));
    }
    Ok(all)
}

/// Texts of a list, each of 1 to `max` characters.
fn texts(fields: &Fields, name: &str, most: usize, max: usize) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for (path, value) in array(fields, name, most)? {
        match value.as_str() {
            Some(text) if !text.trim().is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control) => {
                texts.push(text.to_owned());
            }
            _ => return Err(Problem::shape_about("invalid", &path, &format!("must be a text of 1 to {max} characters."))),
        }
    }
    Ok(texts)
}

/// What is kept as JSON has a bound of its own.
fn bounded(fields: &Fields, name: &str, value: Value) -> Result<Value> {
    if value.to_string().len() > KEPT {
        return Err(invalid(fields, name, &format!("may have at most {KEPT} bytes.")));
    }
    Ok(value)
}

fn currency(fields: &Fields) -> Result<Option<String>> {
    match text(fields, "currency", TEXT)? {
        Some(code) if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_alphabetic()) => {
            Err(invalid(fields, "currency", "must be the three letters of a currency, such as usd."))
        }
        code => Ok(code.map(|code| code.to_ascii_lowercase())),
    }
}

fn items(dialect: Dialect, fields: &Fields, name: &str) -> Result<Vec<ItemAsk>> {
    let all = array(fields, name, ITEMS)?;
    if all.is_empty() {
        return Err(invalid(fields, name, &format!("must have 1 to {ITEMS} items. To give a checkout up, cancel it.")));
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
        let counted = [Some(&outer), inner.as_ref()].into_iter().flatten().find(|item| item.get("quantity").is_some());
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
    let value = fields.need("quantity")?;
    let whole = value.as_i64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= 1e9)?;
        #[allow(clippy::cast_possible_truncation)] // Whole, and at most 10^9.
        Some(number as i64)
    });
    whole
        .filter(|whole| (1..=QUANTITY).contains(whole))
        .ok_or_else(|| invalid(fields, "quantity", &format!("must be a whole number from 1 to {QUANTITY}.")))
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

fn email(fields: &Fields, name: &str) -> Result<Option<String>> {
    match text(fields, name, 254)? {
        Some(email) if !is_email(&email) => Err(invalid(fields, name, "must be an email address, such as name@example.com.")),
        email => Ok(email),
    }
}

fn phone(fields: &Fields, name: &str) -> Result<Option<String>> {
    match text(fields, name, 40)? {
        Some(phone)
            if phone.bytes().filter(u8::is_ascii_digit).count() < 3
                || !phone.bytes().all(|b| b.is_ascii_digit() || b" +-().,/#*xXetT;".contains(&b)) =>
        {
            Err(invalid(fields, name, "must be a phone number, such as +15551234567."))
        }
        phone => Ok(phone),
    }
}

/// The buyer, as the newest version names him.
fn buyer(dialect: Dialect, value: &Value, path: &str) -> Result<Value> {
    let old = ["email", "phone_number", "first_name", "last_name"];
    let new = ["full_name", "customer_id", "account_type", "authentication_status", "company", "loyalty", "tax_exemption"];
    let known: Vec<&str> = old.into_iter().chain(new.into_iter().filter(|_| newer(dialect))).collect();
    let fields = Fields::open(value, path, &known)?;
    for name in ["first_name", "last_name"].into_iter().filter(|_| !newer(dialect)) {
        fields.need_string(name, TEXT)?;
    }
    fields.need_string("email", 254)?;
    let mut buyer = Object::default();
    buyer.maybe("email", email(&fields, "email")?).maybe("phone_number", phone(&fields, "phone_number")?);
    for name in ["first_name", "last_name", "full_name", "customer_id"] {
        buyer.maybe(name, text(&fields, name, TEXT)?);
    }
    buyer.maybe("account_type", word(&fields, "account_type", &["guest", "registered", "business"])?);
    let statuses = ["authenticated", "guest", "requires_signin"];
    buyer.maybe("authentication_status", word(&fields, "authentication_status", &statuses)?);
    if let Some(value) = fields.get("company") {
        let company = Fields::open(value, &fields.name("company"), &["name", "tax_id", "department", "cost_center"])?;
        let mut kept = Object::default();
        kept.put("name", company.need_string("name", TEXT)?);
        for name in ["tax_id", "department", "cost_center"] {
            kept.maybe(name, text(&company, name, TEXT)?);
        }
        buyer.put("company", kept.done());
    }
    if let Some(value) = fields.get("loyalty") {
        let loyalty = Fields::open(value, &fields.name("loyalty"), &["tier", "points_balance", "member_since"])?;
        let mut kept = Object::default();
        kept.maybe("tier", text(&loyalty, "tier", TEXT)?);
        kept.maybe("points_balance", loyalty.integer("points_balance", -1_000_000_000_000, 1_000_000_000_000)?);
        buyer.put("loyalty", kept.maybe("member_since", date(&loyalty, "member_since")?).taken());
    }
    if let Some(value) = fields.get("tax_exemption") {
        let known = ["certificate_id", "certificate_type", "exempt_regions", "expires_at"];
        let exemption = Fields::open(value, &fields.name("tax_exemption"), &known)?;
        exemption.need("certificate_type")?;
        let mut kept = Object::default();
        kept.put("certificate_id", exemption.need_string("certificate_id", TEXT)?);
        kept.maybe("certificate_type", word(&exemption, "certificate_type", &["resale", "exempt_organization", "government"])?);
        if exemption.get("exempt_regions").is_some() {
            kept.put("exempt_regions", texts(&exemption, "exempt_regions", 100, 20)?);
        }
        buyer.put("tax_exemption", kept.maybe("expires_at", date(&exemption, "expires_at")?).taken());
    }
    Ok(buyer.done())
}

fn address(value: &Value, path: &str) -> Result<Address> {
    let known = ["name", "line_one", "line_two", "city", "state", "country", "postal_code", "company"];
    let fields = Fields::open(value, path, &known)?;
    let need = |name: &str| Ok(fields.need_string(name, TEXT)?.to_owned());
    // Must be there and may be blank: not every country has them.
    let may = |name: &str| Ok(fields.need(name).and_then(|_| fields.string(name, TEXT))?.unwrap_or_default().to_owned());
    let country = fields.need_string("country", TEXT)?.trim();
    if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err(invalid(&fields, "country", "must be the two letters of a country (ISO 3166-1 alpha-2), such as US."));
    }
    Ok(Address {
        name: need("name")?,
        line_one: need("line_one")?,
        line_two: text(&fields, "line_two", TEXT)?,
        city: need("city")?,
        state: may("state")?,
        country: country.to_ascii_uppercase(),
        postal_code: may("postal_code")?,
        company: text(&fields, "company", TEXT)?,
    })
}

fn contact(fields: &Fields) -> Result<Option<Contact>> {
    let contact =
        Contact { name: text(fields, "name", TEXT)?, phone_number: phone(fields, "phone_number")?, email: email(fields, "email")? };
    Ok((contact != Contact::default()).then_some(contact))
}

const DETAILS: &[&str] = &["name", "phone_number", "email", "address"];

/// `fulfillment_details`: whom, and where to. Each of the two is replaced as a whole, and stays where nothing is said of it.
fn delivery(fields: &Fields, ask: &mut Ask) -> Result<()> {
    let Some(value) = fields.raw("fulfillment_details") else { return Ok(()) };
    if value.is_null() {
        (ask.contact, ask.address) = (Patch::Clear, Patch::Clear);
        return Ok(());
    }
    let details = Fields::open(value, &fields.name("fulfillment_details"), DETAILS)?;
    ask.contact = match contact(&details)? {
        Some(contact) => Patch::Set(contact),
        None if DETAILS.iter().any(|name| *name != "address" && details.raw(name).is_some()) => Patch::Clear,
        None => Patch::Keep,
    };
    ask.address = patch(&details, "address", address)?;
    Ok(())
}

/// `{type, option_id, item_ids}`, or `{type, shipping: {option_id, item_ids}}` as it was before 2026-01-30 and as later examples still
/// write it. rfc.agentic_checkout's examples leave `type` away.
fn selected(value: &Value, path: &str) -> Result<Vec<Selected>> {
    let mut selected = Vec::new();
    let mut named = 0_usize;
    for (place, value) in list(value, path)?.iter().enumerate() {
        let outer = Fields::open(value, &format!("{path}[{place}]"), &["type", "option_id", "item_ids", "shipping", "digital"])?;
        let kind = word(&outer, "type", &["shipping", "digital", "pickup", "local_delivery"])?.unwrap_or_default();
        if kind == "pickup" || kind == "local_delivery" {
            return Err(unsupported(&outer, "type", "This shop delivers by shipping and digitally only."));
        }
        let nested = [kind.as_str(), "shipping", "digital"].into_iter().find_map(|name| Some((name, outer.get(name)?)));
        let inner = match nested {
            Some((name, value)) => Some(Fields::open(value, &outer.name(name), &["option_id", "item_ids"])?),
            None => None,
        };
        let inner = inner.as_ref().unwrap_or(&outer);
        let item_ids = texts(inner, "item_ids", ITEMS, ID)?;
        named = named.saturating_add(item_ids.len());
        selected.push(Selected { kind, option_id: inner.need_string("option_id", ID)?.to_owned(), item_ids });
    }
    if named > ITEMS.saturating_mul(2) {
        return Err(Problem::shape_about("invalid", path, "name more items than a checkout has."));
    }
    Ok(selected)
}

fn list<'a>(value: &'a Value, path: &str) -> Result<&'a [Value]> {
    match value {
        Value::Array(elements) if elements.len() <= FEW => Ok(elements),
        _ => Err(Problem::shape_about("invalid", path, &format!("must be an array of at most {FEW} elements."))),
    }
}

/// `discounts.codes`, or its deprecated alias `coupons`: what is sent replaces what was.
fn codes(fields: &Fields) -> Result<Patch<Vec<String>>> {
    let discounts = match fields.get("discounts") {
        Some(value) => Some(Fields::open(value, &fields.name("discounts"), &["codes"])?),
        None if fields.raw("discounts").is_some() => return Ok(Patch::Clear),
        None => None,
    };
    let (fields, name) = discounts.as_ref().map_or((fields, "coupons"), |discounts| (discounts, "codes"));
    if fields.raw(name).is_none() {
        return Ok(Patch::Keep);
    }
    Ok(emptied(Patch::Set(texts(fields, name, CODES, 100)?)))
}

/// `fulfillment_groups`: echoed, so what is not well-formed is not kept.
fn groups(value: &Value, path: &str) -> Result<Value> {
    let mut groups = Vec::new();
    for (place, value) in list(value, path)?.iter().enumerate() {
        let known = ["id", "item_ids", "destination_type", "fulfillment_details", "location_id", "instructions"];
        let group = Fields::open(value, &format!("{path}[{place}]"), &known)?;
        group.need("item_ids")?;
        group.need("destination_type")?;
        let mut kept = Object::default();
        kept.put("id", group.need_string("id", ID)?).put("item_ids", texts(&group, "item_ids", ITEMS, ID)?);
        kept.maybe("destination_type", word(&group, "destination_type", &["shipping", "pickup", "local_delivery", "digital"])?);
        if let Some(value) = group.get("fulfillment_details") {
            let details = Fields::open(value, &group.name("fulfillment_details"), DETAILS)?;
            let contact = contact(&details)?.unwrap_or_default();
            let address = details.get("address").map(|value| address(value, &details.name("address"))).transpose()?;
            kept.put("fulfillment_details", super::write::details(Dialect::V20260417, Some(&contact), address.as_ref()));
        }
        kept.maybe("location_id", text(&group, "location_id", ID)?).maybe("instructions", text(&group, "instructions", 500)?);
        groups.push(kept.done());
    }
    let groups = Value::Array(groups);
    if groups.to_string().len() > KEPT.saturating_mul(2) {
        return Err(Problem::shape_about("invalid", path, "are too large."));
    }
    Ok(groups)
}

/// What the agent can do, as far as anything depends on it. Unknown values are ignored (rfc.capability_negotiation, section 4.6.2).
fn capabilities(value: &Value, path: &str) -> Result<Value> {
    let fields = Fields::lenient(value, path)?;
    let mut kept = Object::default();
    if let Some(value) = fields.get("interventions") {
        let interventions = Fields::lenient(value, &fields.name("interventions"))?;
        let told = texts(&interventions, "supported", FEW, 100)?;
        // 2026-01-16 had kinds of 3DS.
        let known = |name: &&str| told.iter().any(|told| told == name || *name == "3ds" && told.starts_with("3ds"));
        let supported: Vec<&str> = ["3ds", "biometric", "address_verification"].into_iter().filter(known).collect();
        kept.put("interventions", object! { "supported": supported });
    }
    if fields.get("extensions").is_some() {
        let mut names = Vec::new();
        for (path, value) in array(&fields, "extensions", FEW)? {
            let name = value.as_str().or_else(|| value.get("name")?.as_str());
            match name {
                Some(name) if name.len() <= 100 => names.push(name.to_owned()),
                _ => return Err(Problem::shape_about("invalid", &path, "must be the name of an extension.")),
            }
        }
        kept.put("extensions", names);
    }
    Ok(kept.done())
}

fn metadata(fields: &Fields) -> Result<Option<Value>> {
    let Some(value) = fields.get("metadata") else { return Ok(None) };
    let metadata = Fields::lenient(value, &fields.name("metadata"))?;
    if metadata.members().len() > 50 {
        return Err(invalid(fields, "metadata", "may have at most 50 members."));
    }
    Ok(Some(bounded(fields, "metadata", value.clone())?))
}

/// Names and values, and nothing within them.
fn flat<'a>(fields: &Fields<'a>, name: &str) -> Result<Option<&'a Map<String, Value>>> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    let map = Fields::lenient(value, &fields.name(name))?;
    for (key, value) in map.members() {
        if !(value.is_string() || value.is_number() || value.is_boolean()) {
            let key: String = key.chars().take(100).collect();
            return Err(Problem::shape_about("invalid_type", &map.name(&key), "must be a string, a number, true or false."));
        }
    }
    if map.members().len() > FEW {
        return Err(invalid(fields, name, &format!("may have at most {FEW} members.")));
    }
    Ok(Some(map.members()))
}

/// Who sent the buyer (rfc.affiliate_attribution): kept, never echoed, never about a person. Unknown members are ignored (section 8.2).
fn affiliate(fields: &Fields) -> Result<Option<Value>> {
    let Some(value) = fields.get("affiliate_attribution") else { return Ok(None) };
    let claim = Fields::lenient(value, &fields.name("affiliate_attribution"))?;
    let metadata = flat(&claim, "metadata")?;
    impersonal(&claim)?;
    let mut kept = Object::default();
    kept.put("provider", claim.need_string("provider", ID)?);
    for name in ["token", "publisher_id", "campaign_id", "creative_id", "sub_id"] {
        kept.maybe(name, text(&claim, name, if name == "token" { 2_000 } else { ID })?);
    }
    if claim.get("token").is_none() {
        // Of the two one is enough; the one that anyone has is asked for.
        claim.need_string("publisher_id", ID)?;
    }
    if let Some(value) = claim.get("source") {
        let source = Fields::open(value, &claim.name("source"), &["type", "url"])?;
        source.need("type")?;
        let mut inner = Object::default();
        inner.maybe("type", word(&source, "type", &["url", "platform", "unknown"])?);
        kept.put("source", inner.maybe("url", text(&source, "url", 2_000)?).taken());
    }
    kept.maybe("issued_at", date(&claim, "issued_at")?).maybe("expires_at", date(&claim, "expires_at")?);
    kept.maybe("touchpoint", word(&claim, "touchpoint", &["first", "last"])?).maybe("metadata", metadata);
    Ok(Some(bounded(fields, "affiliate_attribution", kept.done())?))
}

/// Refuses what looks like a person's email, phone or name, in names and in values; rather too much than too little (section 6.2). The
/// token is the provider's own secret, and no words.
fn impersonal(claim: &Fields) -> Result<()> {
    let metadata = claim.get("metadata").map(|value| Fields::lenient(value, &claim.name("metadata"))).transpose()?;
    for fields in [Some(claim), metadata.as_ref()].into_iter().flatten() {
        for (name, value) in fields.members() {
            let text = value.as_str().filter(|_| name != "token").unwrap_or_default();
            if names_a_person(name) || holds_email(text) || is_phone(text) {
                let name: String = name.chars().take(100).collect();
                let message = "Attribution must not tell who the buyer is: no names, emails, phone numbers or addresses.";
                return Err(Problem::shape("pii_not_allowed", fields.name(&name), message));
            }
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
        before.is_some_and(|c| c.is_alphanumeric() || "._%+-".contains(c)) && top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic())
    })
}

/// A number as people write it: with a plus, or ten digits and more with something between them. Ids are digits alone, dates have eight.
fn is_phone(text: &str) -> bool {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b" +-().".contains(&b));
    plain && digits <= 15 && (text.starts_with('+') && digits >= 7 || digits >= 10 && digits < text.len())
}

fn paid(dialect: Dialect, body: &Value) -> Result<Payment> {
    let fields = open(dialect, body, 4)?;
    let mut payment = Payment::default();
    let data = fields.need("payment_data")?;
    let path = fields.name("payment_data");
    pay_with(dialect, data, &path, &mut payment)?;
    payment.ask = Ask {
        buyer: patch(&fields, "buyer", |value, path| buyer(dialect, value, path))?,
        order_notes: patch_text(&fields, "order_notes", NOTES)?,
        affiliate: affiliate(&fields)?,
        ..Ask::default()
    };
    delivery(&fields, &mut payment.ask)?;
    if let Some(value) = fields.get("authentication_result") {
        payment.authentication = Some(authentication(dialect, value, &fields.name("authentication_result"))?);
    }
    if let Some(value) = fields.get("risk_signals") {
        let known = ["ip_address", "user_agent", "accept_language", "session_id", "device_fingerprint"];
        let signals = Fields::open(value, &fields.name("risk_signals"), &known)?;
        let mut kept = Object::default();
        for name in known {
            kept.maybe(name, text(&signals, name, 1_000)?);
        }
        payment.risk = Some(kept.done());
    }
    for (path, value) in array(&fields, "marketing_consents", FEW)? {
        let consent = Fields::open(value, &path, &["channel", "opted_in"])?;
        consent.need("opted_in")?;
        let channel = consent.need_string("channel", 50)?.to_owned();
        payment.consents.push((channel, consent.boolean("opted_in")? == Some(true)));
    }
    Ok(payment)
}

/// `{token, provider}` until 2026-01-16, which the examples of later versions have still; `{handler_id, instrument}` since.
fn pay_with(dialect: Dialect, value: &Value, path: &str, payment: &mut Payment) -> Result<()> {
    let old = ["token", "provider", "billing_address"];
    let new = ["handler_id", "instrument", "purchase_order_number", "payment_terms", "due_date", "approval_required"];
    let known: Vec<&str> = old.into_iter().chain(new.into_iter().filter(|_| newer(dialect))).collect();
    let data = Fields::open(value, path, &known)?;
    payment.billing = data.get("billing_address").map(|value| address(value, &data.name("billing_address"))).transpose()?;
    payment.handler_id = text(&data, "handler_id", ID)?;
    if data.get("purchase_order_number").is_some() && data.get("instrument").is_none() && data.get("token").is_none() {
        let why = "This shop takes no purchase orders: pay with an instrument of one of its payment handlers.";
        return Err(unsupported(&data, "purchase_order_number", why));
    }
    // Payment is taken at once: what was promised for later must not be charged now.
    let terms = ["immediate", "net_15", "net_30", "net_60", "net_90"];
    if word(&data, "payment_terms", &terms)?.is_some_and(|terms| terms != "immediate") {
        return Err(unsupported(&data, "payment_terms", "This shop is paid at once: payment_terms can only be immediate."));
    }
    if data.boolean("approval_required")? == Some(true) {
        return Err(unsupported(
            &data,
            "approval_required",
            "This shop cannot wait for an approval: complete the checkout once it is given.",
        ));
    }
    date(&data, "due_date")?;
    if !newer(dialect) {
        data.need("provider")?;
    }
    if text(&data, "provider", TEXT)?.is_some_and(|provider| provider != "stripe") {
        return Err(invalid(&data, "provider", "must be stripe."));
    }
    if newer(dialect) && data.get("token").is_none() {
        data.need("instrument")?;
    }
    // Further members of an instrument are the handler's to define.
    let instrument = data.get("instrument").map(|value| Fields::lenient(value, &data.name("instrument"))).transpose()?;
    let mut holder = instrument.unwrap_or(data);
    if let Some(value) = holder.get("credential") {
        holder = Fields::lenient(value, &holder.name("credential"))?;
    }
    // The examples of the MCP binding have the token right in the instrument.
    payment.token = holder.need_string("token", ID)?.to_owned();
    Ok(())
}

/// What the bank said, in the newest version's words.
fn authentication(dialect: Dialect, value: &Value, path: &str) -> Result<Authentication> {
    let fields = Fields::open(value, path, &["outcome", "outcome_details"])?;
    fields.need("outcome")?;
    let words: &[&str] = if dialect == Dialect::V20260116 {
        &["authenticated", "failed", "unavailable", "rejected", "attempt"]
    } else {
        &[
            "abandoned",
            "attempt_acknowledged",
            "authenticated",
            "canceled",
            "denied",
            "informational",
            "internal_error",
            "not_supported",
            "processing_error",
            "rejected",
        ]
    };
    let outcome = word(&fields, "outcome", words)?.unwrap_or_default();
    let outcome = match outcome.as_str() {
        "failed" => "denied",
        "unavailable" => "not_supported",
        "attempt" => "attempt_acknowledged",
        outcome => outcome,
    };
    let mut result = Authentication { outcome: outcome.to_owned(), ..Authentication::default() };
    let good = matches!(outcome, "authenticated" | "informational" | "attempt_acknowledged");
    if good && dialect != Dialect::V20260116 {
        fields.need("outcome_details")?;
    }
    if let Some(value) = fields.get("outcome_details") {
        let known = ["three_ds_cryptogram", "electronic_commerce_indicator", "transaction_id", "version"];
        let details = Fields::open(value, &fields.name("outcome_details"), &known)?;
        // Of a refusal the examples tell less than the schema wants.
        for name in known.into_iter().filter(|_| good) {
            details.need(name)?;
        }
        result.cryptogram = text(&details, "three_ds_cryptogram", ID)?;
        result.electronic_commerce_indicator = text(&details, "electronic_commerce_indicator", 2)?;
        result.transaction_id = text(&details, "transaction_id", ID)?;
        result.version = text(&details, "version", 20)?;
        if result.electronic_commerce_indicator.as_deref().is_some_and(|eci| !matches!(eci, "01" | "02" | "05" | "06" | "07")) {
            return Err(invalid(&details, "electronic_commerce_indicator", "must be one of 01, 02, 05, 06, 07."));
        }
    }
    Ok(result)
}

/// Why an agent gives up (rfc.intent_traces). Only what is malformed is refused: a reason that is new to us counts as `other`, and what
/// else is in the body does not keep a checkout from being canceled.
fn given_up(dialect: Dialect, body: &Value) -> Result<Cancel> {
    if body.is_null() {
        return Ok(Cancel::default());
    }
    let fields = Fields::lenient(body, "$")?;
    let Some(value) = fields.get("intent_trace").filter(|_| !first(dialect)) else { return Ok(Cancel::default()) };
    let trace = Fields::lenient(value, &fields.name("intent_trace"))?;
    let reasons = [
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
    let reason = trace.need_string("reason_code", ID)?;
    let mut kept = Object::default();
    kept.put("reason_code", if reasons.contains(&reason) { reason } else { "other" });
    kept.maybe("trace_summary", text(&trace, "trace_summary", 500)?).maybe("metadata", flat(&trace, "metadata")?);
    Ok(Cancel { trace: Some(bounded(&fields, "intent_trace", kept.done())?) })
}
