//! Checkouts and carts in each version's words. One writer: what a version says otherwise stands where it is written.
//!
//! Every answer is one that the version's own JSON Schema accepts (`tests/acp` holds them against it). The schemas are closed and know no
//! `null`: what a version has no word for is left out, or said by the nearest word that it has.

use super::dialect::Dialect;
use super::object::present;
use super::order::ordered;
use super::problem::{path, versions};
use super::session::{Address, Allocation, Applied, DeliveryOption, Line, Message, OrderRef, Selected, Seller, Session, Status, Totals};
use super::time::rfc3339;
use crate::money::{Amount, Currency};
use crate::record::{Json, each, made};
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

/// A checkout as an answer. In 2025-09-29 and on Stripe's page only the answer to a completion has the order: see [`completed`].
pub fn session(dialect: Dialect, session: &Session, seller: &Seller) -> Value {
    answer(dialect, session, seller, !first(dialect))
}

/// A checkout as the answer to its completion (`CheckoutSessionWithOrder`).
pub fn completed(dialect: Dialect, session: &Session, seller: &Seller) -> Value {
    answer(dialect, session, seller, true)
}

fn answer(dialect: Dialect, session: &Session, seller: &Seller, with_order: bool) -> Value {
    let (newer, first) = (newer(dialect), first(dialect));
    let open = newest(dialect) && !session.status.ended();
    present! {
        "id": session.id,
        "protocol": newer.then(|| object! { "version": dialect.name() }),
        "capabilities": made(newer.then(|| capabilities(session, seller, dialect))),
        "payment_provider": made(if newer { Value::Null } else { payment_provider(dialect, seller) }),
        "buyer": made(buyer(dialect, &session.buyer)),
        "status": status(dialect, session.status),
        "currency": session.currency,
        "line_items": made(lines(dialect, session, seller)),
        "fulfillment_address": session.address.as_ref().filter(|_| first).map(|to| address(dialect, to)),
        "fulfillment_details": made(if first { Value::Null } else { details(dialect, session) }),
        "fulfillment_options": made(each(&session.options, &|option| delivery_option(dialect, option))),
        // One for all: what is digital comes with what is shipped.
        "fulfillment_option_id": if first { chosen(session).map(|chosen| &chosen.option_id) } else { None },
        "selected_fulfillment_options": made(if first { Value::Null } else { selection(dialect, session) }),
        "fulfillment_groups": if newer { groups(dialect, session) } else { Value::Null },
        "totals": made(totals(dialect, &session.totals, &session.currency, Scope::Checkout)),
        "messages": made(messages(dialect, session)),
        "links": made(links(dialect, seller)),
        "created_at": newer.then(|| rfc3339(session.created)),
        "updated_at": newer.then(|| rfc3339(session.updated)),
        "expires_at": newer.then(|| rfc3339(session.expires_at)),
        "continue_url": if newer { continue_at(session, seller) } else { None },
        "locale": session.locale.as_ref().filter(|_| newer),
        "timezone": session.timezone.as_ref().filter(|_| newer),
        "quote_id": session.quote_id.as_ref().filter(|_| newer),
        "metadata": if newer { &session.metadata } else { &Value::Null },
        "discounts": made(newer.then(|| discounts(session))),
        "marketing_consent_options": if open { consent_options(seller) } else { None },
        "order": session.order.as_ref().filter(|_| with_order).map(|made| order(dialect, session, made, seller)),
    }
}

/// A cart as an answer (2026-04-17): estimates, for a cart has no address.
pub fn cart(session: &Session, seller: &Seller) -> Value {
    let dialect = Dialect::V20260417;
    present! {
        "id": session.id,
        "line_items": made(lines(dialect, session, seller)),
        "buyer": session.buyer,
        "currency": session.currency,
        "totals": made(totals(dialect, &session.totals, &session.currency, Scope::Cart)),
        "messages": made(messages(dialect, session)),
        "expires_at": rfc3339(session.expires_at),
    }
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

fn consent_options(seller: &Seller) -> Option<Value> {
    let policy = privacy_policy(seller)?;
    let option = |channel: &&'static str| {
        let text = format!("News and offers from {} by {channel}", seller.name);
        object! { "channel": *channel, "display_text": text, "privacy_policy_url": policy, "is_subscribed": false }
    };
    Some(each(consent_channels(seller), &option))
}

