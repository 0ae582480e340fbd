//! A shop asks for a checkout and gets an address at Stripe (contract, *Checkout*).
//!
//! The order of things with money: the row is written before Stripe is called, with the exact form and key of the
//! request. Whatever is lost afterwards (the answer, this isolate, the shop's patience), the same key sent again
//! asks Stripe the very same thing and gets the very same Session.

use super::access;
use super::attempt;
use super::settle::{self, Settled};
use crate::cart::{self, Capture, Order};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, outside};
use crate::error::{Problem, Result};
use crate::fields::Fields;
use crate::id::{self, Mode};
use crate::ledger::{self, Row, Status};
use crate::money::{Amount, FeeLine, FeeRule, FeeTerms};
use crate::place::Slot;
use crate::record::Json;
use crate::store::checkout::{Began, Begin, Categorized};
use crate::store::connect::{ConnectionRow, in_mode};
use crate::store::idempotency::Attempt;
use crate::store::shops::ShopRow;
use crate::stripe::call::Outcome;
use crate::stripe::session::{self, Session, Terms};
use serde_json::Value;

/// The scope of idempotency keys is shop + path.
const PATH: &str = "/v1/checkout/sessions";
/// A session that says nothing else lives this long, seconds: Stripe's default.
const DEFAULT_LIFE: i64 = 24 * 3600;

