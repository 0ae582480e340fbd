//! What Stripe says about a row is compared in full and written down, whoever brought the news:
//! the buyer's browser, a webhook, the sweep, or the shop asking.

use crate::edge::{Edge, clock, log};
use crate::error::Result;
use crate::ledger::{self, Mismatch, News, Row, Status};
use crate::stripe::session::Session;

/// A row after the news; or why the news was not about it.
pub enum Settled {
    Row(Box<Row>),
    Stray,
}

/// Applies a Session that was fetched for `row`.
pub async fn session(edge: &Edge, row: &Row, session: &Session, by: &str) -> Result<Settled> {
    let now = clock::now();
    match ledger::news_of_session(row, row.stripe_account(), session) {
        Ok(news) => {
            let row = Row { checkout_session: Some(session.id.clone()), ..row.clone() };
            Ok(Settled::Row(Box::new(apply(edge, row, &news, by, now).await?)))
        }
        Err(mismatch) => {
            stray(edge, "session", &session.id, &row.id, row.stripe_account(), session.livemode, mismatch, now).await?;
            Ok(Settled::Stray)
        }
    }
}

/// Moves the row if the news leads forward; answers the row as it is then.
async fn apply(edge: &Edge, row: Row, news: &News, by: &str, now: i64) -> Result<Row> {
    let Some(to) = news.to.filter(|to| to.follows().contains(&row.status)) else { return Ok(row) };
    let check_at = ledger::next_check(to, 0, now, row.expires_at);
    let moved = edge.db.one(edge.db.advance(&row, news, by, now, check_at)).await?.changes()? == 1;
    if moved {
        return Ok(after(row, news, to, now));
    }
    // Somebody else was faster; what counts is what the row says now.
    Ok(edge.db.transaction(&row.id).await?.unwrap_or(row))
}

fn after(mut row: Row, news: &News, to: Status, now: i64) -> Row {
    row.status = to;
    row.amount = news.amount.unwrap_or(row.amount);
    row.amount_tax = news.amount_tax.unwrap_or(row.amount_tax);
    row.amount_shipping = news.amount_shipping.unwrap_or(row.amount_shipping);
    row.amount_capturable = news.amount_capturable.unwrap_or(row.amount_capturable);
    row.amount_captured = news.amount_captured.unwrap_or(row.amount_captured);
    row.payment_intent = news.payment_intent.clone().or(row.payment_intent);
    if to == Status::Paid {
        row.paid_at = row.paid_at.or(Some(now));
    }
    row
}

/// Keeps for the operator what named one of our transactions and is not what was created.
#[allow(clippy::too_many_arguments)]
pub async fn stray(
    edge: &Edge, kind: &str, object: &str, transaction: &str, account: Option<&str>, live: bool, mismatch: Mismatch, now: i64,
) -> Result<()> {
    log::line(object! { "level": "warn", "event": "stray", "request_id": &*edge.request_id, "kind": kind, "object": object,
    "transaction": transaction, "account": account, "reason": mismatch.name() });
    edge.db.one(edge.db.remember_stray(kind, object, transaction, account, live, mismatch.name(), now)).await.map(|_| ())
}
