//! A shop leaves (contract, *Shops*, `DELETE /v1/shop`): disconnected, its keys, tokens and personal data erased, the books kept.
//!
//! The order: one batch ends the shop and owes the rest. Then open sessions are ended, tokens and personal data erased slice by
//! slice, and last, once nothing is under way any more, the account is given back at Stripe: given back before, an open session
//! could still be paid where nobody here could see it. What a request does not get done, the sweep does.

use super::{access, checkout, connect};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, js, log};
use crate::error::{Problem, Result};
use crate::ledger::BANKS_TAKE;
use crate::store::connect::token_key;

/// Sessions that are ended in one go, and slices that are cleared.
const SESSIONS: i64 = 20;
const SLICES: u32 = 10;

/// `DELETE /v1/shop`
pub fn delete_shop(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::shop(edge, incoming)?;
    access::no_body(incoming)?;
    let now = clock::now();
    edge.db.delete_shop(&shop, now)?;
    let more = (|| {
        end_sessions(edge, &shop.id)?;
        go_on(edge, &shop.id, now)?;
        connect::settle_deauthorizations(edge, 5)
    })();
    if let Err(problem) = more {
        log::line(
            object! { "level": "warn", "event": "erasure_left_to_sweep", "shop": shop.id, "why": problem.code, "cause": problem.cause },
        );
    }
    Ok(Reply::json(200, &object! { "object": "shop", "id": shop.id, "deleted": true }))
}

/// Ends what is open, as long as Stripe answers; the sweep ends the rest, as after the kill switch.
fn end_sessions(edge: &Edge, shop_id: &str) -> Result<()> {
    for row in edge.db.open_sessions(shop_id, SESSIONS)? {
        if let Err(problem) = checkout::end(edge, &row) {
            log::line(object! { "level": "warn", "event": "expire_failed", "transaction": row.id, "why": problem.code });
            return Ok(());
        }
    }
    Ok(())
}

/// The sweep's part. Answers how many shops are done.
pub fn run(edge: &Edge, limit: i64) -> Result<u32> {
    let now = clock::now();
    let mut done = 0_u32;
    for shop_id in edge.db.due_erasures(now, limit)? {
        match go_on(edge, &shop_id, now) {
            Ok(true) => done = done.saturating_add(1),
            Ok(false) => {}
            // One shop's trouble is its own.
            Err(problem) => {
                log::line(object! { "level": "warn", "event": "erasure_failed", "shop": shop_id, "cause": problem.cause });
                edge.db.erasure_later(&shop_id, now.saturating_add(60))?;
            }
        }
    }
    Ok(done)
}

/// Goes on with one shop; `true` when nothing is left to do. Every step may be repeated.
fn go_on(edge: &Edge, shop_id: &str, now: i64) -> Result<bool> {
    for connection in edge.db.tokens_of(shop_id)? {
        js::call(&js::binding(&edge.env, "KV"), "delete", &[token_key(&connection).into()]).map_err(Problem::fault)?;
        edge.db.token_gone(&connection)?;
    }
    for _ in 0..SLICES {
        if !edge.db.erase_slice(shop_id)? {
            let waits = edge.db.under_way(shop_id, now.saturating_sub(BANKS_TAKE))?;
            if waits {
                edge.db.erasure_later(shop_id, now.saturating_add(60))?;
            } else {
                edge.db.erasure_done(shop_id, now)?;
            }
            return Ok(!waits);
        }
    }
    edge.db.erasure_later(shop_id, now)?;
    Ok(false)
}
