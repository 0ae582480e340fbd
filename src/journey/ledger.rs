//! What was sold, by whom, for how much (contract, *Ledger*).

use super::lists::Page;
use super::{access, download};
use crate::edge::http::{Incoming, Reply};
use crate::edge::{Edge, clock};
use crate::error::{Problem, Result};
use crate::id::{self, Mode};
use crate::ledger::{Row, Status};
use crate::record::Json;
use crate::store::shops::Whose;
use crate::store::transactions::Filter;
use crate::text::csv_cell;
use serde_json::Value;

/// A query parameter that is one of a few words.
pub fn one_of(incoming: &Incoming, name: &str, words: &[&str]) -> Result<Option<String>> {
    match incoming.param(name) {
        None => Ok(None),
        Some(word) if words.contains(&word.as_str()) => Ok(Some(word)),
        Some(_) => Err(Problem::value("parameter_invalid", name, format!("{name} must be one of {}.", words.join(", ")))),
    }
}

/// `created[gte]`, `created[gt]`, `created[lt]`, `created[lte]`: the first second, and the one that does not count any more.
fn created_seconds(incoming: &Incoming) -> Result<(Option<i64>, Option<i64>)> {
    let time = |name: &str| -> Result<Option<i64>> {
        match incoming.param(name) {
            None => Ok(None),
            Some(text) => match text.parse::<i64>() {
                Ok(seconds) if (0..=9_999_999_999).contains(&seconds) => Ok(Some(seconds)),
                Ok(_) => {
                    Err(Problem::value("parameter_invalid_integer", name, format!("{name} must be Unix seconds, from 0 to 9999999999.")))
                }
                Err(_) => Err(Problem::shape("parameter_invalid_integer", name, format!("{name} must be Unix seconds."))),
            },
        }
    };
    let from = bound(time("created[gte]")?, time("created[gt]")?, i64::max);
    Ok((from, bound(time("created[lt]")?, time("created[lte]")?, i64::min)))
}

/// The same as ids: the first one, and the one that is not there any more.
pub fn created(incoming: &Incoming, prefix: &str) -> Result<(Option<String>, Option<String>)> {
    let (from, below) = created_seconds(incoming)?;
    Ok((from.map(|at| id::lowest_at(prefix, at)), below.map(|at| id::lowest_at(prefix, at))))
}

fn filter(incoming: &Incoming) -> Result<Filter> {
    let (from_id, below_id) = created(incoming, "cct_")?;
    let (from, below) = created_seconds(incoming)?;
    let statuses: Vec<&str> = Status::ALL.iter().map(|status| status.name()).collect();
    let mut source = incoming.param("source");
    let mut agent = incoming.param("agent");
    // `agent:Claude` is stored as source and agent, and may be asked for as it was sent.
    if let Some(name) = source.as_deref().and_then(|s| s.strip_prefix("agent:")).map(str::to_owned) {
        (source, agent) = (Some("agent".to_owned()), agent.or(Some(name)));
    }
    if source.as_deref().is_some_and(|s| !["chat", "agent", "site"].contains(&s)) {
        return Err(Problem::value("parameter_invalid", "source", "source must be chat, agent, site or agent:<name>."));
    }
    Ok(Filter {
        source,
        agent,
        status: one_of(incoming, "status", &statuses)?,
        live: access::mode_param(incoming)?.map(Mode::live),
        order_id: incoming.param("order_id"),
        from_id,
        below_id,
        from,
        below,
    })
}

/// Where a range of times begins or ends: at `at`, or behind the whole of the second `after`; the narrower of both.
fn bound(at: Option<i64>, after: Option<i64>, narrower: fn(i64, i64) -> i64) -> Option<i64> {
    let after = after.map(|seconds| seconds.saturating_add(1));
    match (at, after) {
        (Some(at), Some(after)) => Some(narrower(at, after)),
        (one, other) => one.or(other),
    }
}