/// Where no agent can go on, the buyer may at the shop itself.
fn continue_at<'a>(session: &Session, seller: &'a Seller) -> Option<&'a str> {
    let stuck = |message: &Message| {
        let code = message.code.as_deref().unwrap_or_default();
        among(" unsupported requires_sign_in age_verification_required approval_required intervention_required ", code)
    };
    let here = session.status == Status::NotReady && session.messages.iter().any(stuck);
    uri(&seller.site_url).filter(|_| here)
}

/// As the agent sent them, in this version's words.
fn groups(dialect: Dialect, session: &Session) -> Value {
    let mut groups = session.groups.clone();
    for group in groups.as_array_mut().into_iter().flatten().filter(|_| !newest(dialect)) {
        if let Some(address) = group.pointer_mut("/fulfillment_details/address").and_then(Value::as_object_mut) {
            address.remove("company");
        }
    }
    groups
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
    let merchant = Some(account).filter(|_| dialect == Dialect::V20260116);
    present! { "provider": "stripe", "supported_payment_methods": [card], "merchant_id": merchant }
}

/// What agent and shop can do together (rfc.capability_negotiation, rfc.payment_handlers, rfc.extensions).
fn capabilities(session: &Session, seller: &Seller, dialect: Dialect) -> Value {
    let handlers = each(seller.account.as_slice(), &|account| handler(dialect, session, account));
    let said = |name: &str| session.capabilities.get(name);
    // An agent that never spoke of it, in an older version, may be able to; one that did, and left it out, is not.
    let supported: &[&str] = match said("interventions").and_then(|said| said.get("supported")?.as_array()) {
        // The examples of 2026-01-16 tell kinds of it apart: `3ds_redirect`, `3ds_challenge`.
        Some(theirs) if theirs.iter().any(|theirs| theirs.as_str().is_some_and(|theirs| theirs.starts_with("3ds"))) => &["3ds"],
        None if session.capabilities.is_null() => &["3ds"],
        _ => &[],
    };
    let required: &[&str] = &[];
    present! {
        "payment": object! { "handlers": handlers },
        "interventions": object! { "supported": supported, "required": required, "enforcement": "conditional" },
        "extensions": extensions(said("extensions")),
    }
}

/// The extensions that are active (rfc.extensions, section 3). Who named none may be a published client, which can read only names.
fn extensions(named: Option<&Value>) -> Value {
    let Some(named) = named.and_then(Value::as_array).filter(|named| !named.is_empty()) else { return ["discount"].json() };
    // An empty list is both lists that the schema has, and so neither.
    if !named.iter().any(|name| name.as_str().is_some_and(|name| name.split('@').next() == Some("discount"))) {
        return Value::Null;
    }
    let extends = ["CheckoutSessionCreateRequest", "CheckoutSessionUpdateRequest", "CheckoutSession"].map(|of| format!("$.{of}.discounts"));
    [object! { "name": "discount", "extends": extends }].json()
}

