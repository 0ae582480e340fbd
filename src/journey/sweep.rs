//! Once a minute: what a crash, a cut connection or a lost webhook left is finished. Bounded work per run, a line of
//! figures in the log. One step that fails does not keep the others from running.

use super::checkout;
use super::settle::{self, Settled};
use crate::edge::{Edge, clock, log, outside};
use crate::error::Result;
use crate::ledger::{self, Row, Status};
use crate::stripe::call::Outcome;
use crate::stripe::session::{self, Session};
use serde_json::json;

/// Sessions asked about in one run: at some 200 ms each, well below a minute.
const CHECKS: i64 = 40;
const EXPIRIES: i64 = 20;
const DEAUTHORIZATIONS: i64 = 10;
const TOKENS: i64 = 20;

pub async fn run(edge: &Edge) {
    let mut figures = serde_json::Map::new();
    let mut note = |step: &str, outcome: Result<u32>| {
        let value = match outcome {
            Ok(done) => json!(done),
            Err(problem) => json!({ "failed": problem.code, "why": problem.cause }),
        };
        figures.insert(step.to_owned(), value);
    };
    note("asked", ask_due(edge).await);
    note("deauthorized", super::connect::settle_deauthorizations(edge, DEAUTHORIZATIONS).await);
    note("tokens_moved", move_tokens(edge).await);
    note("rows_expired", edge.db.expire(clock::now()).await.map(|gone| u32::try_from(gone).unwrap_or(u32::MAX)));
    log::line(json!({
        "level": "info", "event": "sweep", "d1": edge.counters.d1.get(), "stripe": edge.counters.stripe.get(), "figures": figures,
    }));
}

/// Asks Stripe about every row whose time has come.
async fn ask_due(edge: &Edge) -> Result<u32> {
    let now = clock::now();
    let mut settled = 0_u32;
    let (rows, switched_off) = edge.db.rows_to_check(now, CHECKS).await?;
    for row in rows {
        // Leased first: a run that dies here leaves the row due again in ten minutes.
        if !edge.db.lease_check(&row, now, now.saturating_add(600)).await? {
            continue;
        }
        let kill = row.status == Status::Open && switched_off.contains(&row.id);
        let moved = if kill { end(edge, &row, now).await? } else { ask(edge, &row, now).await? };
        if moved {
            settled = settled.saturating_add(1);
        }
    }
    Ok(settled)
}

/// Asks about one row; `true` when it moved.
async fn ask(edge: &Edge, row: &Row, now: i64) -> Result<bool> {
    let again = |status: Status| ledger::next_check(status, row.checks.saturating_add(1), now, row.expires_at);
    let Some(session_id) = &row.checkout_session else {
        // Never got a session, so no buyer ever saw an address: past its time it is over.
        if row.expires_at.is_none_or(|end| end <= now) && row.attempt_until <= now {
            let news = ledger::News { to: Some(Status::Canceled), ..ledger::News::default() };
            edge.db.one(edge.db.advance(row, &news, "sweep", now, None)).await?;
            return Ok(true);
        }
        edge.db.check_later(&row.id, again(row.status)).await?;
        return Ok(false);
    };
    let call = session::retrieve(session_id, row.stripe_account());
    let Ok(outcome) = outside::stripe::<Session>(edge, row.mode(), &call, outside::STRIPE_DEADLINE).await else {
        return Ok(false);
    };
    match outcome {
        Outcome::Ok(session) => {
            let before = row.status;
            match settle::session(edge, row, &session, "sweep").await? {
                Settled::Row(after) if after.status != before => Ok(true),
                Settled::Row(after) => {
                    edge.db.check_later(&after.id, again(after.status)).await?;
                    Ok(false)
                }
                Settled::Stray => {
                    edge.db.check_later(&row.id, None).await?;
                    Ok(false)
                }
            }
        }
        // Not to be seen any more (the account is gone): asked again, ever more rarely, until the row's time is long over.
        Outcome::Refused(_) => {
            let next = if row.checks < 20 { Some(now.saturating_add(3600)) } else { None };
            edge.db.check_later(&row.id, next).await?;
            Ok(false)
        }
        Outcome::Unavailable { .. } => {
            edge.db.check_later(&row.id, Some(now.saturating_add(120))).await?;
            Ok(false)
        }
    }
}

/// Ends an open session of a shop whose kill switch is on; `true` when it is over.
async fn end(edge: &Edge, row: &Row, now: i64) -> Result<bool> {
    if row.checkout_session.is_none() {
        return ask(edge, row, now).await;
    }
    match checkout::end(edge, row).await {
        Ok(after) => Ok(after.status != Status::Open),
        Err(problem) => {
            log::line(json!({ "level": "warn", "event": "expire_failed", "transaction": row.id, "why": problem.code }));
            // Soon at first: until it is ended a buyer can still pay.
            let pause = row.checks.saturating_add(1).clamp(1, 10).saturating_mul(60);
            let next = if row.checks < 20 { Some(now.saturating_add(pause)) } else { None };
            edge.db.check_later(&row.id, next).await?;
            Ok(false)
        }
    }
}

/// Ends what a shop has open at the moment in which it throws its kill switch; what is left, the sweep ends.
pub async fn expire_open_of(edge: &Edge, shop_id: &str) -> Result<u32> {
    let now = clock::now();
    let mut ended = 0_u32;
    for row in edge.db.open_sessions(shop_id, EXPIRIES).await? {
        if end(edge, &row, now).await? {
            ended = ended.saturating_add(1);
        }
    }
    Ok(ended)
}

async fn move_tokens(edge: &Edge) -> Result<u32> {
    let waiting = edge.db.tokens_waiting(TOKENS).await?;
    let count = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
    for token in waiting {
        super::connect::move_token(edge, &token.hash, &token.connection_id, &token.sealed_token).await;
    }
    Ok(count)
}
