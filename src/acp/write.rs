//! Checkouts and carts in each version's words. One writer: what a version says otherwise stands where it is written.
//!
//! Every answer is one that the version's own JSON Schema accepts (`tests/acp` holds them against it). The schemas are closed and know no
//! `null`: what a version has no word for is left out, or said by the nearest word that it has.

use super::dialect::Dialect;
use super::object::Object;
use super::problem::{path, versions};
use super::session::{Address, Applied, Contact, DeliveryOption, Line, Message, OrderRef, Seller, Session, Status, Totals};
use super::time::rfc3339;
use crate::money::{Amount, Currency};
use crate::record::Json;
use serde_json::Value;

/// What our one payment handler is called in `capabilities.payment.handlers` and in an agent's `payment_data`.
pub const HANDLER: &str = "card_tokenized";

/// Since 2026-01-30: `line_items` with totals, handlers, warnings, discounts.
fn newer(dialect: Dialect) -> bool {
    dialect >= Dialect::V20260130
}

/// Since 2026-04-17: the rich order, resolutions, consents.
fn newest(dialect: Dialect) -> bool {
    dialect >= Dialect::V20260417
}

/// Up to 2025-09-29: `fulfillment_address` and one option for all.
fn first(dialect: Dialect) -> bool {
    dialect <= Dialect::V20250929
}

/// A checkout as an answer.
pub fn session(dialect: Dialect, session: &Session, seller: &Seller) -> Value {
    let mut answer = Object::default();
    answer.put("id", &session.id);
    if newer(dialect) {
        answer.put("protocol", object! { "version": dialect.name() });
        answer.put("capabilities", capabilities(dialect, session, seller));
    } else {
        answer.add("payment_provider", payment_provider(dialect, seller));
    }
    answer.add("buyer", buyer(dialect, &session.buyer));
    answer.put("status", status(dialect, session.status)).put("currency", &session.currency);
    answer.put("line_items", lines(dialect, session, seller));
    if first(dialect) {
        answer.maybe("fulfillment_address", session.address.as_ref().map(|to| address(dialect, to)));
    } else {
        answer.add("fulfillment_details", details(dialect, session.contact.as_ref(), session.address.as_ref()));
    }
    let options: Vec<Value> = session.options.iter().map(|option| delivery_option(dialect, option)).collect();
    answer.put("fulfillment_options", options);
    selection(dialect, session, &mut answer);
    answer.put("totals", totals(dialect, &session.totals, &session.currency, Scope::Checkout));
    answer.put("messages", messages(dialect, session)).put("links", links(dialect, seller));
    if newer(dialect) {
        more(dialect, session, seller, &mut answer);
    }
    answer.maybe("order", session.order.as_ref().map(|made| order(dialect, session, made, seller)));
    answer.done()
}

/// A cart as an answer (2026-04-17): estimates, for a cart has no address.
pub fn cart(session: &Session, seller: &Seller) -> Value {
    let dialect = Dialect::V20260417;
    let mut answer = Object::default();
    answer.put("id", &session.id).put("line_items", lines(dialect, session, seller)).add("buyer", buyer(dialect, &session.buyer));
    answer.put("currency", &session.currency).put("totals", totals(dialect, &session.totals, &session.currency, Scope::Cart));
    answer.put("messages", messages(dialect, session)).put("expires_at", rfc3339(session.expires_at));
    answer.done()
}

/// `/.well-known/acp.json` (rfc.discovery): the same for every shop, and nothing about any of them.
pub fn discovery(public_url: &str, documentation_url: &str) -> Value {
    object! {
        "protocol": object! { "name": "acp", "version": Dialect::V20260417.name(), "supported_versions": versions(),
            "documentation_url": documentation_url },
        "api_base_url": public_url,
        "transports": ["rest", "mcp"],
        "capabilities": object! { "services": ["checkout", "orders", "carts"], "extensions": [object! { "name": "discount" }],
            "intervention_types": ["3ds"] },
    }
}

/// By which channels the shop asks whether it may write to the buyer; what an agent says of others does not count
/// (rfc.marketing_consent, section 3.6). None without a privacy policy to show.
pub fn consent_channels(seller: &Seller) -> &'static [&'static str] {
    if privacy_policy(seller).is_some() { &["email"] } else { &[] }
}

