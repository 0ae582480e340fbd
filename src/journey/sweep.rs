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
    note("expired_by_kill_switch", kill_switch(edge).await);
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
    for row in edge.db.rows_to_check(now, CHECKS).await? {
        // Leased first: a run that dies here leaves the row due again in ten minutes.
        if !edge.db.lease_check(&row, now, now.saturating_add(600)).await? {
            continue;
        }
        if ask(edge, &row, now).await? {
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

/// Expires the open sessions of shops whose kill switch is on.
async fn kill_switch(edge: &Edge) -> Result<u32> {
    let rows = edge.db.switched_off_with_open(EXPIRIES).await?;
    expire_rows(edge, rows).await
}

/// The same at once, for the shop that has just thrown the switch.
pub async fn expire_open_of(edge: &Edge, shop_id: &str) -> Result<u32> {
    let rows = edge.db.open_sessions(shop_id, EXPIRIES).await?;
    expire_rows(edge, rows).await
}

async fn expire_rows(edge: &Edge, rows: Vec<Row>) -> Result<u32> {
    let mut ended = 0_u32;
    for row in rows {
        match checkout::end(edge, &row).await {
            Ok(after) if after.status != Status::Open => ended = ended.saturating_add(1),
            Ok(_) => {}
            Err(problem) => {
                log::line(json!({ "level": "warn", "event": "expire_failed", "transaction": row.id, "why": problem.code }));
            }
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
