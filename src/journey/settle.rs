//! What Stripe says about a row is compared in full and written down, whoever brought the news:
//! the buyer's browser, a webhook, the sweep, or the shop asking.

use super::notify;
use crate::edge::{Edge, clock, log, outside};
use crate::error::Result;
use crate::ledger::{self, Mismatch, News, Row, Status};
use crate::store::Statement;
use crate::stripe::call::Outcome;
use crate::stripe::session::{self, Session};
use serde_json::Value;

/// A row after the news; or why the news was not about it.
pub enum Settled {
    Row(Box<Row>),
    Stray,
}

/// Applies a Session that was fetched for `row`.
pub fn session(edge: &Edge, row: &Row, session: &Session, by: &str) -> Result<Settled> {
    let now = clock::now();
    match ledger::news_of_session(row, row.stripe_account(), session) {
        Ok(news) => {
            let row = Box::new(Row { checkout_session: Some(session.id.clone()), ..row.clone() });
            Ok(Settled::Row(apply(edge, row, &news, by, now)?))
        }
        Err(mismatch) => {
            stray(edge, "session", &session.id, &row.id, row.stripe_account(), session.livemode, mismatch, now)?;
            Ok(Settled::Stray)
        }
    }
}

/// Money came, told by a PaymentIntent, which does not say from whom. The Session is asked behind the answer, and whatever comes of
/// that, the shop is told then.
pub fn ask_buyer(edge: &Edge, row: &Row) {
    let (work, row) = (edge.aside(), row.clone());
    edge.later(move || {
        let news = buyer_of(&work, &row).unwrap_or_default();
        let mut batch = vec![work.db.tell_buyer(&row.id, &news, clock::now())];
        if news.tells_buyer() {
            batch.push(work.db.note_buyer(&row, &news));
        }
        let told = match work.db.batch_owing(batch) {
            Ok(_) => notify::send_owed(&work).map(|_| ()),
            Err(problem) => Err(problem),
        };
        if let Err(problem) = told {
            log::line(object! { "level": "warn", "event": "buyer_not_told", "transaction": row.id, "why": problem.cause });
        }
    });
}

/// `None`: Stripe does not say, or the Session is not the row's.
fn buyer_of(edge: &Edge, row: &Row) -> Option<News> {
    let call = session::retrieve(row.checkout_session.as_deref()?, row.stripe_account());
    match outside::stripe::<Session>(edge, row.mode(), &call, outside::BUYER_DEADLINE) {
        Ok(Outcome::Ok(session)) => ledger::news_of_session(row, row.stripe_account(), &session).ok(),
        Ok(Outcome::Refused(_) | Outcome::Unavailable { .. }) | Err(_) => None,
    }
}

/// Moves the row if the news leads forward; answers the row as it is then.
fn apply(edge: &Edge, row: Box<Row>, news: &News, by: &str, now: i64) -> Result<Box<Row>> {
    match move_row(edge, &row, news, by, now)? {
        Some(moved) => Ok(moved),
        // Nothing new; or somebody else was faster, and what counts is what the row says now.
        None if news.to.is_some_and(|to| to.follows().contains(&row.status)) => Ok(edge.db.transaction(&row.id)?.unwrap_or(row)),
        None => Ok(row),
    }
}

/// Moves a row by itself, in one round trip; `None` when it did not move.
pub fn move_row(edge: &Edge, row: &Row, news: &News, by: &str, now: i64) -> Result<Option<Box<Row>>> {
    let (statements, after) = moving(edge, row, news, by, now)?;
    if statements.is_empty() {
        return Ok(None);
    }
    Ok((edge.db.batch(statements)?.at(0)?.changed()?).then_some(after))
}

