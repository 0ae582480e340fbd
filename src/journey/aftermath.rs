//! What Stripe says of refunds and disputes is compared with the row in full and written down, whoever brought the news: a webhook,
//! the answer to our own refund, or the sweep. The row is written only as it was read; somebody faster means: read and decide again.

use super::{event, orders, settle};
use crate::aftermath::{self, Aftermath, Origin, Told};
use crate::edge::{Edge, clock, outside};
use crate::error::{Problem, Result};
use crate::ledger::{self, IntentNews, Mismatch, News, Row};
use crate::record::Json;
use crate::refund::Entry;
use crate::store::Statement;
use crate::store::aftermath::OfOrder;
use crate::store::idempotency::Attempt;
use crate::stripe::call::Outcome;
use crate::stripe::event::Event;
use crate::stripe::refund::{self, Page};
use crate::stripe::session::{self, Session};
use crate::stripe::{Charge, Dispute, PaymentIntent, Refund, payment_intent};

/// How often a row that others keep changing is read anew.
pub const TRIES: u32 = 6;

/// What is written in the same batch as the change, and only with it.
pub enum With<'a> {
    Nothing,
    Event(&'a Event),
    /// The answer for whoever sends the same key again: the refund of this `cre_…`.
    Answer(&'a Attempt<'a>, &'a str),
}

pub enum Applied {
    Changed(Box<Row>),
    Same(Box<Row>),
    Stray(Mismatch),
}

/// Applies what Stripe says to a row, with the news that it was paid, where nobody had said so yet.
pub fn apply(edge: &Edge, mut row: Box<Row>, paid: Option<&News>, told: &Told<'_>, by: &str, with: &With<'_>) -> Result<Applied> {
    for _ in 0..TRIES {
        let now = clock::now();
        let (mut batch, base) = match paid.filter(|_| !row.status.sold()) {
            Some(news) => settle::moving(edge, &row, news, by, now)?,
            None => (Vec::new(), row.clone()),
        };
        if !base.status.sold() {
            return Err(Problem::fault("news of a refund or dispute of what was not paid"));
        }
        let revised = match aftermath::revise(&base, told, by, now)? {
            Ok(Some(revised)) => revised,
            Ok(None) => {
                batch.extend(tail(edge, with, &base, now)?);
                if !batch.is_empty() {
                    edge.db.run_repeatable(batch)?;
                }
                return Ok(Applied::Same(base));
            }
            Err(mismatch) => return Ok(Applied::Stray(mismatch)),
        };
        let place = batch.len();
        // What a refund or a dispute is to an agent's order is written and told in the same batch.
        let order = if revised.notice.is_some() { orders::of(edge, &base)? } else { None };
        let (of_order, adjusting) = match revised.notice {
            Some(_) => orders::adjusting(edge, order.as_ref(), &revised.row, now)?,
            None => (OfOrder::Untouched, Vec::new()),
        };
        batch.push(edge.db.revise(&base, &revised, None, &of_order));
        if let Some((kind, once)) = &revised.notice {
            batch.push(edge.db.owe(&clock::fresh_id("ccevt_")?, &revised.row, kind, once, now));
        }
        batch.extend(adjusting);
        batch.extend(tail(edge, with, &revised.row, now)?);
        // Repeated, it finds the row changed, and what was written is found to be nothing new.
        if edge.db.repeatable(batch)?.at(place)?.changed()? {
            return Ok(Applied::Changed(revised.row));
        }
        row = reload(edge, &row)?;
    }
    Err(busy())
}

pub fn busy() -> Problem {
    Problem::stripe_unavailable("Too much is happening to this transaction at once. Sending the same request again is safe.")
}

pub fn reload(edge: &Edge, row: &Row) -> Result<Box<Row>> {
    edge.db.transaction(&row.id)?.ok_or_else(|| Problem::fault("a row that was there is gone"))
}

fn tail(edge: &Edge, with: &With<'_>, row: &Row, now: i64) -> Result<Option<Statement>> {
    Ok(match with {
        With::Nothing => None,
        With::Event(event) => {
            Some(edge.db.remember_event_of(&event.id, &event.kind, event.account.as_deref(), event.livemode, event.created.0, now, row))
        }
        With::Answer(attempt, key) => {
            let entry = settled(row, key)?;
            Some(edge.db.keep_answer_of(attempt, 201, &entry.object(row).text(), row))
        }
    })
}

/// The refund of ours that Stripe has made.
pub fn settled(row: &Row, key: &str) -> Result<Entry> {
    let known = Aftermath::of(row)?.refunds.into_iter().find(|entry| entry.key.as_deref() == Some(key) && !entry.reserved());
    known.ok_or_else(|| Problem::fault("Stripe's refund is not the one that was asked for"))
}

/// All refunds of a payment, as Stripe has them.
pub fn refunds_of(edge: &Edge, row: &Row, payment_intent: &str) -> Result<Outcome<Vec<Refund>>> {
    // More than anybody makes; a list that never ends must not hold the Worker.
    const PAGES: u32 = 20;
    let mut all: Vec<Refund> = Vec::new();
    for _ in 0..PAGES {
        let last = all.last().map(|refund| refund.id.clone());
        let call = refund::list(payment_intent, last.as_deref(), row.stripe_account());
        match outside::stripe::<Page>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)? {
            Outcome::Ok(page) => {
                let more = page.has_more && !page.data.is_empty();
                all.extend(page.data);
                if !more {
                    break;
                }
            }
            Outcome::Refused(error) => return Ok(Outcome::Refused(error)),
            Outcome::Unavailable { why, replayed_5xx } => return Ok(Outcome::Unavailable { why, replayed_5xx }),
        }
    }
    Ok(Outcome::Ok(all))
}

