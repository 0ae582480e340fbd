//! What only the operator sees: all shops, the strays, the figures.

use super::lists::Cursor;
use super::{Bind, Db, Rows, Statement};
use crate::error::Result;
use crate::store::shops::ShopRow;
use crate::{id, seal, sql};
use serde_json::Value;

/// A family of figures. `{now}`, `{day}` (the first id of the last 24 hours) and `{from}`, `{below}` (the range of what the first
/// seal key sealed) are filled in.
pub struct Metric {
    pub name: &'static str,
    /// What Prometheus is told about it first.
    pub head: &'static str,
    /// Gives one row for each figure, whose `id` is what stands behind the name: labels and the figure.
    sql: &'static str,
}

macro_rules! metric {
    ($name:literal, $help:literal, $sql:expr) => {
        Metric { name: $name, head: concat!("# HELP ", $name, " ", $help, "\n# TYPE ", $name, " gauge\n"), sql: $sql }
    };
}

/// None of them looks through the ledger: each counts over an index that holds only what it counts, or over the ids of one day.
pub const METRICS: [Metric; 16] = [
    metric!(
        "cognitivecart_shops",
        "Shops by status.",
        "SELECT '{status=\"' || status || '\"} ' || count(*) AS id FROM shops GROUP BY status"
    ),
    metric!(
        "cognitivecart_connections",
        "Stripe accounts connected, and connections that have ended.",
        "SELECT '{mode=\"' || iif(livemode, 'live', 'test') || '\",status=\"' || status || '\"} ' || count(*) AS id
              FROM connections GROUP BY status, livemode"
    ),
    metric!(
        "cognitivecart_transactions_unsettled",
        "Transactions that may still change by themselves.",
        "SELECT '{mode=\"' || iif(livemode, 'live', 'test') || '\",status=\"' || status || '\"} ' || count(*) AS id
              FROM transactions WHERE status IN ('open', 'processing', 'authorized') GROUP BY status, livemode"
    ),
    metric!(
        "cognitivecart_transactions_last_day",
        "Transactions begun in the last 24 hours, by what became of them.",
        "SELECT '{mode=\"' || iif(livemode, 'live', 'test') || '\",status=\"' || status || '\"} ' || count(*) AS id
              FROM transactions WHERE id >= '{day}' GROUP BY status, livemode"
    ),
    metric!(
        "cognitivecart_transactions_overdue",
        "Open transactions whose session ended an hour ago or more: Stripe should have been asked.",
        "SELECT ' ' || count(*) AS id FROM transactions WHERE status IN ('open', 'processing', 'authorized') AND status = 'open'
              AND expires_at < {now} - 3600"
    ),
    metric!(
        "cognitivecart_checks_due",
        "Transactions about which Stripe is to be asked now.",
        "SELECT ' ' || count(*) AS id FROM transactions WHERE check_at <= {now}"
    ),
    metric!(
        "cognitivecart_notices_due",
        "Notices that are to be sent now.",
        "SELECT ' ' || count(*) AS id FROM notices WHERE due_at <= {now}"
    ),
    metric!(
        "cognitivecart_notices_waiting",
        "Notices that were not delivered yet and are tried again.",
        "SELECT ' ' || count(*) AS id FROM notices WHERE due_at IS NOT NULL"
    ),
    metric!(
        "cognitivecart_notices_late_seconds",
        "How long the first notice in the queue has been due.",
        "SELECT ' ' || max(0, {now} - coalesce((SELECT min(due_at) FROM notices WHERE due_at IS NOT NULL), {now})) AS id"
    ),
    metric!(
        "cognitivecart_notices_dead",
        "Notices of the last 7 days that were given up.",
        "SELECT ' ' || count(*) AS id FROM notices WHERE status = 'dead' AND created > {now} - 604800"
    ),
    // Strays are never deleted, so the last one's number is their count.
    metric!(
        "cognitivecart_strays",
        "Events and Sessions that named a transaction and were not what was created, ever.",
        "SELECT ' ' || coalesce(max(rowid), 0) AS id FROM strays"
    ),
    metric!(
        "cognitivecart_deauthorizations_owed",
        "Accounts that are to be given back at Stripe.",
        "SELECT ' ' || count(*) AS id FROM deauthorizations"
    ),
    metric!(
        "cognitivecart_erasures_unfinished",
        "Deleted shops of which something may be left.",
        "SELECT ' ' || count(*) AS id FROM erasures"
    ),
    metric!(
        "cognitivecart_sealed_under_old_key",
        "Secrets that are not sealed under the first of SEAL_KEYS; at 0 the others may be removed.",
        "SELECT ' ' || ((SELECT count(*) FROM shops WHERE signing_secret > '' AND signing_secret < '{from}')
                + (SELECT count(*) FROM shops WHERE signing_secret >= '{below}')
                + (SELECT count(*) FROM shops WHERE previous_signing_secret < '{from}')
                + (SELECT count(*) FROM shops WHERE previous_signing_secret >= '{below}')
                + (SELECT count(*) FROM agents WHERE signing_secret > '' AND signing_secret < '{from}')
                + (SELECT count(*) FROM agents WHERE signing_secret >= '{below}')
                + (SELECT count(*) FROM agents WHERE previous_signing_secret < '{from}')
                + (SELECT count(*) FROM agents WHERE previous_signing_secret >= '{below}')
                + (SELECT count(*) FROM agents WHERE feed_key < '{from}')
                + (SELECT count(*) FROM agents WHERE feed_key >= '{below}')
                + (SELECT count(*) FROM connect_claims WHERE sealed_token < '{from}')
                + (SELECT count(*) FROM connect_claims WHERE sealed_token >= '{below}')
                + (SELECT count(*) FROM connections WHERE token_seal < '{key}')
                + (SELECT count(*) FROM connections WHERE token_seal > '{key}')) AS id"
    ),
    metric!(
        "cognitivecart_sweep_last_run_timestamp_seconds",
        "When the sweep last came to its end.",
        "SELECT ' ' || coalesce((SELECT at FROM runs WHERE name = 'sweep'), 0) AS id"
    ),
    metric!("cognitivecart_time_seconds", "The Worker's clock.", "SELECT ' ' || {now} AS id"),
];