fn privacy_policy(seller: &Seller) -> Option<&str> {
    seller.links.iter().filter(|link| link.kind == "privacy_policy").find_map(|link| uri(&link.url))
}

/// What only the newer versions have.
fn more(dialect: Dialect, session: &Session, seller: &Seller, answer: &mut Object) {
    answer.maybe("locale", session.locale.as_ref()).maybe("timezone", session.timezone.as_ref());
    let mut groups = session.groups.clone();
    if !newest(dialect) {
        for group in groups.as_array_mut().into_iter().flatten() {
            if let Some(address) = group.pointer_mut("/fulfillment_details/address").and_then(Value::as_object_mut) {
                address.remove("company");
            }
        }
    }
    answer.add("fulfillment_groups", groups);
    answer.put("created_at", rfc3339(session.created)).put("updated_at", rfc3339(session.updated));
    answer.put("expires_at", rfc3339(session.expires_at));
    // Where no agent can go on, the buyer may at the shop itself.
    let stuck = |message: &Message| {
        matches!(
            message.code.as_deref(),
            Some("unsupported" | "requires_sign_in" | "age_verification_required" | "approval_required" | "intervention_required")
        )
    };
    if session.status == Status::NotReady && session.messages.iter().any(stuck) {
        answer.maybe("continue_url", uri(&seller.site_url));
    }
    answer.add("metadata", session.metadata.clone()).maybe("quote_id", session.quote_id.as_ref());
    answer.put("discounts", discounts(session));
    if let Some(policy) = privacy_policy(seller).filter(|_| newest(dialect) && !session.status.ended()) {
        let options: Vec<Value> = consent_channels(seller)
            .iter()
            .map(|channel| {
                let text = format!("News and offers from {} by {channel}", seller.name);
                object! { "channel": *channel, "display_text": text, "privacy_policy_url": policy, "is_subscribed": false }
            })
            .collect();
        answer.put("marketing_consent_options", options);
    }
}

fn status(dialect: Dialect, status: Status) -> &'static str {
    match status {
        Status::AuthenticationRequired if first(dialect) => "ready_for_payment",
        Status::InProgress if !newer(dialect) => "in_progress",
        Status::Expired if !newer(dialect) => "canceled",
        status => status.name(),
    }
}

/// How payment was advertised until 2026-01-16; nothing while no account is connected that a token could be for.
fn payment_provider(dialect: Dialect, seller: &Seller) -> Value {
    let Some(account) = &seller.account else { return Value::Null };
    if first(dialect) {
        return object! { "provider": "stripe", "supported_payment_methods": ["card"] };
    }
    let card = object! { "type": "card", "supported_card_networks": ["amex", "discover", "mastercard", "visa"] };
    let mut provider = Object::default();
    provider.put("provider", "stripe").put("supported_payment_methods", [card]);
    provider.maybe("merchant_id", (dialect == Dialect::V20260116).then_some(account));
    provider.done()
}

/// What agent and shop can do together (rfc.capability_negotiation, rfc.payment_handlers, rfc.extensions).
fn capabilities(dialect: Dialect, session: &Session, seller: &Seller) -> Value {
    let handlers: Vec<Value> = seller.account.iter().map(|account| handler(dialect, session, account)).collect();
    let said = |name: &str| session.capabilities.get(name);
    // An agent that never spoke of it, in an older version, may be able to; one that did, and left it out, is not.
    let supported: &[&str] = match said("interventions").and_then(|said| said.get("supported")?.as_array()) {
        Some(theirs) if theirs.iter().any(|theirs| theirs == "3ds") => &["3ds"],
        None if session.capabilities.is_null() => &["3ds"],
        _ => &[],
    };
    let required: &[&str] = &[];
    let extends = ["CheckoutSessionCreateRequest", "CheckoutSessionUpdateRequest", "CheckoutSession"].map(|of| format!("$.{of}.discounts"));
    object! {
        "payment": object! { "handlers": handlers },
        "interventions": object! { "supported": supported, "required": required, "enforcement": "conditional" },
        "extensions": [object! { "name": "discount", "extends": extends }],
    }
}