/// `POST /v1/checkout/sessions`
pub fn create(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    // Receive. Who asks is decided before what is asked, so errors in the body wait.
    let now = clock::now();
    let key_hash = access::key_hash(incoming)?;
    let key = attempt::key(incoming);
    let body = incoming.json();
    let order = body.as_ref().ok().map(cart::read);
    let (order_id, products) = match &order {
        Some(Ok(order)) => (order.order_id.clone(), products_of(order)),
        _ => (None, Vec::new()),
    };
    // Load.
    let key_or_none = key.as_deref().unwrap_or_default();
    let loaded = edge.db.load_for_session(&key_hash, now, PATH, key_or_none, order_id.as_deref(), &products.text())?;
    let shop = access::known(edge, incoming, loaded.shop.clone())?;
    access::verified(&shop)?;
    let (key, body) = (key?, body?);
    let fingerprint = attempt::fingerprint(&body);
    if let Some(answer) = attempt::earlier_answer(loaded.attempt.as_deref(), &fingerprint, now)? {
        return Ok(answer);
    }
    if shop.checkout_enabled == 0 {
        return Err(Problem::forbidden("checkout_disabled", "This shop has switched checkout off (checkout_enabled is false)."));
    }
    let order = order.ok_or_else(|| Problem::fault("a body without an order"))??;
    // Decide.
    let mode = access::mode(edge, order.mode, &loaded.connections);
    let connection = usable(in_mode(&loaded.connections, mode.live()), mode)?;
    edge.pair(mode)?;
    let taken_up = loaded.attempted.clone().filter(|row| row.account == connection.account && row.mode() == mode);
    let mut abandoned: Vec<String> = loaded.attempted.iter().filter(|_| taken_up.is_none()).map(|row| row.id.clone()).collect();
    // Only now, because it cannot be taken back: a request that is refused leaves the order's open session to the buyer.
    acceptable(edge, &shop, &order)?;
    for other in loaded.same_order.iter().filter(|other| other.mode() == mode && taken_up.as_ref().is_none_or(|own| own.id != other.id)) {
        match predecessor(edge, other, now)? {
            Predecessor::Ended => {}
            Predecessor::Abandoned => abandoned.push(other.id.clone()),
        }
    }
    abandoned.dedup();
    let fresh = taken_up.is_none();
    let mut row = match taken_up {
        Some(row) => row,
        None => new_row(edge, &shop, connection, &order, &loaded.categories, mode)?,
    };
    // Record the intent.
    let lock = clock::fresh_secret("")?;
    let attempt = Attempt { shop_id: &shop.id, path: PATH, key: &key, lock: &lock };
    let begin = Begin {
        row: &row,
        fresh,
        attempt: &attempt,
        fingerprint: &fingerprint,
        locked_until: now.saturating_add(attempt::LOCK_LIFE),
        abandoned: &abandoned,
        check_at: ledger::next_check(Status::Open, 0, now, row.expires_at).unwrap_or(now),
        now,
    };
    match edge.db.begin_session(&begin)? {
        Began::Yes => {}
        Began::KeyTaken => return Err(attempt::in_flight()),
        Began::OrderTaken => {
            edge.db.drop_attempt(&row, &attempt)?;
            return Err(order_in_flight());
        }
    }
    // Call Stripe.
    let made = match ask_stripe(edge, &mut row) {
        Ok(made) => made,
        Err(problem) => {
            edge.db.release_attempt(&attempt, &row.id)?;
            return Err(problem);
        }
    };
    let session = match made {
        Outcome::Ok(session) => session,
        Outcome::Refused(error) if error.account_invalid() => {
            edge.db.drop_attempt(&row, &attempt)?;
            return Err(super::connect::account_refused(edge, mode, connection)?);
        }
        Outcome::Refused(error) => {
            let problem = error.problem();
            if problem.status != 422 {
                // The operator's doing or ours, to be mended: not an answer for this key to keep.
                edge.db.release_attempt(&attempt, &row.id)?;
                return Err(problem);
            }
            if !fresh && problem.param.as_deref() == Some("expires_at") {
                // The stored form has grown too old for a first request, so the one before never arrived. The next try writes a new one.
                edge.db.drop_attempt(&row, &attempt)?;
                return Err(Problem::stripe_unavailable(
                    "The first try never reached Stripe and is too old now. Send the same request with the same Idempotency-Key again.",
                ));
            }
            let body = problem.body(&edge.request_id).text();
            edge.db.record_refusal(&row, &attempt, problem.status, &body)?;
            return Err(problem);
        }
        Outcome::Unavailable { why, .. } => {
            edge.db.release_attempt(&attempt, &row.id)?;
            return Err(Problem::stripe_unavailable(
                "Stripe did not answer. Send the same request with the same Idempotency-Key again: it can never charge twice.",
            )
            .because(why));
        }
    };
    // A Session that asks for another amount, or has no address, must not reach a buyer: he would pay what nothing here expects.
    let other_amount = row.total_rule == "exact" && session.amount_total.is_some_and(|total| total != row.amount_expected);
    let other_currency = session.currency.as_ref().is_some_and(|currency| *currency != row.currency);
    if other_amount || other_currency || session.url.is_none() {
        let call = session::expire(&session.id, row.stripe_account());
        let ended = outside::stripe::<Session>(edge, mode, &call, outside::STRIPE_DEADLINE)?;
        edge.db.drop_attempt(&row, &attempt)?;
        return Err(Problem::fault(format!(
            "Stripe made {} for {:?} {:?} instead of {} {}; expired again: {}",
            session.id,
            session.amount_total,
            session.currency,
            row.amount_expected,
            row.currency,
            matches!(ended, Outcome::Ok(_))
        )));
    }
    // Record the answer, then reply.
    row.checkout_session = Some(session.id.clone());
    row.session_url = session.url.clone();
    row.expires_at = session.expires_at.or(row.expires_at);
    let body = row.checkout_session().text();
    if !edge.db.record_session(&row, &attempt, &body, clock::now())? {
        return Err(not_handed_out(edge, &row, &attempt)?);
    }
    if !connection.active() {
        let (work, id) = (edge.clone(), connection.id.clone());
        edge.later(move || {
            if let Err(problem) = work.db.connection_revived(&id, clock::now()) {
                crate::edge::log::line(object! { "level": "warn", "event": "revival_failed", "connection": id, "why": problem.cause });
            }
        });
    }
    Ok(Reply::rendered(201, body))
}

/// A session that was made and may not go out. Nobody has its address; it is ended all the same, where that can still be done.
fn not_handed_out(edge: &Edge, row: &Row, attempt: &Attempt<'_>) -> Result<Problem> {
    // Before Stripe tells that it expired: the shop never heard of it.
    edge.db.drop_attempt(row, attempt)?;
    if let Some(session_id) = &row.checkout_session {
        let call = session::expire(session_id, row.stripe_account());
        let _ = outside::stripe::<Session>(edge, row.mode(), &call, outside::STRIPE_DEADLINE);
    }
    let connection = edge.db.active_connection(&row.shop_id, row.livemode != 0)?;
    if connection.is_some_and(|connection| connection.account == row.account && connection.closing_at.is_none()) {
        return Ok(order_in_flight());
    }
    Ok(Problem::request(
        409,
        "connection_gone",
        "The Stripe account was disconnected while the session was being made. Connect again in the shop's admin.",
    ))
}

fn order_in_flight() -> Problem {
    Problem::request(409, "order_in_flight", "Another session for this order is being made right now. Send the request again in a moment.")
        .at("order_id")
        .after(2)
}

