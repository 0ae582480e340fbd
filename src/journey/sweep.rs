//! Once a minute: what a crash, a cut connection or a lost webhook left is finished. Bounded work per run, a line of
//! figures in the log. One step that fails does not keep the others from running.

use super::settle::{self, Settled};
use super::{checkout, notify};
use crate::edge::{Edge, clock, log, outside};
use crate::error::Result;
use crate::ledger::{self, Row, Status};
use crate::record::Json;
use crate::stripe::call::Outcome;
use crate::stripe::session::{self, Session};

/// Sessions asked about in one run: at some 200 ms each, well below a minute.
const CHECKS: i64 = 120;
const EXPIRIES: i64 = 40;
/// How long after its end what cannot be seen any more (a session, a refund) is asked about, seconds.
pub const LOST_FOR: i64 = 30 * 24 * 3600;
/// And how long after each time, seconds.
pub const LOST_AGAIN: i64 = 6 * 3600;
/// How long one run asks Stripe, seconds: a Stripe that hangs must not make one run last into the next.
const ASKING: i64 = 25;
/// Round trips to D1 after which no other database is begun.
const ROUND_TRIPS: u32 = 300;
const DEAUTHORIZATIONS: i64 = 10;
const TOKENS: i64 = 20;
const ERASURES: i64 = 3;
/// Of each kind of what is sealed.
const RESEALED: i64 = 50;

/// The sweep of every database, another one first in each minute: one invocation may send D1 a thousand statements, and what one
/// database takes of them another does not get.
pub fn everywhere(edge: &Edge) {
    // Nothing may change while rows are copied.
    if edge.config.placement.any_moving() {
        log::line(object! { "level": "warn", "event": "sweep_rests", "why": "DATABASES_MOVING is set" });
        return;
    }
    let mut places = edge.everywhere();
    let minute = usize::try_from(clock::now() / 60).unwrap_or_default();
    let first = minute.checked_rem(places.len()).unwrap_or_default();
    places.rotate_left(first);
    let (ends, many) = (clock::now().saturating_add(ASKING), places.len() > 1);
    for place in places {
        if many && (clock::now() >= ends || edge.counters.d1.get() >= ROUND_TRIPS) {
            break;
        }
        run(&place);
    }
}

fn run(edge: &Edge) {
    let mut figures = serde_json::Map::new();
    let mut note = |step: &str, outcome: Result<u32>| {
        let value = match outcome {
            Ok(done) => done.json(),
            Err(problem) => object! { "failed": problem.code, "why": problem.cause },
        };
        figures.insert(step.to_owned(), value);
    };
    note("notices", notify::send_due(edge));
    note("asked", ask_due(edge));
    note("agent_orders", super::agentic::orders::sweep(edge));
    note("erased", super::erase::run(edge, ERASURES));
    note("deauthorized", super::connect::settle_deauthorizations(edge, DEAUTHORIZATIONS));
    match tend_tokens(edge) {
        Ok((moved, erased)) => {
            note("tokens_moved", Ok(moved));
            note("tokens_erased", Ok(erased));
        }
        Err(problem) => note("tokens_moved", Err(problem)),
    }
    note("resealed", super::reseal::run(edge, RESEALED));
    // What this run itself owes does not wait for the next one.
    note("notices_at_once", notify::send_owed(edge));
    note("catalogue_rows", clean_catalogues(edge));
    note("rows_expired", clean(edge));
    note("imports", super::agentic::following::run(edge));
    // Last: of all that is done here it may wait longest.
    note("feeds", super::feed::run(edge));
    log::line(
        object! { "level": "info", "event": "sweep", "database": edge.database(), "d1": edge.counters.d1.get(), "stripe": edge.counters.stripe.get(), "figures": figures },
    );
}

/// Deletes what is past its time, slice by slice: as fast as it may come in, it has to go out.
fn clean(edge: &Edge) -> Result<u32> {
    const SLICES: u32 = 20;
    const FULL: u32 = 200;
    let mut all = 0_u32;
    for _ in 0..SLICES {
        let gone = edge.db.expire(clock::now()).map(|gone| u32::try_from(gone).unwrap_or(u32::MAX))?;
        all = all.saturating_add(gone);
        if gone < FULL {
            break;
        }
    }
    Ok(all)
}

/// Deletes what catalogues left: a replacement leaves all of the one before. Some 40,000 rows a run, so that none lasts into the next.
fn clean_catalogues(edge: &Edge) -> Result<u32> {
    const SLICES: u32 = 20;
    let mut all = 0_u32;
    for _ in 0..SLICES {
        let gone = edge.db.sweep_catalogues(clock::now())?;
        if gone == 0 {
            break;
        }
        all = all.saturating_add(u32::try_from(gone).unwrap_or(u32::MAX));
    }
    Ok(all)
}