/// An answer that an event cannot do without: without it the event is not acknowledged, and comes again.
pub fn needed<T>(outcome: Outcome<T>) -> Result<T> {
    match outcome {
        Outcome::Ok(value) => Ok(value),
        Outcome::Refused(error) => Err(error.problem()),
        Outcome::Unavailable { why, .. } => Err(Problem::stripe_unavailable("Stripe did not answer.").because(why)),
    }
}

/// That a row is paid, asked of Stripe, when the news of what came after is here first.
enum Ground {
    Paid(Box<News>),
    /// Not paid after all, as far as Stripe says.
    NotPaid,
    Mismatch(Mismatch),
}

fn ground(edge: &Edge, row: &Row, payment_intent: &str) -> Result<Ground> {
    let news = match &row.checkout_session {
        Some(session_id) => {
            let call = session::retrieve(session_id, row.stripe_account());
            let session = needed(outside::stripe::<Session>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)?)?;
            ledger::news_of_session(row, row.stripe_account(), &session).map(|news| IntentNews::Decided(Box::new(news)))
        }
        None => {
            let call = payment_intent::retrieve(payment_intent, row.stripe_account());
            let intent = needed(outside::stripe::<PaymentIntent>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)?)?;
            ground_of_intent(row, &intent)
        }
    };
    Ok(match news {
        Ok(IntentNews::Decided(news)) if news.payment_intent.as_deref().is_some_and(|known| known != payment_intent) => {
            Ground::Mismatch(Mismatch::PaymentIntent)
        }
        Ok(IntentNews::Decided(news)) if news.to.is_some_and(ledger::Status::sold) => Ground::Paid(news),
        Ok(IntentNews::AskSession) => return Err(Problem::stripe_unavailable("The session is not recorded yet.")),
        Ok(_) => Ground::NotPaid,
        Err(mismatch) => Ground::Mismatch(mismatch),
    })
}