fn handler(dialect: Dialect, session: &Session, account: &str) -> Value {
    const AT: &str = "https://acp.dev/schemas/handlers/tokenized.card";
    present! {
        "id": HANDLER,
        "name": "dev.acp.tokenized.card",
        "display_name": newest(dialect).then_some("Card"),
        "version": "2026-01-22",
        "spec": "https://acp.dev/handlers/tokenized.card",
        "requires_delegate_payment": true,
        "requires_pci_compliance": false,
        "psp": "stripe",
        "config_schema": format!("{AT}/config.json"),
        "instrument_schemas": [format!("{AT}/instrument.json")],
        "config": object! {
            "merchant_id": account, "psp": "stripe", "accepted_brands": ["visa", "mastercard", "amex", "discover"],
            "accepted_funding_types": ["credit", "debit", "prepaid"], "supports_3ds": true,
            "environment": if session.livemode { "production" } else { "sandbox" },
        },
    }
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
    present! { "first_name": given.trim_end(), "last_name": family, "email": said("email"), "phone_number": buyer.get("phone_number") }
}

pub(super) fn address(dialect: Dialect, to: &Address) -> Value {
    present! {
        "name": to.name, "line_one": to.line_one, "line_two": to.line_two, "city": to.city, "state": to.state, "country": to.country,
        "postal_code": to.postal_code, "company": to.company.as_ref().filter(|_| newest(dialect)),
    }
}

/// `fulfillment_details`; `null` where nothing is known.
fn details(dialect: Dialect, session: &Session) -> Value {
    let (contact, to) = (session.contact.as_ref(), session.address.as_ref());
    if contact.is_none() && to.is_none() {
        return Value::Null;
    }
    present! {
        "name": contact.and_then(|contact| contact.name.as_ref()),
        "phone_number": contact.and_then(|contact| contact.phone_number.as_ref()),
        "email": contact.and_then(|contact| contact.email.as_ref()),
        "address": to.map(|to| address(dialect, to)),
    }
}

fn lines(dialect: Dialect, session: &Session, seller: &Seller) -> Vec<Value> {
    let mut lines = Vec::with_capacity(session.lines.len());
    for (place, line) in session.lines.iter().enumerate() {
        lines.push(line_item(dialect, session, seller, place, line));
    }
    lines
}

fn line_item(dialect: Dialect, session: &Session, seller: &Seller, place: usize, line: &Line) -> Value {
    let (newer, shown) = (newer(dialect), !first(dialect));
    let (older, item) = if newer {
        (None, object! { "id": line.product, "name": line.title, "unit_amount": line.unit_amount })
    } else {
        (Some(line), object! { "id": line.product, "quantity": line.quantity })
    };
    let mut images = Vec::new();
    for image in &line.images {
        images.extend(uri(image));
    }
    let mut attributes = Vec::new();
    if let Some(brand) = &line.brand {
        attributes.push(object! { "display_name": "Brand", "value": brand });
    }
    for named in &line.variant {
        attributes.push(object! { "display_name": display_name(&named.name), "value": named.value });
    }
    let reductions = reductions(session, place, line);
    let availability = match line.availability.as_str() {
        "preorder" => Some("pre_order"),
        word @ ("in_stock" | "low_stock" | "out_of_stock" | "backorder") => Some(word),
        _ => None,
    };
    present! {
        "id": line.id,
        "item": item,
        "quantity": newer.then_some(line.quantity),
        "base_amount": older.map(|line| line.base_amount),
        "discount": older.map(|line| line.discount),
        "subtotal": older.map(|line| line.subtotal),
        "tax": older.map(|line| line.tax),
        "total": older.map(|line| line.total),
        "name": shown.then_some(&line.title),
        "description": line.description.as_ref().filter(|_| shown),
        "unit_amount": shown.then_some(line.unit_amount),
        "images": Some(images).filter(|images| shown && !images.is_empty()),
        "custom_attributes": Some(attributes).filter(|attributes| shown && !attributes.is_empty()),
        "marketplace_seller_details": (shown && !seller.name.is_empty()).then(|| object! { "name": seller.name }),
        // In the catalogue each variant is a row of its own, and the group is what they have in common.
        "product_id": newer.then(|| line.group.as_ref().unwrap_or(&line.product)),
        "variant_id": line.group.as_ref().filter(|_| newer).map(|_| &line.product),
        "sku": newer.then_some(&line.product),
        "category": line.category.as_ref().filter(|_| newer),
        "availability_status": availability.filter(|_| newer),
        "available_quantity": line.available.filter(|_| newer).map(|left| left.max(0)),
        "variant_options": Some(&line.variant).filter(|variant| newer && !variant.is_empty()),
        "discount_details": Some(reductions).filter(|reductions| newer && !reductions.is_empty()),
        "totals": made(newer.then(|| line_totals(line))),
    }
}

