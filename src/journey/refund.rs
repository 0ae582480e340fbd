//! A shop gives money back (contract, *Ledger*).
//!
//! The refund is reserved on the row first, with the exact form for Stripe, by a statement that wants the row as it was read: of two
//! requests at once the second decides anew, with less left. Whatever is lost afterwards, the same key asks Stripe the very same thing,
//! and what nobody asks for again the sweep looks for.

use super::aftermath::{self, Applied, With, busy, reload};
use super::sweep::{LOST_AGAIN, LOST_FOR};
use super::{access, attempt, connect};
use crate::aftermath::{Aftermath, Revised, Told};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, outside};
use crate::error::{Problem, Result};
use crate::id;
use crate::ledger::Row;
use crate::record::Json;
use crate::refund::{self, Entry};
use crate::store::aftermath::OfOrder;
use crate::store::idempotency::{Attempt, AttemptRow};
use crate::stripe::call::Outcome;
use crate::stripe::{Refund, StripeError};
use serde_json::Value;

/// For how long a key is taken to be known at Stripe, seconds; it says 24 hours at least.
const KEY_LIFE: i64 = 20 * 3600;

/// A change that a shop asks for, as far as all of them begin alike: who asks, for which of its transactions, and under which key.
pub struct Asked {
    pub row: Box<Row>,
    pub body: Value,
    pub path: String,
    pub key: String,
    pub fingerprint: String,
    /// An earlier request with the same key that got no answer.
    pub earlier: Option<Box<AttemptRow>>,
}

/// Receives and loads such a change; or the answer that its key got before.
pub fn asked(edge: &Edge, incoming: &Incoming, transaction: &str, what: &str) -> Result<std::result::Result<Asked, Reply>> {
    let now = clock::now();
    let key_hash = access::key_hash(incoming)?;
    let key = attempt::key(incoming);
    let body = incoming.json();
    let path = ["/v1/transactions/", transaction, what].concat();
    let loaded = edge.db.load_for_change(&key_hash, now, &path, key.as_deref().unwrap_or_default(), transaction)?;
    let shop = access::known(edge, incoming, loaded.shop)?;
    access::verified(&shop)?;
    let row = loaded.row.filter(|_| id::is_prefixed(transaction, "cct_")).ok_or_else(|| Problem::missing("transaction", transaction))?;
    let (key, body) = (key?, body?);
    let fingerprint = attempt::fingerprint(&body);
    if let Some(answer) = attempt::earlier_answer(loaded.attempt.as_deref(), &fingerprint, now)? {
        return Ok(Err(answer));
    }
    edge.pair(row.mode())?;
    Ok(Ok(Asked { row, body, path, key, fingerprint, earlier: loaded.attempt }))
}

/// `POST /v1/transactions/{id}/refunds`
pub fn create(edge: &Edge, incoming: &Incoming, transaction: &str) -> Result<Reply> {
    // Receive, load.
    let asked = match asked(edge, incoming, transaction, "/refunds")? {
        Ok(asked) => asked,
        Err(answer) => return Ok(answer),
    };
    let wish = refund::read(&asked.body)?;
    // Decide, and record the intent.
    let lock = clock::fresh_secret("")?;
    let attempt = Attempt { shop_id: &asked.row.shop_id, path: &asked.path, key: &asked.key, lock: &lock };
    let (row, entry) = begin(edge, &asked, &attempt, &wish)?;
    let Some(key) = entry.key.clone() else { return Err(Problem::fault("a refund without a key")) };
    // Call Stripe, unless its event was here before its answer.
    let told = if entry.reserved() {
        let mut first = asked.earlier.is_none();
        match ask_stripe(edge, &row, &entry, &mut first) {
            Ok(Outcome::Ok(refund)) => vec![refund],
            other => {
                let begun = Begun { attempt: &attempt, key: Some(&key), first };
                return Err(not_done(edge, &row, &begun, Trouble::of(other))?);
            }
        }
    } else {
        Vec::new()
    };
    // Record the answer, then reply.
    let applied = aftermath::apply(edge, row, None, &Told::Refunds(&told), "api", &With::Answer(&attempt, &key));
    if applied.is_err() {
        // Best effort: the lock is free by itself in a minute.
        let _ = edge.db.run(vec![edge.db.let_go(&attempt)]);
    }
    match applied? {
        Applied::Changed(row) | Applied::Same(row) => Ok(Reply::json(201, &aftermath::settled(&row, &key)?.object(&row))),
        Applied::Stray(mismatch) => Err(Problem::fault(["Stripe's refund is not what was asked for: ", mismatch.name()].concat())),
    }
}