fn handler(dialect: Dialect, session: &Session, account: &str) -> Value {
    const AT: &str = "https://acp.dev/schemas/handlers/tokenized.card";
    let mut handler = Object::default();
    handler.put("id", HANDLER).put("name", "dev.acp.tokenized.card").put("version", "2026-01-22");
    handler.put("spec", "https://acp.dev/handlers/tokenized.card").put("requires_delegate_payment", true);
    handler.put("requires_pci_compliance", false).put("psp", "stripe").put("config_schema", format!("{AT}/config.json"));
    handler.put("instrument_schemas", [format!("{AT}/instrument.json")]);
    handler.put(
        "config",
        object! {
            "merchant_id": account, "psp": "stripe", "accepted_brands": ["visa", "mastercard", "amex", "discover"],
            "accepted_funding_types": ["credit", "debit", "prepaid"], "supports_3ds": true,
            "environment": if session.livemode { "production" } else { "sandbox" },
        },
    );
    if newest(dialect) {
        handler.put("display_name", "Card");
    }
    handler.done()
}

/// `null` where there is none, or where an older version has no words for one without a name.
fn buyer(dialect: Dialect, buyer: &Value) -> Value {
    if newer(dialect) || buyer.is_null() {
        return buyer.clone();
    }
    let said = |name: &str| buyer.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    let (mut given, mut family) = (said("first_name"), said("last_name"));
    if given.is_empty() && family.is_empty() {
        let full = said("full_name");
        (given, family) = full.rsplit_once(char::is_whitespace).unwrap_or((full, ""));
    }
    if given.is_empty() && family.is_empty() {
        return Value::Null;
    }
    let mut answer = Object::default();
    answer.put("first_name", given.trim_end()).put("last_name", family);
    answer.put("email", said("email")).add("phone_number", buyer.get("phone_number").cloned().unwrap_or_default());
    answer.done()
}

pub(super) fn address(dialect: Dialect, to: &Address) -> Value {
    let mut address = Object::default();
    address.put("name", &to.name).put("line_one", &to.line_one).maybe("line_two", to.line_two.as_ref()).put("city", &to.city);
    address.put("state", &to.state).put("country", &to.country).put("postal_code", &to.postal_code);
    address.maybe("company", to.company.as_ref().filter(|_| newest(dialect)));
    address.done()
}

/// `fulfillment_details`; `null` where nothing is known.
pub(super) fn details(dialect: Dialect, contact: Option<&Contact>, to: Option<&Address>) -> Value {
    if contact.is_none() && to.is_none() {
        return Value::Null;
    }
    let mut details = Object::default();
    if let Some(contact) = contact {
        details.maybe("name", contact.name.as_ref()).maybe("phone_number", contact.phone_number.as_ref());
        details.maybe("email", contact.email.as_ref());
    }
    details.maybe("address", to.map(|to| address(dialect, to)));
    details.done()
}

fn lines(dialect: Dialect, session: &Session, seller: &Seller) -> Vec<Value> {
    session.lines.iter().enumerate().map(|(place, line)| line_item(dialect, session, seller, place, line)).collect()
}