/// `age_group` → `Age group`.
pub(super) fn display_name(name: &str) -> String {
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
            details.push(present! {
                "code": applied.code,
                "type": if applied.percent_bps.is_some() { "percentage" } else { "fixed" },
                "amount": share.amount,
                "description": applied.name,
                "source": if applied.code.is_some() { "coupon" } else { "automatic" },
            });
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
            let mut said = format!("Prices include {included}");
            let mut before = " (";
            for part in totals.taxes.iter().filter(|part| part.inclusive) {
                said.push_str(&format!("{before}{} {}: {}", part.name, percent(part.rate_bps), display(part.amount)));
                before = ", ";
            }
            if before == ", " {
                said.push(')');
            }
            description = Some(said);
        }
    }
    let mut breakdown = Vec::new();
    for part in totals.taxes.iter().filter(|part| !part.inclusive) {
        breakdown.push(object! { "jurisdiction": part.name, "rate": decimal(part.rate_bps, 10_000.0), "amount": part.amount });
    }
    present! {
        "type": "tax",
        "display_text": text,
        "amount": totals.tax,
        "description": description,
        "breakdown": Some(breakdown).filter(|parts| newer(dialect) && !parts.is_empty()),
    }
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
    let totalled = dialect >= Dialect::V20260116;
    let shipped = option.kind == "shipping";
    let totals = || {
        let (subtotal, tax) = (total("subtotal", &option.title, option.subtotal), total("tax", "Tax", option.tax));
        vec![subtotal, tax, total("total", "Total", option.total)]
    };
    let older = Some(option).filter(|_| !totalled);
    present! {
        "type": option.kind,
        "id": option.id,
        "title": option.title,
        "subtitle": older.and_then(|option| option.description.as_ref()),
        "description": option.description.as_ref().filter(|_| totalled),
        "carrier": option.carrier.as_ref().filter(|_| shipped),
        "earliest_delivery_time": option.earliest.filter(|_| shipped).map(rfc3339),
        "latest_delivery_time": option.latest.filter(|_| shipped).map(rfc3339),
        "subtotal": older.map(|option| option.subtotal),
        "tax": older.map(|option| option.tax),
        "total": older.map(|option| option.total),
        "totals": totalled.then(totals),
    }
}

/// The choice that counts where there can be only one.
fn chosen(session: &Session) -> Option<&Selected> {
    session.selected.iter().find(|selected| selected.kind == "shipping").or(session.selected.first())
}

