//! What agents bought, as the shop fulfils it (contract, *ACP*): looked up, changed, and told to the agent in the same batch.

use super::aftermath::TRIES;
use super::lists::Page;
use super::shops::plausible;
use super::{access, ledger};
use crate::acp::order;
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock, log};
use crate::error::{Problem, Result};
use crate::id::Mode;
use crate::ledger::{Row, stored};
use crate::notice::NoticeRow;
use crate::order::{Home, OrderRow, STATUSES, Wish};
use crate::store::Statement;
use crate::store::aftermath::OfOrder;
pub use crate::store::orders::Filter;
use crate::store::orders::{Change, Event};
use crate::store::shops::ShopRow;
use serde_json::Value;

/// Where a shop's orders are to be seen.
pub fn home<'a>(edge: &'a Edge, shop: &'a ShopRow) -> Home<'a> {
    Home { template: shop.order_url_template.as_deref(), public_url: &edge.public_url }
}

pub fn object(edge: &Edge, shop: &ShopRow, row: &OrderRow) -> Result<Value> {
    Ok(order::object(&row.doc(&home(edge, shop))?))
}

/// `GET /v1/orders`
pub fn list(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let page = Page::read(incoming)?;
    let (from_id, below_id) = ledger::created(incoming, "ord_")?;
    let filter = Filter {
        live: access::mode_param(incoming)?.map(Mode::live),
        agent: incoming.param("agent"),
        status: ledger::one_of(incoming, "status", &STATUSES)?,
        order_id: incoming.param("order_id"),
        from_id,
        below_id,
    };
    let rows = edge.db.orders(&shop.id, &filter, &page.cursor(), page.limit)?;
    let rows = rows.map(|rows| rows.iter().map(|row| object(edge, &shop, row)).collect::<Result<Vec<Value>>>()).transpose()?;
    page.reply("/v1/orders", "order", rows)
}

/// `GET /v1/orders/{ord_…}`
pub fn get(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    plausible("order", id, "ord_")?;
    let row = edge.db.order(id, &shop.id)?.ok_or_else(|| Problem::missing("order", id))?;
    Ok(Reply::json(200, &object(edge, &shop, &row)?))
}

/// `PATCH /v1/orders/{ord_…}`: what is named is set, `null` takes it back, deliveries are added or changed. No money moves by it.
pub fn update(edge: &Edge, incoming: &Incoming, id: &str) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    plausible("order", id, "ord_")?;
    let row = edge.db.order(id, &shop.id)?.ok_or_else(|| Problem::missing("order", id))?;
    let mut wish = crate::order::read(&incoming.json()?, edge.config.allow_local)?;
    if let Some(Some(raw)) = &wish.permalink_url {
        wish.permalink_url = Some(Some(access::shop_url(edge, &shop, "permalink_url", raw, true)?.to_string()));
    }
    let row = apply(edge, &shop, row, &wish)?;
    Ok(Reply::json(200, &object(edge, &shop, &row)?))
}

/// Decides and writes a change; somebody faster means: read and decide again. Answers the order as it is then.
fn apply(edge: &Edge, shop: &ShopRow, mut row: Box<OrderRow>, wish: &Wish) -> Result<Box<OrderRow>> {
    for _ in 0..TRIES {
        let now = clock::now();
        let Some(after) = crate::order::change(&row, wish, now)? else { return Ok(row) };
        let statements = told(edge, shop, &row, &after, None, now)?;
        // Repeated, it finds the order changed, and decides that there is nothing left to do.
        if edge.db.repeatable(statements)?.at(0)?.changes()? == 1 {
            return Ok(after);
        }
        row = edge.db.order(&row.id, &shop.id)?.ok_or_else(|| Problem::missing("order", &row.id))?;
    }
    Err(Problem::request(409, "order_in_flight", "Too much is happening to this order at once. Send the same request again.").after(2))
}

/// What writes a change and tells the agent of it.
fn told(edge: &Edge, shop: &ShopRow, before: &OrderRow, after: &OrderRow, if_paid: Option<&Row>, now: i64) -> Result<Vec<Statement>> {
    let id = clock::fresh_id("ccevt_")?;
    let doc = after.doc(&home(edge, shop))?;
    let event = after.dialect().map(|dialect| crate::order::event(dialect, false, &doc));
    let event = event.as_ref().map(|(kind, body)| Event { id: &id, kind, body });
    Ok(edge.db.change_order(&Change { before, after, permalink_url: &doc.permalink_url, event, if_paid }, now))
}

/// The order of a transaction, where it may have one.
pub fn of(edge: &Edge, transaction: &Row) -> Result<Option<(Box<OrderRow>, Box<ShopRow>)>> {
    if transaction.has_order() { edge.db.order_of(&transaction.id) } else { Ok(None) }
}

/// What a change of a transaction is to its order: the statements that write and tell it, for the same batch, and what the change
/// itself has to wait for: the order as it was read, or that there is still none.
pub fn adjusting<'a>(
    edge: &Edge, order: Option<&'a (Box<OrderRow>, Box<ShopRow>)>, after: &Row, now: i64,
) -> Result<(OfOrder<'a>, Vec<Statement>)> {
    match order {
        None if after.has_order() => Ok((OfOrder::Missing, Vec::new())),
        None => Ok((OfOrder::Untouched, Vec::new())),
        Some((row, shop)) => match crate::order::adjust(row, after, now)? {
            None => Ok((OfOrder::Untouched, Vec::new())),
            Some(adjusted) => Ok((OfOrder::As(row), told(edge, shop, row, &adjusted, Some(after), now)?)),
        },
    }
}

/// Takes what a shop answered to `order.created`: `{order_id, permalink_url}`, as if it had sent a PATCH. What is not well-formed, or an
/// address that is not the shop's own, counts as no answer.
pub fn take_answer(edge: &Edge, shop: &ShopRow, notice: &NoticeRow, answer: &[u8]) -> Result<()> {
    let Some(mut wish) = crate::order::read_answer(answer) else { return Ok(()) };
    if let Some(Some(raw)) = &wish.permalink_url {
        match access::shop_url(edge, shop, "permalink_url", raw, true) {
            Ok(url) => wish.permalink_url = Some(Some(url.to_string())),
            Err(problem) => {
                log::line(
                    object! { "level": "warn", "event": "order_answer_refused", "shop": shop.id, "id": notice.id, "why": problem.code },
                );
                wish.permalink_url = None;
            }
        }
    }
    let id = stored(&notice.object).get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(row) = edge.db.order(&id, &shop.id)? {
        apply(edge, shop, row, &wish)?;
    }
    Ok(())
}