/// The connection to charge on, or why there is none.
pub fn usable(connection: Option<&ConnectionRow>, mode: Mode) -> Result<&ConnectionRow> {
    match connection {
        Some(connection) if connection.active() || connection.may_revive() => Ok(connection),
        Some(connection) if connection.gone_reason.as_deref() == Some("deauthorized") => Err(Problem::request(
            409,
            "connection_gone",
            "The Stripe account was disconnected at Stripe. Connect again in the shop's admin.",
        )),
        _ => Err(Problem::request(
            409,
            "not_connected",
            format!("No Stripe account is connected in {} mode. Connect one in the shop's admin.", mode.name()),
        )),
    }
}

/// An earlier session that can still be paid and cannot be ended.
fn order_in_flight_until(row: &Row, now: i64) -> Problem {
    let wait = row.expires_at.unwrap_or(now).saturating_sub(now).clamp(60, 24 * 3600);
    Problem::request(
        409,
        "order_in_flight",
        "An earlier session of this order lies on a Stripe account that is no longer connected, and can still be paid there until it expires.",
    )
    .at("order_id")
    .after(u32::try_from(wait).unwrap_or(3600))
}

enum Predecessor {
    /// It can no longer be paid.
    Ended,
    /// It never got a session; no buyer ever saw an address.
    Abandoned,
}

/// A new session for an order ends its open predecessor first: two open ones could both be paid.
fn predecessor(edge: &Edge, row: &Row, now: i64) -> Result<Predecessor> {
    if row.status == Status::Open && row.checkout_session.is_none() {
        return if row.attempt_until > now { Err(order_in_flight()) } else { Ok(Predecessor::Abandoned) };
    }
    let ended = if row.status == Status::Open { end(edge, row).map(|row| row.status) } else { Ok(row.status) };
    let status = match ended {
        // Past its time nobody can pay it any more; until then somebody might. To whoever sells the order anew, its earlier session is
        // what is in the way, not the connection that he has now.
        Err(problem) if problem.code == "connection_gone" => {
            if !super::sweep::past(row, now) {
                return Err(order_in_flight_until(row, now));
            }
            edge.db.lost(&row.id, now, now.saturating_add(super::sweep::LOST_AGAIN))?;
            edge.db.transaction(&row.id)?.map_or(Status::Expired, |row| row.status)
        }
        other => other?,
    };
    match status {
        Status::Open => Err(Problem::stripe_unavailable(
            "The order's earlier session could not be ended at Stripe. Sending the same request again is safe.",
        )),
        Status::Expired | Status::Canceled | Status::Failed => Ok(Predecessor::Ended),
        _ => {
            Err(Problem::request(409, "order_already_paid", "This order has been paid, or its payment is being processed.").at("order_id"))
        }
    }
}

/// Ends a session at Stripe and records what it turned out to be: expired, or paid in the last moment.
pub fn end(edge: &Edge, row: &Row) -> Result<Box<Row>> {
    let Some(session_id) = &row.checkout_session else { return Ok(Box::new(row.clone())) };
    let account = row.stripe_account();
    let expired = outside::stripe::<Session>(edge, row.mode(), &session::expire(session_id, account), outside::STRIPE_DEADLINE)?;
    let session = match expired {
        Outcome::Ok(session) => session,
        // Not open any more: see what became of it.
        Outcome::Refused(_) => {
            let call = session::retrieve(session_id, account);
            match outside::stripe::<Session>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)? {
                Outcome::Ok(session) => session,
                // On an account that is no longer ours to use: whether it was paid nobody here can know, so the row says neither.
                Outcome::Refused(error) if error.account_invalid() || error.status == 404 => {
                    if error.account_invalid() {
                        super::connect::doubt_later(edge, row);
                    }
                    return Err(Problem::request(
                        409,
                        "connection_gone",
                        "The session lies on a Stripe account that is no longer connected: it can be neither ended nor looked at from here.",
                    ));
                }
                Outcome::Refused(error) => return Err(error.problem()),
                Outcome::Unavailable { why, .. } => return Err(unreachable_stripe(why)),
            }
        }
        Outcome::Unavailable { why, .. } => return Err(unreachable_stripe(why)),
    };
    match settle::session(edge, row, &session, "expire")? {
        Settled::Row(row) => Ok(row),
        Settled::Stray => Err(Problem::fault("Stripe's Session is not the one that was created")),
    }
}

fn unreachable_stripe(why: String) -> Problem {
    Problem::stripe_unavailable("Stripe did not answer. Sending the same request again is safe.").because(why)
}