fn selection(dialect: Dialect, session: &Session) -> Value {
    let one = |selected: &Selected| {
        let inner = object! { "option_id": selected.option_id, "item_ids": selected.item_ids };
        match selected.kind.as_str() {
            kind if newer(dialect) => object! { "type": kind, "option_id": selected.option_id, "item_ids": selected.item_ids },
            "digital" => object! { "type": "digital", "digital": inner },
            _ => object! { "type": "shipping", "shipping": inner },
        }
    };
    if session.selected.is_empty() { Value::Null } else { each(&session.selected, &one) }
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
    let mut messages = Vec::with_capacity(session.messages.len());
    for message in &session.messages {
        messages.push(self::message(dialect, message));
    }
    let told = session.messages.iter().any(|message| message.code.as_deref() == Some("requires_3ds"));
    if session.status == Status::AuthenticationRequired && first(dialect) && !told {
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
    let (kind, code, severity) = match message.kind.as_str() {
        "error" if !newer(dialect) => ("error", Some(older_code(code)), "high"),
        "error" => ("error", Some(if among(ERRORS, code) { code } else { "invalid" }), "high"),
        "warning" if newer(dialect) && among(WARNINGS, code) => ("warning", Some(code), "medium"),
        // A warning that a version has no word for is still told.
        "warning" => ("info", None, "medium"),
        _ => ("info", None, "info"),
    };
    let resolution = message.resolution.as_deref().filter(|word| among(" recoverable requires_buyer_input requires_buyer_review ", word));
    present! {
        "type": kind,
        "code": code,
        "severity": newer(dialect).then_some(severity),
        "resolution": resolution.filter(|_| newest(dialect)),
        "param": message.param.as_deref().and_then(|param| path(dialect, param, false)),
        "content_type": "plain",
        "content": message.content,
    }
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
            links.push(present! { "type": kind, "url": link.url, "title": link.title.as_ref().filter(|_| newer(dialect)) });
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
    let mut applied = Vec::new();
    for (one, place) in session.applied.iter().zip(1_i64..) {
        applied.push(discount(session, one, place));
    }
    object! { "codes": session.codes, "applied": applied, "rejected": rejected }
}

fn discount(session: &Session, applied: &Applied, priority: i64) -> Value {
    let fixed = applied.amount_off.filter(|_| applied.percent_bps.is_none());
    let share = |share: &Allocation| object! { "path": format!("$.line_items[{}]", share.line), "amount": share.amount };
    present! {
        "id": applied.id,
        "code": applied.code,
        "coupon": present! {
            "id": applied.coupon, "name": applied.name, "percent_off": applied.percent_bps.map(|bps| decimal(bps, 100.0)),
            "amount_off": fixed, "currency": fixed.map(|_| &session.currency), "duration": "once",
        },
        "amount": applied.amount,
        "automatic": applied.code.is_none(),
        "start": applied.starts.map(rfc3339),
        "end": applied.ends.map(rfc3339),
        "method": if applied.each { "each" } else { "across" },
        "priority": priority,
        "allocations": applied.each.then(|| each(&applied.allocations, &share)),
    }
}

/// The order within a completed checkout, as it was made. How it goes on is told by events.
fn order(dialect: Dialect, session: &Session, made: &OrderRef, seller: &Seller) -> Value {
    let (newer, newest) = (newer(dialect), newest(dialect));
    let status = match made.status.as_str() {
        "" => None,
        word if newest => Some(word),
        "created" | "confirmed" => Some("confirmed"),
        "processing" | "manual_review" => Some("processing"),
        "shipped" => Some("shipped"),
        "completed" => Some("delivered"),
        _ => None,
    };
    let option = chosen(session).and_then(|chosen| session.options.iter().find(|option| option.id == chosen.option_id));
    let confirmation = || {
        let notes = session.order_notes.as_ref().filter(|_| newest);
        present! { "confirmation_number": made.number.as_ref().unwrap_or(&made.id), "order_notes": notes }
    };
    let help = ["support", "contact_us", "faq"].iter().find_map(|kind| seller.links.iter().find(|link| link.kind == *kind));
    let help = help.and_then(|link| uri(&link.url)).filter(|_| newer);
    present! {
        "type": newest.then_some("order"),
        "id": made.id,
        "checkout_session_id": session.id,
        "order_number": made.number.as_ref().filter(|_| newer),
        "permalink_url": made.permalink_url,
        "status": status.filter(|_| newer),
        "estimated_delivery": option.filter(|_| newer).map(|option| estimate(option.earliest, option.latest)),
        "confirmation": newer.then(confirmation),
        "support": help.map(|url| object! { "help_center_url": url }),
        "line_items": newest.then(|| each(&session.lines, &|line| ordered(line, line.quantity, 0))),
        "totals": newest.then(|| totals(dialect, &session.totals, &session.currency, Scope::Checkout)),
    }
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