fn line_item(dialect: Dialect, session: &Session, seller: &Seller, place: usize, line: &Line) -> Value {
    let mut item = Object::default();
    item.put("id", &line.id);
    if newer(dialect) {
        item.put("item", object! { "id": line.product, "name": line.title, "unit_amount": line.unit_amount });
        item.put("quantity", line.quantity);
    } else {
        item.put("item", object! { "id": line.product, "quantity": line.quantity });
        item.put("base_amount", line.base_amount).put("discount", line.discount).put("subtotal", line.subtotal);
        item.put("tax", line.tax).put("total", line.total);
    }
    if first(dialect) {
        return item.done();
    }
    item.put("name", &line.title).maybe("description", line.description.as_ref()).put("unit_amount", line.unit_amount);
    let images: Vec<&str> = line.images.iter().filter_map(|image| uri(image)).collect();
    if !images.is_empty() {
        item.put("images", images);
    }
    let brand = line.brand.iter().map(|brand| ("Brand".to_owned(), brand.as_str()));
    let variant = line.variant.iter().map(|named| (display_name(&named.name), named.value.as_str()));
    let attributes: Vec<Value> = brand.chain(variant).map(|(name, value)| object! { "display_name": name, "value": value }).collect();
    if !attributes.is_empty() {
        item.put("custom_attributes", attributes);
    }
    if !seller.name.is_empty() {
        item.put("marketplace_seller_details", object! { "name": seller.name });
    }
    if newer(dialect) {
        // In the catalogue each variant is a row of its own, and the group is what they have in common.
        item.put("product_id", line.group.as_ref().unwrap_or(&line.product)).put("sku", &line.product);
        item.maybe("variant_id", line.group.as_ref().map(|_| &line.product)).maybe("category", line.category.as_ref());
        let availability = match line.availability.as_str() {
            "preorder" => Some("pre_order"),
            word @ ("in_stock" | "low_stock" | "out_of_stock" | "backorder") => Some(word),
            _ => None,
        };
        item.maybe("availability_status", availability).maybe("available_quantity", line.available.map(|left| left.max(0)));
        if !line.variant.is_empty() {
            item.put("variant_options", &line.variant);
        }
        let reductions = reductions(session, place, line);
        if !reductions.is_empty() {
            item.put("discount_details", reductions);
        }
        item.put("totals", line_totals(line));
    }
    item.done()
}

/// `age_group` → `Age group`.
fn display_name(name: &str) -> String {
    let mut letters = name.chars();
    let head = letters.next().map(|c| c.to_ascii_uppercase());
    head.into_iter().chain(letters.map(|c| if c == '_' { ' ' } else { c })).collect()
}

/// What makes a line's discount: the codes that count item by item, and what its sale price is below its price.
fn reductions(session: &Session, place: usize, line: &Line) -> Vec<Value> {
    let mut details = Vec::new();
    let mut left = line.discount;
    for applied in session.applied.iter().filter(|applied| applied.each) {
        let share = applied.allocations.iter().find(|share| usize::try_from(share.line).is_ok_and(|line| line == place));
        if let Some(share) = share.filter(|share| share.amount > 0) {
            left = left.saturating_sub(share.amount);
            let mut detail = Object::default();
            detail.maybe("code", applied.code.as_ref()).put("type", if applied.percent_bps.is_some() { "percentage" } else { "fixed" });
            detail.put("amount", share.amount).put("description", &applied.name);
            detail.put("source", if applied.code.is_some() { "coupon" } else { "automatic" });
            details.push(detail.done());
        }
    }
    if left > 0 {
        details.push(object! { "type": "fixed", "amount": left, "description": "Sale price", "source": "automatic" });
    }
    details
}

fn total(kind: &str, text: &str, amount: i64) -> Value {
    object! { "type": kind, "display_text": text, "amount": amount }
}

pub(super) fn line_totals(line: &Line) -> Vec<Value> {
    vec![
        total("items_base_amount", "Base amount", line.base_amount),
        total("items_discount", "Discount", line.discount),
        total("subtotal", "Subtotal", line.subtotal),
        total("tax", "Tax", line.tax),
        total("total", "Total", line.total),
    ]
}

/// What totals are of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Checkout,
    /// Neither delivery nor tax is known.
    Cart,
    /// With so much given back.
    Order(i64),
}

/// Every kind that clients look for, also where it is 0: `total = subtotal - discount + fulfillment + tax + fee`.
pub(super) fn totals(dialect: Dialect, totals: &Totals, currency: &str, scope: Scope) -> Vec<Value> {
    let mut all = vec![
        total("items_base_amount", "Items", totals.items_base_amount),
        total("items_discount", "Item discounts", totals.items_discount),
        total("subtotal", "Subtotal", totals.subtotal),
        total("discount", "Discount", totals.discount),
    ];
    if scope != Scope::Cart {
        all.push(total("fulfillment", "Delivery", totals.fulfillment));
        all.push(tax(dialect, totals, currency));
    }
    all.push(total("fee", "Fees", totals.fee));
    all.push(total("total", "Total", totals.total));
    if let Scope::Order(refunded) = scope {
        all.push(total("amount_refunded", "Refunded", refunded));
    }
    all
}