/// What is to be set of a shop's fees: of what is not named nothing, `None` inside takes a part back.
#[derive(Default)]
pub struct Fees {
    pub bps: Option<Option<i64>>,
    pub fixed: Option<Option<String>>,
    pub categories: Option<Option<String>>,
}

impl Db {
    /// A page of a table, newest first; one row more than asked for. `order` is a column that grows with time. `None`: there is no
    /// such row to begin at.
    fn page(&self, table: &str, order: &str, status: Option<&str>, cursor: &Cursor<'_>, limit: i64) -> Result<Option<Rows>> {
        let (id, compare, direction) = match cursor {
            Cursor::Start => (None, "", "DESC"),
            Cursor::End => (None, "", "ASC"),
            Cursor::After(id) => (Some(*id), "<", "DESC"),
            Cursor::Before(id) => (Some(*id), ">", "ASC"),
        };
        let mut text = format!("SELECT * FROM {table} WHERE 1");
        let mut binds: Vec<Bind<'_>> = Vec::new();
        let mut batch: Vec<Statement> = Vec::new();
        if let Some(id) = id {
            binds.push(Bind::Text(id));
            text.push_str(&format!(" AND {order} {compare} (SELECT {order} FROM {table} WHERE id = ?1)"));
            batch.push(sql!(&format!("SELECT id FROM {table} WHERE id = ?1"), id));
        }
        if let Some(status) = status {
            binds.push(Bind::Text(status));
            text.push_str(&format!(" AND status = ?{}", binds.len()));
        }
        text.push_str(&format!(" ORDER BY {order} {direction} LIMIT {}", limit.saturating_add(1)));
        batch.push(Statement::with(&text, &binds));
        let answers = self.batch(batch)?;
        if id.is_some() && !answers.at(0)?.any() {
            return Ok(None);
        }
        Ok(answers.into_last())
    }

    pub fn all_shops(&self, status: Option<&str>, cursor: &Cursor<'_>, limit: i64) -> Result<Option<Vec<ShopRow>>> {
        self.page("shops", "id", status, cursor, limit)?.map(|rows| rows.all()).transpose()
    }

    /// By the order in which they were written down: several may be of one second.
    pub fn strays(&self, cursor: &Cursor<'_>, limit: i64) -> Result<Option<Vec<Value>>> {
        Ok(self.page("strays", "rowid", None, cursor, limit)?.map(|rows| rows.objects()))
    }

    /// Suspends a shop or lets it go on; answers the shop as it is then. One that is neither active nor suspended stays as it is.
    pub fn switch_shop(&self, id: &str, status: &str) -> Result<Option<Box<ShopRow>>> {
        self.batch(vec![
            sql!("UPDATE shops SET status = ?2 WHERE id = ?1 AND status IN ('active', 'suspended')", id, status),
            sql!("SELECT * FROM shops WHERE id = ?1", id),
        ])?
        .at(1)?
        .first()
    }

    /// Sets the platform's fee of a shop, each part only where it is named.
    pub fn set_fees(&self, id: &str, fees: &Fees) -> Result<Option<Box<ShopRow>>> {
        let mut batch = Vec::new();
        if let Some(bps) = fees.bps {
            batch.push(sql!("UPDATE shops SET fee_bps = ?2 WHERE id = ?1", id, bps));
        }
        if let Some(fixed) = &fees.fixed {
            batch.push(sql!("UPDATE shops SET fee_fixed = ?2 WHERE id = ?1", id, fixed));
        }
        if let Some(categories) = &fees.categories {
            batch.push(sql!("UPDATE shops SET category_fees = ?2 WHERE id = ?1", id, categories));
        }
        let last = batch.len();
        batch.push(sql!("SELECT * FROM shops WHERE id = ?1", id));
        self.batch(batch)?.at(last)?.first()
    }

    /// The figures of [`METRICS`], in their order, at one moment.
    pub fn figures(&self, seal_key: &str, now: i64) -> Result<Vec<Vec<String>>> {
        let (from, below) = seal::range(seal_key);
        let day = id::lowest_at("cct_", now.saturating_sub(24 * 3600));
        let filled = [("{now}", now.to_string()), ("{day}", day), ("{from}", from), ("{below}", below), ("{key}", seal_key.to_owned())];
        let batch = METRICS
            .iter()
            .map(|metric| {
                let mut text = metric.sql.to_owned();
                for (name, value) in &filled {
                    text = text.replace(name, value);
                }
                sql!(&text)
            })
            .collect();
        let answers = self.batch(batch)?;
        (0..METRICS.len()).map(|at| Ok(answers.at(at)?.ids())).collect()
    }

    /// Notes that a job came to its end.
    pub fn ran(&self, job: &str, now: i64) -> Statement {
        sql!("INSERT INTO runs (name, at) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET at = excluded.at", job, now)
    }
}
