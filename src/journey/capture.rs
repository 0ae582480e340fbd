//! A shop takes an authorised amount (contract, *Ledger*): all of it or less, once. What is not taken is released.
//!
//! Two captures at once need no lock of ours: a PaymentIntent can be captured once, and Stripe refuses the second.

use super::refund::{Begun, Trouble, asked, not_done};
use super::{aftermath, attempt, settle};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, outside};
use crate::error::{Problem, Result};
use crate::fields::{Fields, MAX_SAFE_INTEGER};
use crate::ledger::{self, IntentNews, Row, Status};
use crate::record::Json;
use crate::refund::share;
use crate::store::idempotency::Attempt;
use crate::stripe::PaymentIntent;
use crate::stripe::call::Outcome;
use crate::stripe::payment_intent;
use serde_json::Value;

/// The sweep looks after this many seconds, should nothing more be heard.
const LOOK_AFTER: i64 = 120;

/// What is asked for, as the form for Stripe.
fn form_of(row: &Row, body: &Value) -> Result<String> {
    let fields = Fields::open(body, "", &["amount"])?;
    let amount = fields.integer("amount", 1, MAX_SAFE_INTEGER)?.unwrap_or(row.amount_capturable);
    if row.status != Status::Authorized {
        return Err(Problem::request(
            422,
            "payment_intent_unexpected_state",
            format!("Only an authorised payment can be captured; this transaction is {}.", row.status.name()),
        ));
    }
    if amount > row.amount_capturable {
        let message = format!("{} {} can be captured; this asks for {amount}.", row.amount_capturable, row.currency);
        return Err(Problem::value("amount_too_large", "amount", message).with("amount_capturable", row.amount_capturable.json()));
    }
    // In proportion, and so never more than what is taken.
    let fee = (amount < row.amount && row.application_fee_amount > 0).then(|| share(row.application_fee_amount, amount, row.amount));
    Ok(payment_intent::capture_form(amount, fee))
}

/// `POST /v1/transactions/{id}/capture`
pub fn capture(edge: &Edge, incoming: &Incoming, transaction: &str) -> Result<Reply> {
    // Receive, load.
    let asked = match asked(edge, incoming, transaction, "/capture")? {
        Ok(asked) => asked,
        Err(answer) => return Ok(answer),
    };
    let row = &asked.row;
    // Decide; an earlier request without an answer is asked again as it was.
    let begun = asked.earlier.as_ref().and_then(|earlier| Some((earlier.subject.clone(), earlier.form.clone()?)));
    let (mut subject, form) = match begun {
        Some(begun) => begun,
        None => (format!("{}-1", clock::fresh_id("ccp_")?), form_of(row, &asked.body)?),
    };
    let intent = row.payment_intent.clone().ok_or_else(|| Problem::fault("an authorised row without its PaymentIntent"))?;
    // Record the intent.
    let now = clock::now();
    let lock = clock::fresh_secret("")?;
    let attempt = Attempt { shop_id: &row.shop_id, path: &asked.path, key: &asked.key, lock: &lock };
    let claim = edge.db.take_key(&attempt, &asked.fingerprint, &subject, Some(&form), now.saturating_add(attempt::LOCK_LIFE), now);
    if !edge.db.begin_capture(row, &attempt, claim, now.saturating_add(LOOK_AFTER))? {
        return Err(attempt::in_flight());
    }
    // Call Stripe.
    let mut first = asked.earlier.is_none();
    let captured = match ask_stripe(edge, row, &intent, &form, &mut subject, &attempt, &mut first) {
        Ok(Outcome::Ok(intent)) => intent,
        other => {
            let begun = Begun { attempt: &attempt, key: None, first };
            return Err(not_done(edge, row, &begun, Trouble::of(other))?);
        }
    };
    // Record the answer, then reply.
    let asked_for = form_urlencoded::parse(form.as_bytes()).find(|(name, _)| name == "amount_to_capture").and_then(|(_, n)| n.parse().ok());
    let captured = captured.answering(&row.id, &row.currency, row.amount, asked_for.unwrap_or(row.amount_capturable));
    let reply = record(edge, row, &captured, &attempt);
    if reply.is_err() {
        // Best effort: the lock is free by itself in a minute.
        let _ = edge.db.run(vec![edge.db.let_go(&attempt)]);
    }
    reply
}

fn record(edge: &Edge, row: &Row, captured: &PaymentIntent, attempt: &Attempt<'_>) -> Result<Reply> {
    let news = match ledger::news_of_intent(row, row.stripe_account(), "payment_intent.succeeded", captured) {
        Ok(IntentNews::Decided(news)) => news,
        Ok(_) => return Err(Problem::fault("Stripe captured, and the row does not know what")),
        Err(mismatch) => return Err(Problem::fault(["Stripe captured something else: ", mismatch.name()].concat())),
    };
    let (mut batch, after) = settle::moving(edge, row, &news, "api", clock::now())?;
    let moves = !batch.is_empty();
    let body = after.transaction().text();
    if moves {
        batch.push(edge.db.keep_answer(attempt, 200, &body));
        // An answer that is lost here is told again by the same key, by the webhook and by the sweep.
        if edge.db.repeatable(batch)?.at(0)?.changed()? {
            return Ok(Reply::rendered(200, body));
        }
    }
    // The webhook was faster.
    let body = aftermath::reload(edge, row)?.transaction().text();
    edge.db.run_repeatable(vec![edge.db.keep_answer(attempt, 200, &body)])?;
    Ok(Reply::rendered(200, body))
}

/// Sends the stored form with the stored key. After a 5xx that Stripe replays from its own store the payment is looked at first; only
/// while it still waits for its capture, the next key is written down and used. `first`: see the refund's.
fn ask_stripe(
    edge: &Edge, row: &Row, intent: &str, form: &str, subject: &mut String, attempt: &Attempt<'_>, first: &mut bool,
) -> Result<Outcome<PaymentIntent>> {
    let mut last = Outcome::Unavailable { why: "Stripe keeps answering 5xx".to_owned(), replayed_5xx: true };
    for _ in 0..3 {
        let call = payment_intent::capture(intent, form, row.stripe_account(), subject);
        last = outside::stripe::<PaymentIntent>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)?;
        if !matches!(last, Outcome::Unavailable { replayed_5xx: true, .. }) {
            return Ok(last);
        }
        *first = false;
        let call = payment_intent::retrieve(intent, row.stripe_account());
        match outside::stripe::<PaymentIntent>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)? {
            Outcome::Ok(intent) if intent.status == "requires_capture" => {}
            Outcome::Ok(intent) if intent.status == "succeeded" => return Ok(Outcome::Ok(intent)),
            Outcome::Ok(intent) => return Ok(Outcome::Unavailable { why: intent.status, replayed_5xx: false }),
            other => return Ok(other),
        }
        let (stem, count) = subject.rsplit_once('-').unwrap_or_default();
        let next = count.parse::<u32>().unwrap_or(1).saturating_add(1);
        *subject = format!("{stem}-{next}");
        edge.db.run(vec![edge.db.next_subject(attempt, subject)])?;
    }
    Ok(last)
}