/// The tax that is added; what prices include is told in words, for no version has a figure for it.
fn tax(dialect: Dialect, totals: &Totals, currency: &str) -> Value {
    let display = |amount: i64| match (Currency::parse(currency), Amount::new(amount)) {
        (Some(currency), Some(amount)) => currency.display(amount),
        _ => amount.to_string(),
    };
    let mut text = "Tax".to_owned();
    let mut description = None;
    if totals.included_tax > 0 {
        let included = display(totals.included_tax);
        if first(dialect) {
            text = format!("Tax (prices include {included})");
        } else {
            let parts = totals.taxes.iter().filter(|part| part.inclusive);
            let parts: Vec<String> =
                parts.map(|part| format!("{} {}: {}", part.name, percent(part.rate_bps), display(part.amount))).collect();
            let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
            description = Some(format!("Prices include {included}{parts}"));
        }
    }
    let mut tax = Object::default();
    tax.put("type", "tax").put("display_text", text).put("amount", totals.tax).maybe("description", description);
    let breakdown: Vec<Value> = totals
        .taxes
        .iter()
        .filter(|part| !part.inclusive)
        .map(|part| object! { "jurisdiction": part.name, "rate": decimal(part.rate_bps, 10_000.0), "amount": part.amount })
        .collect();
    if newer(dialect) && !breakdown.is_empty() {
        tax.put("breakdown", breakdown);
    }
    tax.done()
}

/// Hundredths of a percent → `7.75%`.
fn percent(bps: i64) -> String {
    let (whole, part) = (bps.div_euclid(100), bps.rem_euclid(100));
    match part {
        0 => format!("{whole}%"),
        part => format!("{whole}.{}%", format!("{part:02}").trim_end_matches('0')),
    }
}

/// Hundredths of a percent as a number: of 100 by 100, of 1 by 10,000. Whole where it is whole.
#[allow(clippy::cast_precision_loss)] // A rate: far below 2^53.
pub(super) fn decimal(bps: i64, by: f64) -> Value {
    let number = bps as f64 / by;
    if number.fract() == 0.0 {
        bps.checked_div(if by > 100.0 { 10_000 } else { 100 }).unwrap_or_default().json()
    } else {
        Value::from(number)
    }
}

fn delivery_option(dialect: Dialect, option: &DeliveryOption) -> Value {
    let mut answer = Object::default();
    answer.put("type", &option.kind).put("id", &option.id).put("title", &option.title);
    let totalled = dialect >= Dialect::V20260116;
    answer.maybe(if totalled { "description" } else { "subtitle" }, option.description.as_ref());
    if option.kind == "shipping" {
        answer.maybe("carrier", option.carrier.as_ref());
        answer.maybe("earliest_delivery_time", option.earliest.map(rfc3339)).maybe("latest_delivery_time", option.latest.map(rfc3339));
    }
    if totalled {
        let (subtotal, tax) = (total("subtotal", &option.title, option.subtotal), total("tax", "Tax", option.tax));
        answer.put("totals", vec![subtotal, tax, total("total", "Total", option.total)]);
    } else {
        answer.put("subtotal", option.subtotal).put("tax", option.tax).put("total", option.total);
    }
    answer.done()
}

fn selection(dialect: Dialect, session: &Session, answer: &mut Object) {
    if first(dialect) {
        // One for all: what is digital comes with it.
        let shipping = session.selected.iter().find(|selected| selected.kind == "shipping");
        answer.maybe("fulfillment_option_id", shipping.or(session.selected.first()).map(|selected| &selected.option_id));
        return;
    }
    let selected: Vec<Value> = session
        .selected
        .iter()
        .map(|selected| {
            let mut inner = Object::default();
            inner.put("option_id", &selected.option_id).put("item_ids", &selected.item_ids);
            let mut outer = Object::default();
            outer.put("type", &selected.kind);
            if newer(dialect) { inner.put("type", &selected.kind).taken() } else { outer.add(&selected.kind, inner.done()).taken() }
        })
        .collect();
    if !selected.is_empty() {
        answer.put("selected_fulfillment_options", selected);
    }
}