fn ground_of_intent(row: &Row, intent: &PaymentIntent) -> std::result::Result<IntentNews, Mismatch> {
    if intent.status != "succeeded" {
        return Ok(IntentNews::Nothing);
    }
    ledger::news_of_intent(row, row.stripe_account(), "payment_intent.succeeded", intent)
}

/// Applies an event's news to the row that it is about.
fn record(edge: &Edge, event: &Event, row: Box<Row>, payment_intent: &str, paid: Option<News>, told: &Told<'_>) -> Result<&'static str> {
    let paid = match paid {
        None if !row.status.sold() => match ground(edge, &row, payment_intent)? {
            Ground::Paid(news) => Some(*news),
            // What was only authorised and is released has a refund too, of money that nobody took.
            Ground::NotPaid => return event::record(edge, event, &row, &News::default()),
            Ground::Mismatch(mismatch) => return event::keep_stray(edge, event, &row, mismatch),
        },
        paid => paid,
    };
    let about = row.clone();
    match apply(edge, row, paid.as_ref(), told, "webhook", &With::Event(event))? {
        Applied::Changed(row) => Ok(row.status.name()),
        Applied::Same(_) => Ok("nothing_new"),
        Applied::Stray(mismatch) => event::keep_stray(edge, event, &about, mismatch),
    }
}

fn origin<'a>(event: &'a Event, currency: &'a Option<String>, payment_intent: Option<&'a str>, transaction: Option<&'a str>) -> Origin<'a> {
    Origin { account: event.account.as_deref(), live: event.livemode, currency: currency.as_deref(), payment_intent, transaction }
}

/// The row that news of a refund or a charge is about, compared with it in full, and its PaymentIntent; or how the event ended.
fn row_of<'a>(
    edge: &Edge, event: &Event, from: &Origin<'a>, more: impl FnOnce(&Row) -> std::result::Result<(), Mismatch>,
) -> Result<std::result::Result<(Box<Row>, &'a str), &'static str>> {
    let row = match event::about(edge, event, from.payment_intent, from.transaction)? {
        event::About::Row(row) => row,
        // Before it is known which payment the row got, its refunds cannot be told from a stranger's; `charge.refunded` names the row.
        other => return Ok(Err(other.name())),
    };
    let intent = from.payment_intent.ok_or(Mismatch::PaymentIntent);
    match aftermath::check(&row, from).and_then(|()| more(&row)).and(intent) {
        Ok(intent) => Ok(Ok((row, intent))),
        Err(mismatch) => Ok(Err(event::keep_stray(edge, event, &row, mismatch)?)),
    }
}

/// `refund.created`, `refund.updated`, `refund.failed`
pub fn of_refund(edge: &Edge, event: &Event, refund: &Refund) -> Result<&'static str> {
    let from = origin(event, &refund.currency, refund.payment_intent.as_ref().map(|i| i.id()), ledger::reference(&refund.metadata));
    let (row, intent) = match row_of(edge, event, &from, |_| Ok(()))? {
        Ok(found) => found,
        Err(end) => return Ok(end),
    };
    // (A thin event's is as it is now.)
    if event.is_thin() || !aftermath::outdated(&row, refund)? {
        return record(edge, event, row, intent, None, &Told::Refunds(std::slice::from_ref(refund)));
    }
    let mut refunds = listed(edge, &row, intent)?;
    // Last, and so nothing new; but one that differs is a stray.
    refunds.push(refund.clone());
    record(edge, event, row, intent, None, &Told::Refunds(&refunds))
}

/// The refunds as Stripe lists them; none where it does not.
fn listed(edge: &Edge, row: &Row, intent: &str) -> Result<Vec<Refund>> {
    match refunds_of(edge, row, intent)? {
        Outcome::Refused(error) if error.status == 404 => Ok(Vec::new()),
        other => needed(other),
    }
}

