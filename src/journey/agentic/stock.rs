//! Stock that changed goes to Stripe by itself: by the sweep, as one inventory upsert of a shop, once its products are there.
//!
//! What changed is known by the catalogue's changes, which the feeds of agents go by too. Stripe does not promise to take uploads in
//! their order, so stock is told only when nothing else is on its way; and what was told counts as told when Stripe is through with it.

use super::{following, held_elsewhere, sending};
use crate::edge::{Edge, clock, log};
use crate::error::Result;
use crate::id::Mode;
use crate::store::imports::{ImportRow, StockLeased, StockRow};

/// How long one look holds a shop's stock, seconds; and when a shop is looked at again that is switched off, or busy.
const LEASE: i64 = 120;
const OFF: i64 = 3600;
const BUSY: i64 = 300;

/// Goes on with shops whose stock is due, until a time or a number of round trips. Answers how many were told.
pub fn run(edge: &Edge, due: Vec<StockRow>, ends: u64, d1_ends: u32) -> u32 {
    let mut told = 0_u32;
    for stock in due {
        if clock::now_ms() >= ends || edge.counters.d1.get() >= d1_ends {
            break;
        }
        match look(edge, &stock) {
            Ok(sent) => told = told.saturating_add(u32::from(sent)),
            // One shop's trouble is its own.
            Err(problem) => {
                log::line(
                    object! { "level": "warn", "event": "stock_trouble", "shop": stock.shop_id, "why": problem.code, "cause": problem.cause },
                );
            }
        }
    }
    told
}

fn look(edge: &Edge, stock: &StockRow) -> Result<bool> {
    // Load.
    let now = clock::now();
    let until = now.saturating_add(LEASE);
    let Some(leased) = edge.db.lease_stock(stock, now, until)? else { return Ok(false) };
    // Decide.
    let StockLeased { shop, side, connection, catalogue, busy } = leased;
    let later = |due_at: Option<i64>| edge.db.stock_later(stock, until, due_at);
    let connection = connection.filter(|connection| {
        let theirs = side.as_ref().filter(|side| side.enabled != 0 && side.account == connection.account);
        theirs.is_some_and(|side| side.owner.as_ref() == Some(&stock.shop_id))
    });
    let configured = edge.config.pair(Mode::from_live(stock.livemode != 0)).is_some();
    let Some(connection) = connection.filter(|_| configured && shop.is_some_and(|shop| shop.status == "active")) else {
        // It may come back.
        later(Some(now.saturating_add(OFF)))?;
        return Ok(false);
    };
    if held_elsewhere(edge, &stock.shop_id, &connection.account, stock.livemode != 0)? {
        later(Some(now.saturating_add(OFF)))?;
        return Ok(false);
    }
    if catalogue.generation.is_none() || (catalogue.generation == stock.generation && catalogue.latest <= stock.seen) {
        later(None)?;
        return Ok(false);
    }
    if busy {
        // Its end wakes the stock.
        later(Some(now.saturating_add(BUSY)))?;
        return Ok(false);
    }
    // Record the intent.
    let mut row = ImportRow {
        id: clock::fresh_id("ccim_")?,
        shop_id: stock.shop_id.clone(),
        livemode: stock.livemode,
        account: connection.account.clone(),
        api: edge.config.catalogue_api.name().to_owned(),
        feed_type: "inventory".to_owned(),
        mode: "upsert".to_owned(),
        origin: "stock".to_owned(),
        on_error: "skip".to_owned(),
        generation: catalogue.generation,
        seen: catalogue.latest,
        locked_until: now.saturating_add(sending::LOCK),
        check_at: Some(now.saturating_add(sending::LOCK)),
        created: now,
        attempt: 1,
        columns: "[]".to_owned(),
        samples: "[]".to_owned(),
        ..ImportRow::default()
    };
    if !edge.db.begin_stock(&row)? {
        later(Some(now.saturating_add(BUSY)))?;
        return Ok(false);
    }
    // Call Stripe, record.
    let sent = sending::deliver(edge, &mut row, &connection);
    let told = sent.is_ok();
    following::settle(edge, &row, sent)?;
    Ok(told)
}