/// What the shop's own settings decide about an order.
fn acceptable(edge: &Edge, shop: &ShopRow, order: &Order) -> Result<()> {
    if shop.automatic_tax != 0 && !order.taxes.is_empty() {
        return Err(Problem::value(
            "parameter_invalid",
            if order.cart_id.is_some() { "cart[taxes]" } else { "taxes" },
            "This shop lets Stripe compute the tax (automatic_tax); a cart must not bring its own taxes then.",
        ));
    }
    for (name, url) in [("success_url", &order.success_url), ("cancel_url", &order.cancel_url)] {
        if let Some(raw) = url {
            access::shop_url(edge, shop, name, raw, true)?;
        }
    }
    Ok(())
}

/// The row as it is written before Stripe is called.
fn new_row(
    edge: &Edge, shop: &ShopRow, connection: &ConnectionRow, order: &Order, categories: &[Categorized], mode: Mode,
) -> Result<Box<Row>> {
    let automatic_tax = shop.automatic_tax != 0;
    // The id's time and `created` are one: lists are filtered by the id.
    let created = clock::now();
    let transaction = clock::fresh_id_in(Slot::of_id(&shop.id), "cct_")?;
    let lines = cart::lines(order)?;
    let category = |item: &cart::Item| {
        let ids = [&item.sku, &item.variation_id, &item.product_id];
        ids.into_iter().flatten().find_map(|id| categories.iter().find(|product| product.id == *id)?.category.as_deref())
    };
    let fee_lines: Vec<FeeLine<'_>> = order.items.iter().map(|item| (item.amount_total, category(item))).collect();
    let fee = fee_terms(edge, shop).fee(order.total, order.currency, &fee_lines);
    // Four seconds of slack at both ends, for the way to Stripe and for clocks that differ.
    let expires_at = order.expires_in.map(|seconds| created.saturating_add(seconds.clamp(1_804, 86_396)));
    let destination = edge.destination();
    let form = session::create_form(&Terms {
        order,
        lines: &lines,
        transaction: &transaction,
        public_url: &edge.public_url,
        account: &connection.account,
        destination,
        fee,
        expires_at,
        automatic_tax,
    });
    let sum = |extras: &[cart::Extra]| Amount::sum(extras.iter().map(|extra| extra.amount)).unwrap_or(Amount::ZERO).get();
    let choices: Vec<i64> = order.shipping_options.iter().map(|option| option.amount.get()).collect();
    Ok(Box::new(Row {
        check_at: None,
        stripe_key: format!("{transaction}-1"),
        id: transaction,
        shop_id: shop.id.clone(),
        livemode: i64::from(mode.live()),
        account: connection.account.clone(),
        charge_type: edge.config.charge_type.name().to_owned(),
        status: Status::Open,
        source: order.source.name().to_owned(),
        agent: order.agent.clone(),
        currency: order.currency.code().to_owned(),
        amount_expected: order.total.get(),
        total_rule: if automatic_tax || !choices.is_empty() { "open" } else { "exact" }.to_owned(),
        shipping_choices: choices.text(),
        automatic_tax: i64::from(automatic_tax),
        amount: order.total.get(),
        amount_subtotal: Amount::sum(order.items.iter().map(|item| item.amount_total)).unwrap_or(Amount::ZERO).get(),
        amount_tax: sum(&order.taxes),
        amount_shipping: sum(&order.shipping),
        amount_capturable: 0,
        amount_captured: 0,
        amount_refunded: 0,
        application_fee_amount: fee.get(),
        application_fee_refunded: 0,
        capture: if matches!(order.capture, Capture::Manual) { "manual" } else { "automatic" }.to_owned(),
        capture_before: None,
        cart_id: order.cart_id.clone(),
        order_id: order.order_id.clone(),
        order_key: order.order_key.clone(),
        success_url: order.success_url.clone().or_else(|| shop.default_success_url.clone()),
        cancel_url: order.cancel_url.clone().or_else(|| shop.default_cancel_url.clone()),
        checkout_session: None,
        session_url: None,
        expires_at: Some(expires_at.unwrap_or(created.saturating_add(DEFAULT_LIFE))),
        payment_intent: None,
        line_items: order.items.text(),
        extras: object! { "shipping": order.shipping, "fees": order.fees, "taxes": order.taxes }.text(),
        discounts: order.discounts.text(),
        metadata: order.metadata.json().text(),
        customer: order.customer_email.as_ref().map(|email| object! { "email": email, "name": Value::Null, "phone": Value::Null }.text()),
        shipping_details: None,
        billing_details: None,
        refunds: "[]".to_owned(),
        dispute: None,
        events: "[]".to_owned(),
        stripe_form: Some(form),
        attempt_until: 0,
        created,
        paid_at: None,
        checks: 0,
        protocol: "checkout".to_owned(),
    }))
}