/// `charge.refunded`: the sum of all refunds. What adds up to it is asked for where it is more than is known.
pub fn of_charge(edge: &Edge, event: &Event, charge: &Charge) -> Result<&'static str> {
    let from = origin(event, &charge.currency, charge.payment_intent.as_ref().map(|i| i.id()), ledger::reference(&charge.metadata));
    let same_mode = if charge.livemode == event.livemode { Ok(()) } else { Err(Mismatch::Mode) };
    let (row, intent) = match row_of(edge, event, &from, |row| same_mode.and_then(|()| ledger::check_charge(row, charge)))? {
        Ok(found) => found,
        Err(end) => return Ok(end),
    };
    // An authorisation that was released is shown as refunded too, and money was never taken; `payment_intent.canceled` tells of it.
    // A sum that is not more than what is known is older, or of refunds that have told themselves; unless one may have done so when
    // nobody knew whose it was. When a thin event was made is not known.
    let told = row.status.sold() && charge.amount_refunded <= row.amount_refunded;
    let unheard = event.is_thin() || aftermath::before_paid(&row, event.created.0);
    if charge.captured == Some(false) || told && !unheard {
        return event::record(edge, event, &row, &News::default());
    }
    let mut refunds = listed(edge, &row, intent)?;
    aftermath::complete(&row, charge, &mut refunds, event.created.0)?;
    let paid = ledger::news_of_charge(&row, charge);
    record(edge, event, row, intent, paid, &Told::Refunds(&refunds))
}

/// `charge.dispute.*`. A dispute names no transaction of ours, only a PaymentIntent. Where no row has that one, Stripe is asked what
/// it names: a dispute is rare, and one that is lost costs money.
pub fn of_dispute(edge: &Edge, event: &Event, dispute: &Dispute) -> Result<&'static str> {
    let Some(intent) = dispute.payment_intent.as_ref().map(|intent| intent.id()) else { return Ok("not_ours") };
    let (row, paid) = match event::about(edge, event, Some(intent), None)? {
        event::About::Row(row) => (row, None),
        event::About::Seen => return Ok("seen"),
        event::About::NotOurs => match unknown_payment(edge, event, intent)? {
            Some(found) => found,
            None => return Ok("not_ours"),
        },
    };
    let from = origin(event, &dispute.currency, Some(intent), None);
    let same_mode = if dispute.livemode == event.livemode { Ok(()) } else { Err(Mismatch::Mode) };
    let amount = if dispute.amount >= 0 { Ok(()) } else { Err(Mismatch::Amount) };
    match aftermath::check(&row, &from).and(same_mode).and(amount) {
        Ok(()) => record(edge, event, row, intent, paid, &Told::Dispute(dispute, event.created.0)),
        Err(mismatch) => event::keep_stray(edge, event, &row, mismatch),
    }
}

/// The row of a payment that no row names yet, with the news that it was paid.
fn unknown_payment(edge: &Edge, event: &Event, intent: &str) -> Result<Option<(Box<Row>, Option<News>)>> {
    let mode = crate::id::Mode::from_live(event.livemode);
    let call = payment_intent::retrieve(intent, event.account.as_deref());
    let intent = match outside::stripe::<PaymentIntent>(edge, mode, &call, outside::STRIPE_DEADLINE)? {
        Outcome::Ok(intent) => intent,
        Outcome::Refused(error) if error.account_invalid() || error.status == 404 => return Ok(None),
        other => needed(other)?,
    };
    let row = match event::about(edge, event, None, ledger::reference(&intent.metadata))? {
        event::About::Row(row) => row,
        // An agent's order at Stripe, of which nothing was heard yet.
        event::About::NotOurs if ledger::reference(&intent.metadata).is_none() => {
            return Ok(super::agentic::orders::of_payment(edge, event, &intent)?.map(|row| (row, None)));
        }
        _ => return Ok(None),
    };
    let paid = match ground_of_intent(&row, &intent) {
        Ok(IntentNews::Decided(news)) => Some(*news),
        _ => None,
    };
    Ok(Some((row, paid)))
}