/// `GET /v1/transactions`
pub fn list(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let key_hash = access::key_hash(incoming)?;
    let (filter, page) = match filter(incoming).and_then(|filter| Ok((filter, Page::read(incoming)?))) {
        Ok(asked) => asked,
        Err(problem) => return Err(access::before(edge, incoming, problem)),
    };
    let (shop, rows) = edge.db.transactions(&Whose::Key(&key_hash, clock::now()), &filter, &page.cursor(), page.limit)?;
    access::verified_known(edge, incoming, shop)?;
    page.reply("/v1/transactions", "transaction", rows.map(|rows| rows.iter().map(Row::transaction).collect()))
}

/// `GET /v1/transactions/{cct_…}`
pub fn get(edge: &Edge, incoming: &Incoming, transaction: &str) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    super::shops::plausible("transaction", transaction, "cct_")?;
    match edge.db.transaction(transaction)?.filter(|row| row.shop_id == shop.id) {
        Some(row) => Ok(Reply::json(200, &row.transaction())),
        None => Err(Problem::missing("transaction", transaction)),
    }
}

/// `GET /v1/transactions/summary`
pub fn summary(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let key_hash = access::key_hash(incoming)?;
    let group_by = incoming.param("group_by").unwrap_or_else(|| "source".to_owned());
    const GROUPS: [&str; 5] = ["source", "agent", "day", "currency", "status"];
    let asked = filter(incoming).and_then(|filter| {
        if GROUPS.contains(&group_by.as_str()) {
            return Ok(filter);
        }
        Err(Problem::value("parameter_invalid", "group_by", format!("group_by must be one of {}.", GROUPS.join(", "))))
    });
    let filter = match asked {
        Ok(filter) => filter,
        Err(problem) => return Err(access::before(edge, incoming, problem)),
    };
    let (shop, rows) = edge.db.summary(&Whose::Key(&key_hash, clock::now()), &filter, &group_by)?;
    access::verified_known(edge, incoming, shop)?;
    let data: Vec<Value> = rows
        .iter()
        .map(|row| {
            object! { "group": row.group, "currency": row.currency, "livemode": row.livemode != 0, "count": row.count, "gross": row.gross,
            "refunded": row.refunded, "fees": row.fees, "net": row.gross.saturating_sub(row.refunded).saturating_sub(row.fees) }
        })
        .collect();
    Ok(Reply::json(200, &object! { "object": "transactions.summary", "group_by": group_by, "data": data }))
}

const COLUMNS: [&str; 20] = [
    "id",
    "created",
    "paid_at",
    "status",
    "source",
    "agent",
    "order_id",
    "currency",
    "amount",
    "amount_subtotal",
    "amount_tax",
    "amount_shipping",
    "amount_captured",
    "amount_refunded",
    "application_fee_amount",
    "livemode",
    "account",
    "checkout_session",
    "payment_intent",
    "customer_email",
];

fn csv_row(row: &Row) -> String {
    let object = row.transaction();
    let mut line = String::new();
    for column in COLUMNS {
        let value = if column == "customer_email" { object.get("customer").and_then(|c| c.get("email")) } else { object.get(column) };
        if !line.is_empty() {
            line.push(',');
        }
        match value {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => line.push_str(&csv_cell(text)),
            Some(other) => line.push_str(&other.text()),
        }
    }
    line.push_str("\r\n");
    line
}

/// `GET /v1/transactions.csv`: all rows.
pub fn export(edge: &Edge, incoming: &Incoming) -> Result<Reply> {
    let shop = access::verified_shop(edge, incoming)?;
    let filter = filter(incoming)?;
    let id = shop.id.clone();
    download::serve(edge, "text/csv; charset=utf-8", "transactions.csv", &id, move |edge, download| {
        let mut lines = format!("{}\r\n", COLUMNS.join(","));
        let mut one = |lines: &mut String, row: &Row| lines.push_str(&csv_row(row));
        download::transactions(edge, &shop.id, &filter, download, &mut lines, &mut one)
    })
}