/// The words for errors that versions before 2026-01-30 have.
fn older_code(code: &str) -> &str {
    match code {
        "missing" | "out_of_stock" | "payment_declined" | "requires_sign_in" | "requires_3ds" => code,
        "low_stock" | "quantity_exceeded" => "out_of_stock",
        "intervention_required" => "requires_3ds",
        _ => "invalid",
    }
}

const ERRORS: &str = " missing invalid out_of_stock payment_declined requires_sign_in requires_3ds low_stock quantity_exceeded \
coupon_invalid coupon_expired minimum_not_met maximum_exceeded region_restricted age_verification_required approval_required \
unsupported not_found conflict rate_limited expired intervention_required ";

const WARNINGS: &str = " low_stock high_demand shipping_delay price_change expiring_promotion limited_availability \
discount_code_expired discount_code_invalid discount_code_already_applied discount_code_combination_disallowed \
discount_code_minimum_not_met discount_code_user_not_logged_in discount_code_user_ineligible discount_code_usage_limit_reached ";

fn among(words: &str, word: &str) -> bool {
    !word.contains(' ') && words.contains(&format!(" {word} "))
}

fn messages(dialect: Dialect, session: &Session) -> Vec<Value> {
    let mut messages: Vec<Value> = session.messages.iter().map(|message| self::message(dialect, message)).collect();
    if session.status == Status::AuthenticationRequired && first(dialect) {
        messages.push(self::message(
            dialect,
            &Message {
                kind: "error".to_owned(),
                code: Some("requires_3ds".to_owned()),
                content: "The buyer's bank wants to be asked first, which API-Version 2025-12-12 and later have the words for.".to_owned(),
                ..Message::default()
            },
        ));
    }
    messages
}

fn message(dialect: Dialect, message: &Message) -> Value {
    let code = message.code.as_deref().unwrap_or_default();
    let mut answer = Object::default();
    let severity = match message.kind.as_str() {
        "error" => {
            let code = if newer(dialect) { if among(ERRORS, code) { code } else { "invalid" } } else { older_code(code) };
            answer.put("type", "error").put("code", code);
            "high"
        }
        "warning" if newer(dialect) && among(WARNINGS, code) => {
            answer.put("type", "warning").put("code", code);
            "medium"
        }
        // A warning that a version has no word for is still told.
        kind => {
            answer.put("type", "info");
            if kind == "warning" { "medium" } else { "info" }
        }
    };
    answer.maybe("severity", newer(dialect).then_some(severity));
    let resolution = message.resolution.as_deref().filter(|_| newest(dialect));
    answer.maybe("resolution", resolution.filter(|word| among(" recoverable requires_buyer_input requires_buyer_review ", word)));
    answer.maybe("param", message.param.as_deref().and_then(|param| path(dialect, param, false)));
    answer.put("content_type", "plain").put("content", &message.content);
    answer.done()
}

fn links(dialect: Dialect, seller: &Seller) -> Vec<Value> {
    let mut known: Vec<&str> =
        vec!["terms_of_use", "privacy_policy", if first(dialect) { "seller_shop_policies" } else { "return_policy" }];
    if newer(dialect) {
        known.extend(["shipping_policy", "contact_us", "about_us", "faq", "support"]);
    }
    let mut links = Vec::new();
    for kind in known {
        // The oldest version's word for what is called a return policy since.
        let same = |link: &str| {
            link == kind || matches!((kind, link), ("seller_shop_policies", "return_policy") | ("return_policy", "seller_shop_policies"))
        };
        let found = seller.links.iter().find(|link| same(&link.kind) && uri(&link.url).is_some());
        if let Some(link) = found {
            let mut answer = Object::default();
            answer.put("type", kind).put("url", &link.url).maybe("title", link.title.as_ref().filter(|_| newer(dialect)));
            links.push(answer.done());
        }
    }
    links
}