/// What moves a row, the row's own statement first, and the row as it is then. No statements where the news leads nowhere.
/// What the shop is owed for the move is in the same batch.
/// An agent's checkout becomes an order there, too.
pub fn moving(edge: &Edge, row: &Row, news: &News, by: &str, now: i64) -> Result<(Vec<Statement>, Box<Row>)> {
    if row.by_api() && news.to == Some(Status::Paid) {
        return super::acp::sale::moving(edge, row, news, by, now);
    }
    if row.at_stripe() && news.to == Some(Status::Paid) {
        return super::agentic::orders::moving(edge, row, news, by, now);
    }
    let (mut statements, after) = moving_alone(edge, row, news, by, now)?;
    // What a hook held for an agent's order is free again.
    if row.at_stripe() && matches!(after.status, Status::Failed | Status::Canceled) && !statements.is_empty() {
        statements.extend(row.checkout_session.as_deref().map(|session| edge.db.release_stock(session)));
    }
    Ok((statements, after))
}

/// The same without the order, for whoever has it at hand.
pub fn moving_alone(edge: &Edge, row: &Row, news: &News, by: &str, now: i64) -> Result<(Vec<Statement>, Box<Row>)> {
    let Some(to) = news.to.filter(|to| to.follows().contains(&row.status)) else { return Ok(held_until(edge, row, news)) };
    let after = after(Box::new(row.clone()), news, to, by, now);
    let check_at = ledger::next_check(to, 0, now, row.expires_at);
    let mut statements = vec![edge.db.advance(row, news, by, now, check_at)];
    if let Some(kind) = ledger::notice_of(to) {
        let (id, once) = (clock::fresh_id("ccevt_")?, format!("{}/{kind}", row.id));
        statements.push(match news.lacks_buyer(&after) {
            true => edge.db.owe_nameless(&id, &after, kind, &once, now),
            false => edge.db.owe(&id, &after, kind, &once, now),
        });
    }
    Ok((statements, after))
}

/// Nothing moves; but until when a payment is held may have been unknown so far.
fn held_until(edge: &Edge, row: &Row, news: &News) -> (Vec<Statement>, Box<Row>) {
    let known = row.status != Status::Authorized || news.to != Some(Status::Authorized) || row.capture_before.is_some();
    let Some(until) = news.capture_before.filter(|_| !known) else { return (Vec::new(), Box::new(row.clone())) };
    (vec![edge.db.note_hold(&row.id, until)], Box::new(Row { capture_before: Some(until), ..row.clone() }))
}

fn after(mut row: Box<Row>, news: &News, to: Status, by: &str, now: i64) -> Box<Row> {
    row.status = to;
    row.events = ledger::with_event(&row.events, object! { "type": to.name(), "created": now, "by": by });
    row.amount = news.amount.unwrap_or(row.amount);
    row.amount_tax = news.amount_tax.unwrap_or(row.amount_tax);
    row.amount_shipping = news.amount_shipping.unwrap_or(row.amount_shipping);
    row.amount_capturable = news.amount_capturable.unwrap_or(row.amount_capturable);
    row.amount_captured = news.amount_captured.unwrap_or(row.amount_captured);
    row.payment_intent = news.payment_intent.clone().or(row.payment_intent.take());
    row.application_fee_amount = news.application_fee.unwrap_or(row.application_fee_amount);
    let render = |value: &Option<Value>, known: Option<String>| value.as_ref().map(ToString::to_string).or(known);
    row.customer = render(&news.customer, row.customer.take());
    row.shipping_details = render(&news.shipping_details, row.shipping_details.take());
    row.billing_details = render(&news.billing_details, row.billing_details.take());
    row.capture_before = news.capture_before.or(row.capture_before);
    if to == Status::Paid {
        row.paid_at = row.paid_at.or(Some(now));
    }
    row
}

/// Keeps for the operator what named one of our transactions and is not what was created.
#[allow(clippy::too_many_arguments)]
pub fn stray(
    edge: &Edge, kind: &str, object: &str, transaction: &str, account: Option<&str>, live: bool, mismatch: Mismatch, now: i64,
) -> Result<()> {
    log::line(object! { "level": "warn", "event": "stray", "request_id": &*edge.request_id, "kind": kind, "object": object,
    "transaction": transaction, "account": account, "reason": mismatch.name() });
    edge.db.one(edge.db.remember_stray(kind, object, transaction, account, live, mismatch.name(), now)).map(|_| ())
}