/// Takes the key and reserves the amount; or takes up what an earlier request with this key began.
fn begin(edge: &Edge, asked: &Asked, attempt: &Attempt<'_>, wish: &refund::Wish) -> Result<(Box<Row>, Entry)> {
    let mut row = asked.row.clone();
    let mut held = false;
    let fresh = clock::fresh_id("cre_")?;
    for _ in 0..aftermath::TRIES {
        let now = clock::now();
        let mut known = Aftermath::of(&row)?;
        let begun = asked.earlier.as_ref().and_then(|earlier| known.refunds.iter().position(|e| e.key.as_ref() == Some(&earlier.subject)));
        let place = match begun {
            Some(place) => place,
            None => match refund::reserve(&row, &known.refunds, known.refundable(), wish, &fresh, now) {
                Ok(entry) => {
                    known.refunds.insert(0, entry);
                    0
                }
                Err(problem) => {
                    if held {
                        edge.db.run(vec![edge.db.forget(attempt)])?;
                    }
                    return Err(problem);
                }
            },
        };
        let Some(entry) = known.refunds.get_mut(place) else { return Err(Problem::fault("a refund that was there is gone")) };
        if entry.reserved() {
            // Until then the sweep leaves it alone.
            entry.until = now.saturating_add(refund::RESERVED);
        }
        let (entry, subject) = (entry.clone(), entry.key.clone().unwrap_or_default());
        let revised = Revised { row: known.onto(&row), check_at: refund::next_check(&known.refunds, now), notice: None };
        let mut batch = Vec::new();
        if !held {
            batch.push(edge.db.take_key(attempt, &asked.fingerprint, &subject, None, now.saturating_add(attempt::LOCK_LIFE), now));
        }
        let at = batch.len();
        batch.push(edge.db.revise(&row, &revised, Some(attempt), &OfOrder::Untouched));
        let answers = edge.db.batch(batch)?;
        if !held && answers.at(0)?.changes()? == 0 {
            return Err(attempt::in_flight());
        }
        held = true;
        if answers.at(at)?.changed()? {
            return Ok((revised.row, entry));
        }
        row = reload(edge, &row)?;
    }
    edge.db.run_repeatable(vec![edge.db.let_go(attempt)])?;
    Err(busy())
}

/// Changes the reservation of `key`, or with `None` gives it up; `false` when there is none any more.
fn amend(edge: &Edge, row: &Row, key: &str, change: Option<&dyn Fn(&mut Entry)>) -> Result<bool> {
    let mut row = Box::new(row.clone());
    for _ in 0..aftermath::TRIES {
        let now = clock::now();
        let mut known = Aftermath::of(&row)?;
        let Some(place) = known.refunds.iter().position(|entry| entry.reserved() && entry.key.as_deref() == Some(key)) else {
            return Ok(false);
        };
        match (change, known.refunds.get_mut(place)) {
            (Some(change), Some(entry)) => change(entry),
            _ => drop(known.refunds.remove(place)),
        }
        let revised = Revised { row: known.onto(&row), check_at: refund::next_check(&known.refunds, now), notice: None };
        if edge.db.moved(edge.db.revise(&row, &revised, None, &OfOrder::Untouched))? {
            return Ok(true);
        }
        row = reload(edge, &row)?;
    }
    Err(busy())
}