/// Discounts on lines have allocations, those on the order have none: that is how they are told apart (rfc.discount_extension, 8.1).
fn discounts(session: &Session) -> Value {
    let mut rejected = Vec::new();
    for code in &session.rejected {
        let reason = if among(WARNINGS, &code.reason) && code.reason.starts_with("discount_code_") {
            &*code.reason
        } else {
            "discount_code_invalid"
        };
        rejected.push(object! { "code": code.code, "reason": reason, "message": code.message });
    }
    let applied: Vec<Value> = session.applied.iter().zip(1_i64..).map(|(applied, place)| discount(session, applied, place)).collect();
    object! { "codes": session.codes, "applied": applied, "rejected": rejected }
}

fn discount(session: &Session, applied: &Applied, priority: i64) -> Value {
    let mut coupon = Object::default();
    coupon.put("id", &applied.coupon).put("name", &applied.name).maybe("percent_off", applied.percent_bps.map(|bps| decimal(bps, 100.0)));
    if let Some(amount) = applied.amount_off.filter(|_| applied.percent_bps.is_none()) {
        coupon.put("amount_off", amount).put("currency", &session.currency);
    }
    let mut answer = Object::default();
    answer.put("id", &applied.id).maybe("code", applied.code.as_ref()).put("coupon", coupon.put("duration", "once").taken());
    answer.put("amount", applied.amount).put("automatic", applied.code.is_none());
    answer.maybe("start", applied.starts.map(rfc3339)).maybe("end", applied.ends.map(rfc3339));
    answer.put("method", if applied.each { "each" } else { "across" }).put("priority", priority);
    if applied.each {
        let share = |line: i64, amount: i64| object! { "path": format!("$.line_items[{line}]"), "amount": amount };
        let shares: Vec<Value> = applied.allocations.iter().map(|allocation| share(allocation.line, allocation.amount)).collect();
        answer.put("allocations", shares);
    }
    answer.done()
}

/// The order within a completed checkout: what holds for good. How it goes on is told by events and by the order itself.
fn order(dialect: Dialect, session: &Session, made: &OrderRef, seller: &Seller) -> Value {
    let mut order = Object::default();
    order.put("id", &made.id).put("checkout_session_id", &session.id).put("permalink_url", &made.permalink_url);
    if !newer(dialect) {
        return order.done();
    }
    order.maybe("order_number", made.number.as_ref());
    let status = match made.status.as_str() {
        "" => None,
        word if newest(dialect) => Some(word),
        "created" | "confirmed" => Some("confirmed"),
        "processing" | "manual_review" => Some("processing"),
        "shipped" => Some("shipped"),
        "completed" => Some("delivered"),
        _ => None,
    };
    order.maybe("status", status);
    let chosen = session.options.iter().find(|option| session.selected.iter().any(|selected| selected.option_id == option.id));
    order.add("estimated_delivery", estimate(chosen.and_then(|option| option.earliest), chosen.and_then(|option| option.latest)));
    let mut confirmation = Object::default();
    confirmation.put("confirmation_number", made.number.as_ref().unwrap_or(&made.id));
    confirmation.maybe("order_notes", session.order_notes.as_ref().filter(|_| newest(dialect)));
    order.put("confirmation", confirmation.done());
    let help = ["support", "contact_us", "faq"].iter().find_map(|kind| seller.links.iter().find(|link| link.kind == *kind));
    order.maybe("support", help.and_then(|link| uri(&link.url)).map(|url| object! { "help_center_url": url }));
    if newest(dialect) {
        order.put("type", "order");
    }
    order.done()
}

/// `EstimatedDelivery` wants both ends.
pub(super) fn estimate(earliest: Option<i64>, latest: Option<i64>) -> Value {
    let (Some(earliest), Some(latest)) = (earliest.or(latest), latest.or(earliest)) else { return Value::Null };
    object! { "earliest": rfc3339(earliest), "latest": rfc3339(latest.max(earliest)) }
}

/// An address that the schemas' `uri` accepts (RFC 3986): pictures and links come from the shop's catalogue.
pub(super) fn uri(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let mut escape = rest.split('%').skip(1);
    let escaped = escape.all(|after| after.len() >= 2 && after.bytes().take(2).all(|b| b.is_ascii_hexdigit()));
    let plain = rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}[]".contains(&b));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    (plain && escaped && !host.is_empty() && rest.matches('#').count() <= 1).then_some(text)
}