/// Asks Stripe about every row whose time has come.
fn ask_due(edge: &Edge) -> Result<u32> {
    let now = clock::now();
    let mut settled = 0_u32;
    let (rows, switched_off) = edge.db.rows_to_check(now, CHECKS)?;
    for mut row in rows {
        if clock::now().saturating_sub(now) > ASKING {
            break;
        }
        // Leased first: a run that dies here leaves the row due again in ten minutes.
        let kill = row.status == Status::Open && switched_off.contains(&row.id);
        let until = now.saturating_add(600);
        let step = (|| {
            if !edge.db.lease_check(&row, now, until)? {
                return Ok(false);
            }
            row.check_at = Some(until);
            if kill { end(edge, &row, now) } else { ask(edge, &row, now) }
        })();
        // One row's trouble is its own.
        match step {
            Ok(true) => settled = settled.saturating_add(1),
            Ok(false) => {}
            Err(problem) => {
                log::line(
                    object! { "level": "warn", "event": "check_failed", "transaction": row.id, "why": problem.code, "cause": problem.cause },
                );
            }
        }
    }
    Ok(settled)
}

/// Asks about one row; `true` when it moved.
fn ask(edge: &Edge, row: &Row, now: i64) -> Result<bool> {
    if row.status.sold() {
        return super::refund::settle(edge, row, now);
    }
    if row.by_api() {
        return super::acp::complete::sweep(edge, row, now);
    }
    let asked = row.checks.saturating_add(1);
    let again = |status: Status| ledger::next_check(status, asked, now, row.expires_at);
    let Some(session_id) = &row.checkout_session else {
        if row.expires_at.is_none_or(|end| end <= now) && edge.db.cancel_abandoned(&row.id, now)? {
            return Ok(true);
        }
        edge.db.check_later(row, again(row.status), asked)?;
        return Ok(false);
    };
    let call = session::retrieve(session_id, row.stripe_account());
    let Ok(outcome) = outside::stripe::<Session>(edge, row.mode(), &call, outside::STRIPE_DEADLINE) else {
        return Ok(false);
    };
    match outcome {
        Outcome::Ok(session) => {
            let before = row.status;
            match settle::session(edge, row, &session, "sweep")? {
                Settled::Row(after) if after.status != before => Ok(true),
                Settled::Row(after) => {
                    edge.db.check_later(&after, again(after.status), asked)?;
                    Ok(false)
                }
                Settled::Stray => {
                    edge.db.check_later(row, None, asked)?;
                    Ok(false)
                }
            }
        }
        // Not to be seen any more: the account is gone. Whether it was paid nobody here can know, so the row says neither; should the
        // account be connected again, Stripe tells. After a month it is left to people (the operator's figures show it as overdue).
        Outcome::Refused(error) if error.account_invalid() || error.status == 404 => {
            if error.account_invalid() {
                super::connect::doubt(edge, row)?;
            }
            let given_up = row.expires_at.is_some_and(|end| end.saturating_add(LOST_FOR) <= now);
            edge.db.check_later(row, if given_up { None } else { Some(now.saturating_add(LOST_AGAIN)) }, asked)?;
            Ok(false)
        }
        // Trouble at Stripe or with the operator's key says nothing about the row, and does not count as having asked.
        Outcome::Refused(_) | Outcome::Unavailable { .. } => {
            edge.db.check_later(row, Some(now.saturating_add(120)), row.checks)?;
            Ok(false)
        }
    }
}

/// Whether a session's time is over for good, with some minutes for clocks that differ.
pub fn past(row: &Row, now: i64) -> bool {
    row.expires_at.is_some_and(|end| end.saturating_add(300) <= now)
}

/// Ends an open session of a shop whose kill switch is on; `true` when it is over.
fn end(edge: &Edge, row: &Row, now: i64) -> Result<bool> {
    // An agent's checkout has nothing at Stripe that a buyer could still pay.
    if row.checkout_session.is_none() || row.by_api() {
        return ask(edge, row, now);
    }
    match checkout::end(edge, row) {
        Ok(after) => Ok(after.status != Status::Open),
        Err(problem) if problem.code == "connection_gone" && past(row, now) => ask(edge, row, now),
        Err(problem) => {
            log::line(object! { "level": "warn", "event": "expire_failed", "transaction": row.id, "why": problem.code });
            // Soon at first: until it is ended a buyer can still pay.
            let asked = row.checks.saturating_add(1);
            let pause = asked.clamp(1, 10).saturating_mul(60);
            edge.db.check_later(row, Some(now.saturating_add(pause)), asked)?;
            Ok(false)
        }
    }
}

/// Ends what a shop has open at the moment in which it throws its kill switch; what is left, the sweep ends.
pub fn expire_open_of(edge: &Edge, shop_id: &str) -> Result<u32> {
    let now = clock::now();
    let mut ended = 0_u32;
    for row in edge.db.open_sessions(shop_id, EXPIRIES)? {
        if end(edge, &row, now)? {
            ended = ended.saturating_add(1);
        }
    }
    Ok(ended)
}

/// Moves tokens that still wait in a claim's row to KV, and takes those out of it that open nothing any more.
fn tend_tokens(edge: &Edge) -> Result<(u32, u32)> {
    let (waiting, stale) = edge.db.tokens_to_tend(TOKENS)?;
    for token in &waiting {
        super::connect::move_token(edge, &token.hash, &token.connection_id, &token.sealed_token);
    }
    for connection in &stale {
        super::connect::erase_token(edge, connection)?;
    }
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok((count(waiting.len()), count(stale.len())))
}