/// Sends the entry's stored form with its stored key. A 5xx that Stripe replays from its own store says nothing about what was done:
/// the refund is looked for first, and only if it is not there, the next key is written down and used.
/// `first` says whether Stripe was never asked with the entry's key, and after that whether it still was when the answer came.
fn ask_stripe(edge: &Edge, row: &Row, entry: &Entry, first: &mut bool) -> Result<Outcome<Refund>> {
    let form = entry.form.clone().ok_or_else(|| Problem::fault("a reservation without its form"))?;
    let mut entry = entry.clone();
    let mut last = Outcome::Unavailable { why: "Stripe keeps answering 5xx".to_owned(), replayed_5xx: true };
    // Stripe forgets a key after a day: the same request would then be a second refund.
    let forgotten = entry.created.saturating_add(KEY_LIFE) < clock::now();
    for round in 0..3 {
        if round > 0 || forgotten {
            *first = false;
            match look_for(edge, row, &entry)? {
                Outcome::Ok(Some(found)) => return Ok(Outcome::Ok(found)),
                Outcome::Ok(None) => {}
                Outcome::Refused(error) => return Ok(Outcome::Refused(error)),
                Outcome::Unavailable { why, .. } => return Ok(Outcome::Unavailable { why, replayed_5xx: false }),
            }
        }
        if round > 0 {
            entry.tries = entry.tries.saturating_add(1);
            let (tries, key) = (entry.tries, entry.key.clone().unwrap_or_default());
            if !amend(edge, row, &key, Some(&move |entry: &mut Entry| entry.tries = tries))? {
                // Its event was faster, or the sweep: the next request sees what it became.
                break;
            }
        }
        let call = crate::stripe::refund::create(&form, row.stripe_account(), &entry.stripe_key());
        last = outside::stripe::<Refund>(edge, row.mode(), &call, outside::STRIPE_DEADLINE)?;
        // The answer to our own call is ours, whether it says so or not.
        if let (Outcome::Ok(refund), Some(key)) = (&mut last, &entry.key) {
            refund.metadata.entry("cc_refund").or_insert(key.json());
            refund.amount = if refund.amount == 0 { entry.amount } else { refund.amount };
        }
        if !matches!(last, Outcome::Unavailable { replayed_5xx: true, .. }) {
            break;
        }
    }
    Ok(last)
}

/// Whether Stripe has made the refund of a reservation, told by its metadata.
fn look_for(edge: &Edge, row: &Row, entry: &Entry) -> Result<Outcome<Option<Refund>>> {
    let intent = row.payment_intent.as_deref().ok_or_else(|| Problem::fault("a refund without a payment"))?;
    let ours = |refund: &Refund| refund.metadata.get("cc_refund").and_then(Value::as_str) == entry.key.as_deref();
    Ok(match aftermath::refunds_of(edge, row, intent)? {
        Outcome::Ok(refunds) => Outcome::Ok(refunds.into_iter().find(ours)),
        Outcome::Refused(error) => Outcome::Refused(error),
        Outcome::Unavailable { why, replayed_5xx } => Outcome::Unavailable { why, replayed_5xx },
    })
}

/// Why a change was not made, or is not known to be.
pub enum Trouble {
    Ours(Problem),
    Refused(StripeError),
    Unavailable(String),
}

impl Trouble {
    pub fn of<T>(outcome: Result<Outcome<T>>) -> Trouble {
        match outcome {
            Ok(Outcome::Refused(error)) => Trouble::Refused(error),
            Ok(Outcome::Unavailable { why, .. }) => Trouble::Unavailable(why),
            Ok(Outcome::Ok(_)) => Trouble::Unavailable(String::new()),
            Err(problem) => Trouble::Ours(problem),
        }
    }
}

/// What a change has taken hold of before Stripe was asked.
pub struct Begun<'a> {
    pub attempt: &'a Attempt<'a>,
    /// The refund that was reserved.
    pub key: Option<&'a str>,
    /// Whether Stripe was never asked with this key before.
    pub first: bool,
}