/// What an order's items may be called in the catalogue.
fn products_of(order: &Order) -> Vec<String> {
    let mut ids = Vec::new();
    for item in &order.items {
        ids.extend([&item.sku, &item.variation_id, &item.product_id].into_iter().flatten().cloned());
    }
    ids
}

/// The platform's fee for a shop: the operator's own terms for it, else the default.
pub fn fee_terms(edge: &Edge, shop: &ShopRow) -> FeeTerms {
    let mut rule = edge.config.fee.clone();
    if let Some(bps) = shop.fee_bps {
        rule.bps = bps;
    }
    if let Some(fixed) = shop.fee_fixed.as_deref().and_then(FeeRule::read_fixed) {
        rule.fixed = fixed;
    }
    let categories = shop.category_fees.as_deref().and_then(|stored| FeeTerms::read_categories(stored, &rule)).unwrap_or_default();
    FeeTerms { rule, categories, cost: edge.config.cost.clone() }
}

/// Sends the row's stored form with the row's stored key. A 5xx that Stripe replays from its own store will never become
/// a session: then, and only then, the next key, written down first. (No buyer has seen an address of the other.)
fn ask_stripe(edge: &Edge, row: &mut Row) -> Result<Outcome<Session>> {
    let form = row.stripe_form.clone().ok_or_else(|| Problem::fault("an attempt without its form"))?;
    let mut attempt = row.stripe_key.rsplit('-').next().and_then(|n| n.parse::<u32>().ok()).unwrap_or(1);
    for _ in 0..3 {
        let call = session::create(&form, row.stripe_account(), &row.stripe_key);
        let outcome = outside::stripe::<Session>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)?;
        match outcome {
            Outcome::Unavailable { replayed_5xx: true, .. } => {
                attempt = attempt.saturating_add(1);
                row.stripe_key = format!("{}-{attempt}", row.id);
                edge.db.next_stripe_key(&row.id, &row.stripe_key)?;
            }
            other => return Ok(other),
        }
    }
    Ok(Outcome::Unavailable { why: "Stripe keeps answering 5xx".to_owned(), replayed_5xx: true })
}

fn own_row(edge: &Edge, incoming: &Incoming, session_id: &str) -> Result<(Box<ShopRow>, Box<Row>)> {
    let shop = access::verified_shop(edge, incoming)?;
    let row = match id::is_session_id(session_id) {
        true => edge.db.transaction_of_session(session_id)?,
        false => None,
    };
    // Another shop's session looks like none at all.
    match row.filter(|row| row.shop_id == shop.id) {
        Some(row) => Ok((shop, row)),
        None => Err(Problem::missing("checkout.session", session_id)),
    }
}

/// `GET /v1/checkout/sessions/{id}`: while it can still change, Stripe is asked; should Stripe be away, the row answers.
pub fn get(edge: &Edge, incoming: &Incoming, session_id: &str) -> Result<Reply> {
    let (_, row) = own_row(edge, incoming, session_id)?;
    if !matches!(row.status, Status::Open | Status::Processing) {
        return Ok(Reply::json(200, &row.checkout_session()));
    }
    let call = session::retrieve(session_id, row.stripe_account());
    let row = match outside::stripe::<Session>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)? {
        Outcome::Ok(session) => match settle::session(edge, &row, &session, "api")? {
            Settled::Row(row) => row,
            Settled::Stray => row,
        },
        Outcome::Refused(error) if error.account_invalid() => {
            super::connect::doubt_later(edge, &row);
            row
        }
        _ => row,
    };
    Ok(Reply::json(200, &row.checkout_session()))
}

/// `POST /v1/checkout/sessions/{id}/expire`
pub fn expire(edge: &Edge, incoming: &Incoming, session_id: &str) -> Result<Reply> {
    let (_, row) = own_row(edge, incoming, session_id)?;
    Fields::open(&incoming.json()?, "", &[])?;
    let row = if row.status == Status::Open { end(edge, &row)? } else { row };
    match row.status {
        Status::Expired => Ok(Reply::json(200, &row.checkout_session())),
        status => Err(Problem::request(
            422,
            "stripe_refused",
            format!("Only an open session can be expired; this one's payment is {}.", status.name()),
        )
        .with("stripe_code", Value::Null)),
    }
}