/// What the shop is told of that, and what of it is kept.
pub fn not_done(edge: &Edge, row: &Row, begun: &Begun<'_>, trouble: Trouble) -> Result<Problem> {
    let Begun { attempt, key, first } = *begun;
    let (mut problem, error) = match trouble {
        Trouble::Ours(problem) => (problem, None),
        Trouble::Unavailable(why) => (
            Problem::stripe_unavailable(
                "Stripe did not answer. Send the same request with the same Idempotency-Key again: it can never happen twice.",
            )
            .because(why),
            None,
        ),
        Trouble::Refused(error) => (error.problem(), Some(error)),
    };
    let gone = error.as_ref().is_some_and(StripeError::account_invalid);
    let Some(error) = error.filter(|_| problem.status == 422 || gone) else {
        // Nothing is known; or it is the operator's doing or ours, to be mended. The same key may ask again at once, and the
        // sweep looks what became of it.
        edge.db.run_repeatable(vec![edge.db.let_go(attempt)])?;
        return Ok(problem);
    };
    if gone && !first {
        // That Stripe does not let us ask now says nothing of what an earlier try with this key has done: reservation, form and key
        // stay, and once the account is connected again the same request finds out.
        edge.db.run_repeatable(vec![edge.db.let_go(attempt)])?;
        return account_gone(edge, row);
    }
    if let Some(key) = key {
        amend(edge, row, key, None)?;
    }
    if gone {
        edge.db.run(vec![edge.db.forget(attempt)])?;
        return account_gone(edge, row);
    }
    // Refunds in the Dashboard of which nobody has told us yet.
    let too_large = error.code.as_deref() == Some("charge_already_refunded") || error.param.as_deref() == Some("amount");
    if key.is_some() && too_large {
        problem = Problem::value("refund_too_large", "amount", problem.message.clone()).with("stripe_code", error.code.json());
    }
    let body = problem.body(&edge.request_id).text();
    edge.db.run_repeatable(vec![edge.db.keep_answer(attempt, problem.status, &body)])?;
    Ok(problem)
}

/// Stripe does not let us use the account of a row any more.
fn account_gone(edge: &Edge, row: &Row) -> Result<Problem> {
    let connections = edge.db.connections(&row.shop_id)?;
    let of_row = connections.iter().find(|c| c.account == row.account && c.livemode == row.livemode);
    match of_row {
        Some(connection) => connect::account_refused(edge, row.mode(), connection),
        None => Ok(Problem::request(409, "connection_gone", "The Stripe account that this was paid to is not connected any more.")),
    }
}

/// The sweep: what became of refunds that nobody answered for, and of those that Stripe had not finished. `true` when something did.
pub fn settle(edge: &Edge, row: &Row, now: i64) -> Result<bool> {
    let Some(intent) = row.payment_intent.as_deref() else { return Ok(false) };
    let refunds = match aftermath::refunds_of(edge, row, intent)? {
        Outcome::Ok(refunds) => refunds,
        // Not allowed to look is not the same as not there: what is reserved stays so, or it could be given back a second time.
        Outcome::Refused(error) if error.account_invalid() || error.status == 404 => {
            if error.account_invalid() {
                connect::doubt(edge, row)?;
            }
            // Nobody connects an account again after months; who then asks with the same key still finds the reservation.
            let given_up = Aftermath::of(row)?.refunds.iter().all(|entry| entry.created.saturating_add(LOST_FOR) <= now);
            edge.db.check_later(row, (!given_up).then_some(now.saturating_add(LOST_AGAIN)), row.checks)?;
            return Ok(false);
        }
        _ => {
            edge.db.check_later(row, Some(now.saturating_add(120)), row.checks)?;
            return Ok(false);
        }
    };
    let (mut row, mut changed) =
        match aftermath::apply(edge, Box::new(row.clone()), None, &Told::Refunds(&refunds), "sweep", &With::Nothing)? {
            Applied::Changed(row) => (row, true),
            Applied::Same(row) => (row, false),
            Applied::Stray(_) => {
                edge.db.check_later(row, None, row.checks)?;
                return Ok(false);
            }
        };
    // What Stripe does not have and nobody asks for any more was never made. Whoever took it up again meanwhile has changed the row,
    // and is not found here as it was.
    let stale = |entry: &&Entry| entry.reserved() && entry.until <= now;
    let keys: Vec<String> = Aftermath::of(&row)?.refunds.iter().filter(stale).filter_map(|entry| entry.key.clone()).collect();
    for key in keys {
        let mut known = Aftermath::of(&row)?;
        known.refunds.retain(|entry| !(entry.reserved() && entry.key.as_ref() == Some(&key)));
        let revised = Revised { row: known.onto(&row), check_at: refund::next_check(&known.refunds, now), notice: None };
        if !edge.db.moved(edge.db.revise(&row, &revised, None, &OfOrder::Untouched))? {
            return Ok(changed);
        }
        (row, changed) = (revised.row, true);
    }
    if !changed {
        let next = refund::next_check(&Aftermath::of(&row)?.refunds, now);
        edge.db.check_later(&row, next, row.checks.saturating_add(1))?;
    }
    Ok(changed)
}
