//! Shops' catalogues on their way to Stripe, and what Stripe knows of their stock.

use super::agentic::AGENTIC_OF_ACCOUNT;
use super::catalogue::{ProductRow, generation_of};
use super::connect::{CONNECTIONS_ORDER, ConnectionRow};
use super::feeds::Catalogue;
use super::idempotency::{Attempt, AttemptRow, HOLDS, KEPT};
use super::lists::{Cursor, List};
use super::shops::{SHOP_OF_KEY, ShopRow};
use super::{Bind, Db, Found, Statement, in_turn};
use crate::error::{Problem, Result};
use crate::record::Record;
use crate::sql;
use serde_json::Value;

/// How long imports and the rows that were not taken are kept, seconds.
pub const IMPORTS_KEPT: i64 = 30 * 24 * 3600;
/// At most one product feed of a shop and mode in this time, counted from the end of the upload (contract), seconds.
pub const PRODUCT_PAUSE: i64 = 900;
/// Pieces of refused rows from here on are Stripe's, those before our own.
pub const STRIPES: i64 = 1_000_000;

record! {
    /// An import as D1 has it.
    #[derive(Debug)]
    pub struct ImportRow {
        pub id: String,
        pub shop_id: String,
        pub livemode: i64,
        pub account: String,
        pub api: String,
        pub feed_type: String,
        pub mode: String,
        pub origin: String,
        pub on_error: String,
        pub status: String,
        pub stripe_id: Option<String>,
        pub stripe_file: Option<String>,
        pub attempt: i64,
        pub rows: Option<i64>,
        pub rejected: i64,
        pub bytes: Option<i64>,
        pub success_count: Option<i64>,
        pub error_count: Option<i64>,
        /// JSON, as the next two.
        pub columns: String,
        pub samples: String,
        pub problem: Option<String>,
        pub generation: Option<i64>,
        pub seen: i64,
        pub errors_kept: i64,
        pub locked_until: i64,
        pub expires_at: Option<i64>,
        pub check_at: Option<i64>,
        pub checks: i64,
        pub created: i64,
        pub uploaded_at: Option<i64>,
        pub finished: Option<i64>,
    }
}

impl ImportRow {
    pub fn running(&self) -> bool {
        matches!(self.status.as_str(), "awaiting_upload" | "processing")
    }
}

record! {
    /// Whether a shop has the agentic side of its account in a mode.
    #[derive(Debug)]
    pub struct SideRow {
        pub livemode: i64,
        pub account: String,
        pub enabled: i64,
        /// Which shop has it: of two on one account, one.
        pub owner: Option<String>,
    }
}

record! {
    /// When a mode's last product feed was uploaded.
    #[derive(Debug)]
    pub struct LastRow {
        pub livemode: i64,
        pub at: Option<i64>,
    }
}

/// All that a decision about a new import needs.
pub struct ForImport {
    pub shop: Option<Box<ShopRow>>,
    pub connections: Vec<ConnectionRow>,
    pub attempt: Option<Box<AttemptRow>>,
    /// The import of that attempt.
    pub attempted: Option<Box<ImportRow>>,
    pub sides: Vec<SideRow>,
    pub running: Vec<ImportRow>,
    pub last: Vec<LastRow>,
    pub catalogue: Catalogue,
}

/// What came of a beginning.
#[derive(Debug, PartialEq, Eq)]
pub enum Begun {
    Yes,
    /// Another request holds the key.
    KeyTaken,
    /// Another import of this kind runs, or has just run.
    Busy,
}

record! {
    /// What Stripe knows of a shop's stock.
    #[derive(Debug)]
    pub struct StockRow {
        pub shop_id: String,
        pub livemode: i64,
        pub generation: Option<i64>,
        pub seen: i64,
        pub due_at: Option<i64>,
    }
}

/// A shop's stock in hand.
pub struct StockLeased {
    pub shop: Option<Box<ShopRow>>,
    pub side: Option<SideRow>,
    pub connection: Option<Box<ConnectionRow>>,
    pub catalogue: Catalogue,
    /// Whether products or stock are on their way already.
    pub busy: bool,
}

/// The key of an import that fails.
pub struct KeyOf<'a> {
    pub attempt: &'a Attempt<'a>,
    /// What it gets from now on; without an answer it is as if it had never been sent.
    pub answer: Option<(u16, &'a str)>,
    /// What its file is recognised by from now on.
    pub whole: Option<&'a str>,
}

/// A page of what is sent.
pub struct SourcePage {
    /// Of the live catalogue; nobody knows it of a page without rows.
    pub generation: Option<i64>,
    /// The row, or the id of one that is gone.
    pub rows: Vec<std::result::Result<ProductRow, String>>,
    /// Where to go on.
    pub next: String,
    pub more: bool,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Catalogue,
    /// What changed behind a change's number, up to another.
    Changes(i64, i64),
    /// What of that is not there any more.
    Gone(i64, i64),
}

const RUNNING: &str = "status IN ('awaiting_upload', 'processing')";

/// The agentic sides of a shop, each with whose it is.
fn sides(shop: &str) -> String {
    let of = AGENTIC_OF_ACCOUNT.replace("?1", "x.account").replace("?2", "x.livemode");
    format!("SELECT x.livemode, x.account, x.enabled, (SELECT a.shop_id {of}) AS owner FROM agentic x WHERE x.shop_id = {shop}")
}

fn catalogue(rows: Vec<Value>) -> Catalogue {
    let row = rows.into_iter().next().unwrap_or_default();
    let number = |name: &str| row.get(name).and_then(Value::as_i64);
    Catalogue { generation: number("generation"), latest: number("latest").unwrap_or_default() }
}

impl Db {
    /// Round trip 1 of an import.
    pub fn load_for_import(&self, key_hash: &str, now: i64, path: &str, key: &str) -> Result<ForImport> {
        let shop = format!("SELECT * FROM shops WHERE id = {SHOP_OF_KEY}");
        let connections = format!("SELECT * FROM connections WHERE shop_id = {SHOP_OF_KEY} {CONNECTIONS_ORDER}");
        // As long as somebody works on the import he holds the key too.
        let attempt = format!(
            "SELECT fingerprint, subject, form, status, body, max(locked_until, coalesce((SELECT m.locked_until FROM agentic_imports m
               WHERE m.id = i.subject AND m.status = 'awaiting_upload'), 0)) AS locked_until
             FROM idempotency i WHERE shop_id = {SHOP_OF_KEY} AND path = ?3 AND key = ?4 AND created > ?5"
        );
        let attempted = format!(
            "SELECT * FROM agentic_imports WHERE id = (SELECT subject FROM idempotency WHERE shop_id = {SHOP_OF_KEY} AND path = ?3 AND key = ?4
               AND created > ?5) AND shop_id = {SHOP_OF_KEY}"
        );
        let running = format!("SELECT * FROM agentic_imports WHERE shop_id = {SHOP_OF_KEY} AND {RUNNING}");
        let last = format!(
            "SELECT livemode, max(uploaded_at) AS at FROM agentic_imports WHERE shop_id = {SHOP_OF_KEY} AND feed_type = 'product'
               AND status <> 'failed' GROUP BY livemode"
        );
        let latest = format!(
            "SELECT {} AS generation, coalesce((SELECT max(seq) FROM feed_changes WHERE shop_id = {SHOP_OF_KEY}), 0) AS latest",
            generation_of(SHOP_OF_KEY)
        );
        let answers = self.batch(vec![
            sql!(&shop, key_hash, now),
            sql!(&connections, key_hash, now),
            sql!(&attempt, key_hash, now, path, key, now.saturating_sub(KEPT)),
            sql!(&attempted, key_hash, now, path, key, now.saturating_sub(KEPT)),
            sql!(&sides(SHOP_OF_KEY), key_hash, now),
            sql!(&running, key_hash, now),
            sql!(&last, key_hash, now),
            sql!(&latest, key_hash, now),
        ])?;
        Ok(ForImport {
            shop: answers.at(0)?.first()?,
            connections: answers.at(1)?.all()?,
            attempt: answers.at(2)?.first()?,
            attempted: answers.at(3)?.first()?,
            sides: answers.at(4)?.all()?,
            running: answers.at(5)?.all()?,
            last: answers.at(6)?.all()?,
            catalogue: catalogue(answers.at(7)?.objects()),
        })
    }

    /// Writes an import down; `condition` is SQL over its parameters, of which `?1` is the shop, and may have more from `?15` on.
    fn insert_import(&self, row: &ImportRow, condition: &str, more: &[Bind<'_>]) -> Statement {
        let text = format!(
            "INSERT INTO agentic_imports (id, shop_id, livemode, account, api, feed_type, mode, origin, on_error, status, generation, seen,
               locked_until, check_at, created)
             SELECT ?2, ?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'awaiting_upload', ?10, ?11, ?12, ?13, ?14
             WHERE EXISTS (SELECT 1 FROM shops WHERE id = ?1 AND status = 'active') AND {condition}
             ON CONFLICT (shop_id, livemode, feed_type) WHERE {RUNNING} DO NOTHING"
        );
        let mut binds = vec![
            Bind::from(&row.shop_id),
            Bind::from(&row.id),
            Bind::Int(row.livemode),
            Bind::from(&row.account),
            Bind::from(&row.api),
            Bind::from(&row.feed_type),
            Bind::from(&row.mode),
            Bind::from(&row.origin),
            Bind::from(&row.on_error),
            row.generation.into(),
            Bind::Int(row.seen),
            Bind::Int(row.locked_until),
            row.check_at.into(),
            Bind::Int(row.created),
        ];
        binds.extend_from_slice(more);
        Statement::with(&text, &binds)
    }

    /// From here on changes of the stock are noted, for what comes after the products.
    fn watch_stock(&self, row: &ImportRow) -> Statement {
        sql!(
            "INSERT INTO agentic_stock (shop_id, livemode, generation, seen) SELECT shop_id, livemode, ?2, ?3 FROM agentic_imports
             WHERE id = ?1 AND feed_type = 'product' ON CONFLICT DO NOTHING",
            &row.id,
            row.generation,
            row.seen
        )
    }

    /// Round trip 2: takes the key and writes the import down, before Stripe is called; or takes up one that was left.
    pub fn begin_import(&self, attempt: &Attempt<'_>, fingerprint: &str, row: &ImportRow, fresh: bool, now: i64) -> Result<Begun> {
        let holds = HOLDS.replace("?2", "?15").replace("?3", "?16").replace("?4", "?17");
        let condition = format!(
            "{holds} AND (?6 <> 'product' OR NOT EXISTS (SELECT 1 FROM agentic_imports o WHERE o.shop_id = ?1 AND o.livemode = ?3
               AND o.feed_type = 'product' AND o.status <> 'failed' AND o.uploaded_at > ?14 - {PRODUCT_PAUSE}))"
        );
        let [_, path, key, lock] = [attempt.shop_id, attempt.path, attempt.key, attempt.lock];
        let write = if fresh {
            self.insert_import(row, &condition, &[Bind::Text(path), Bind::Text(key), Bind::Text(lock)])
        } else {
            let mut binds = attempt.binds();
            binds.extend([Bind::from(&row.id), Bind::Int(row.locked_until), Bind::Int(now)]);
            let text = format!(
                "UPDATE agentic_imports SET locked_until = ?6 WHERE id = ?5 AND status = 'awaiting_upload' AND locked_until <= ?7 AND {HOLDS}"
            );
            Statement::with(&text, &binds)
        };
        let mut forget = attempt.binds();
        forget.extend([Bind::from(&row.id), Bind::Int(row.locked_until)]);
        // An import that was not begun leaves no key; one that somebody else goes on with keeps it.
        let unwritten = if fresh {
            "DELETE FROM idempotency WHERE shop_id = ?1 AND path = ?2 AND key = ?3 AND lock = ?4 AND status IS NULL"
        } else {
            "UPDATE idempotency SET locked_until = 0 WHERE shop_id = ?1 AND path = ?2 AND key = ?3 AND lock = ?4 AND status IS NULL"
        };
        let answers = self.batch(vec![
            self.take_key(attempt, fingerprint, &row.id, None, row.locked_until, now),
            write,
            self.watch_stock(row),
            Statement::with(
                &format!("{unwritten} AND NOT EXISTS (SELECT 1 FROM agentic_imports WHERE id = ?5 AND locked_until = ?6)"),
                &forget,
            ),
        ])?;
        Ok(match (answers.at(0)?.changes()?, answers.at(1)?.changes()?) {
            (0, _) => Begun::KeyTaken,
            (_, 0) if !fresh => Begun::KeyTaken,
            (_, 0) => Begun::Busy,
            _ => Begun::Yes,
        })
    }

    /// Says that somebody still works on an import. `false`: somebody else does.
    pub fn hold_import(&self, row: &ImportRow, until: i64) -> Result<bool> {
        let text = "UPDATE agentic_imports SET locked_until = ?3 WHERE id = ?1 AND status = 'awaiting_upload' AND locked_until = ?2";
        self.moved(sql!(text, &row.id, row.locked_until, until))
    }

    /// What Stripe has made of an import so far, and by which key it is asked next. `false`: somebody else works on it.
    pub fn import_made(&self, row: &ImportRow) -> Result<bool> {
        let answers = self
            .repeatable(vec![sql!(
                "UPDATE agentic_imports SET stripe_id = ?3, stripe_file = ?4, attempt = ?5, expires_at = ?6, rows = ?7, rejected = ?8, bytes = ?9,
                   columns = ?10, samples = ?11, generation = ?12 WHERE id = ?1 AND locked_until = ?2 AND status = 'awaiting_upload'",
                &row.id,
                row.locked_until,
                &row.stripe_id,
                &row.stripe_file,
                row.attempt,
                row.expires_at,
                row.rows,
                row.rejected,
                row.bytes,
                &row.columns,
                &row.samples,
                row.generation
            )])?;
        Ok(answers.at(0)?.changes()? == 1)
    }

    /// Stripe has the file. Its own news of it may have been faster. With the answer for a key, where there is one.
    pub fn import_sent(&self, row: &ImportRow, answer: Option<(&Attempt<'_>, &str, Option<&str>)>, now: i64) -> Result<()> {
        let mut batch = vec![sql!(
            "UPDATE agentic_imports SET status = iif(status = 'awaiting_upload', 'processing', status), uploaded_at = coalesce(uploaded_at, ?2),
               check_at = iif(finished IS NULL, ?2, check_at), stripe_id = ?3, rows = ?4, rejected = ?5, bytes = ?6, columns = ?7,
               samples = iif(samples = '[]', ?8, samples), locked_until = 0, expires_at = NULL WHERE id = ?1",
            &row.id,
            now,
            &row.stripe_id,
            row.rows,
            row.rejected,
            row.bytes,
            &row.columns,
            &row.samples
        )];
        if let Some((attempt, body, whole)) = answer {
            batch.push(self.keep_answer(attempt, 202, body));
            batch.extend(whole.map(|whole| self.recognise(attempt, whole)));
        }
        self.run_repeatable(batch)
    }

    /// The answer for a key whose import went on without it; `whole`: what it is recognised by from now on. `false`: somebody else holds
    /// the key.
    #[allow(clippy::too_many_arguments)]
    pub fn answer_import(
        &self, attempt: &Attempt<'_>, fingerprint: &str, whole: Option<&str>, id: &str, body: &str, until: i64, now: i64,
    ) -> Result<bool> {
        let mut batch = vec![self.take_key(attempt, fingerprint, id, None, until, now), self.keep_answer(attempt, 202, body)];
        batch.extend(whole.map(|whole| self.recognise(attempt, whole)));
        Ok(self.batch(batch)?.at(1)?.changes()? == 1)
    }

    /// What a key's file is recognised by, once all of it was read: in one batch with the answer that it gets from then on.
    fn recognise(&self, attempt: &Attempt<'_>, fingerprint: &str) -> Statement {
        let mut binds = attempt.binds();
        binds.push(Bind::Text(fingerprint));
        let text = "UPDATE idempotency SET fingerprint = ?5 WHERE shop_id = ?1 AND path = ?2 AND key = ?3 AND lock = ?4";
        Statement::with(text, &binds)
    }

    /// An upload waits for the shop: the answer, and when it is looked at.
    pub fn import_waits(&self, row: &ImportRow, attempt: &Attempt<'_>, body: &str, check_at: i64) -> Result<()> {
        let text = "UPDATE agentic_imports SET locked_until = 0, check_at = ?3 WHERE id = ?1 AND locked_until = ?2";
        self.run_repeatable(vec![sql!(text, &row.id, row.locked_until, check_at), self.keep_answer(attempt, 202, body)])
    }

    /// Stock of another catalogue than the one it was begun of: the next run tells all of that one's.
    pub fn drop_import(&self, row: &ImportRow, now: i64) -> Result<()> {
        self.run(vec![self.unsent(row), self.wake_stock(&row.shop_id, now)])
    }

    /// None of the stock that changed is anything that Stripe could be told: it counts as told.
    pub fn stock_told(&self, row: &ImportRow, now: i64) -> Result<()> {
        let told = "UPDATE agentic_stock SET seen = max(seen, ?5), generation = ?6, tries = 0, wait_until = 0, due_at = ?7
          WHERE shop_id = ?1 AND livemode = ?2
            AND EXISTS (SELECT 1 FROM agentic_imports WHERE id = ?3 AND locked_until = ?4 AND stripe_id IS NULL)";
        self.run(vec![
            sql!(told, &row.shop_id, row.livemode, &row.id, row.locked_until, row.seen, row.generation, now),
            self.unsent(row),
            self.forget_told(&row.shop_id),
        ])
    }

    /// An import of which Stripe has heard nothing is none.
    fn unsent(&self, row: &ImportRow) -> Statement {
        let text = "DELETE FROM agentic_imports WHERE id = ?1 AND locked_until = ?2 AND stripe_id IS NULL";
        sql!(text, &row.id, row.locked_until)
    }

    /// What Stripe knows of a shop's stock.
    pub fn stock(&self, shop_id: &str, live: i64) -> Result<Option<Box<StockRow>>> {
        self.find(sql!("SELECT * FROM agentic_stock WHERE shop_id = ?1 AND livemode = ?2", shop_id, live))
    }

    /// Whoever worked on it stops: the sweep goes on at `check_at`, and the key may be sent again at once.
    pub fn leave_import(&self, row: &ImportRow, attempt: Option<&Attempt<'_>>, check_at: i64) -> Result<()> {
        let mut batch = vec![sql!(
            "UPDATE agentic_imports SET locked_until = 0, check_at = ?3 WHERE id = ?1 AND locked_until = ?2 AND status = 'awaiting_upload'",
            &row.id,
            row.locked_until,
            check_at
        )];
        batch.extend(attempt.map(|attempt| self.let_go(attempt)));
        self.run_repeatable(batch)
    }

    /// Nothing comes of it.
    pub fn fail_import(&self, row: &ImportRow, problem: &str, key: Option<&KeyOf<'_>>, now: i64) -> Result<()> {
        let mut batch = vec![sql!(
            "UPDATE agentic_imports SET status = 'failed', finished = ?2, problem = ?3, check_at = NULL, locked_until = 0, errors_kept = 1,
               rejected = ?4, columns = ?5, samples = ?6 WHERE id = ?1 AND status IN ('awaiting_upload', 'processing')",
            &row.id,
            now,
            problem,
            row.rejected,
            &row.columns,
            &row.samples
        )];
        if let Some(KeyOf { attempt, answer, whole }) = key {
            match answer {
                Some((status, body)) => batch.push(self.keep_answer(attempt, *status, body)),
                None => batch.push(self.forget(attempt)),
            }
            batch.extend(whole.map(|whole| self.recognise(attempt, whole)));
        }
        batch.extend(self.after_import(row, "failed", now));
        self.run_repeatable(batch)
    }

    /// What Stripe says of an import: forward only. `check_at`: when it is asked again. Answers whether anything moved.
    pub fn import_told(&self, row: &ImportRow, after: &ImportRow, now: i64) -> Result<bool> {
        let mut batch = vec![sql!(
            "UPDATE agentic_imports SET status = ?2, success_count = ?3, error_count = ?4, problem = ?5, samples = ?6, check_at = ?7,
               checks = ?8, uploaded_at = coalesce(uploaded_at, ?9), finished = ?10, errors_kept = ?11, locked_until = 0, expires_at = NULL
             WHERE id = ?1 AND (status = 'processing' OR (status = 'awaiting_upload' AND ?2 <> 'awaiting_upload'))",
            &row.id,
            &after.status,
            after.success_count,
            after.error_count,
            &after.problem,
            &after.samples,
            after.check_at,
            after.checks,
            after.uploaded_at,
            after.finished,
            after.errors_kept
        )];
        if after.finished.is_some() {
            batch.extend(self.after_import(row, &after.status, now));
        }
        Ok(self.repeatable(batch)?.at(0)?.changes()? == 1)
    }

    /// When an import is looked at next.
    pub fn check_import_later(&self, row: &ImportRow, check_at: Option<i64>, checks: i64) -> Result<()> {
        self.run(vec![sql!("UPDATE agentic_imports SET check_at = ?2, checks = ?3 WHERE id = ?1", &row.id, check_at, checks)])
    }

    /// What an import's end means for what Stripe knows of the stock; goes behind the statement that ends it at `now`. Only stock itself
    /// moves the change up to which all is told: products may have been read before what stock overwrites, and Stripe promises no order.
    fn after_import(&self, row: &ImportRow, status: &str, now: i64) -> Vec<Statement> {
        const ENDED: &str = "shop_id = ?1 AND livemode = ?2 AND EXISTS (SELECT 1 FROM agentic_imports m WHERE m.id = ?3 AND m.finished = ?4
          AND m.status = ?5 AND m.shop_id = agentic_stock.shop_id AND m.livemode = agentic_stock.livemode)";
        let good = status != "failed";
        let mut binds = vec![Bind::from(&row.shop_id), Bind::Int(row.livemode), Bind::from(&row.id), Bind::Int(now), Bind::Text(status)];
        let effect = match row.origin.as_str() {
            "stock" if good => {
                binds.extend([Bind::Int(row.seen), row.generation.into()]);
                "seen = max(seen, ?6), generation = coalesce(?7, generation), ready = 1, tries = 0, wait_until = 0, due_at = ?4"
            }
            // A minute, two, four … an hour.
            "stock" => "tries = tries + 1, wait_until = ?4 + min(3600, 60 << min(tries, 6)), due_at = ?4 + min(3600, 60 << min(tries, 6))",
            _ if good && row.feed_type == "product" => "ready = 1, tries = 0, wait_until = 0, due_at = ?4",
            _ => "due_at = max(?4, wait_until)",
        };
        vec![Statement::with(&format!("UPDATE agentic_stock SET {effect} WHERE {ENDED}"), &binds), self.forget_told(&row.shop_id)]
    }

    /// Makes what Stripe knows of a shop's stock due, in the batch that changed its catalogue.
    pub fn wake_stock(&self, shop_id: &str, now: i64) -> Statement {
        sql!(
            "UPDATE agentic_stock SET due_at = max(?2, wait_until) WHERE shop_id = ?1 AND (due_at IS NULL OR due_at > max(?2, wait_until))",
            shop_id,
            now
        )
    }

    /// One import of the shop's.
    pub fn import(&self, shop_id: &str, id: &str) -> Result<Option<Box<ImportRow>>> {
        self.find(sql!("SELECT * FROM agentic_imports WHERE id = ?2 AND shop_id = ?1", shop_id, id))
    }

    /// The import that Stripe has by an id, on an account in a mode.
    pub fn import_of_stripe(&self, stripe_id: &str, account: &str, live: bool) -> Result<Option<Box<ImportRow>>> {
        let text = "SELECT * FROM agentic_imports WHERE stripe_id = ?1 AND account = ?2 AND livemode = ?3";
        self.find(sql!(text, stripe_id, account, live))
    }

    /// A page of the shop's imports: see [`Db::page_of`].
    pub fn imports(&self, shop_id: &str, cursor: &Cursor<'_>, limit: i64) -> Result<Option<Vec<ImportRow>>> {
        self.page_of(&List { table: "agentic_imports", columns: "*", shop_id, there: "1", conditions: &[] }, cursor, limit)
    }

    // --- what is sent -------------------------------------------------------------------------------------------

    /// A page of what is sent, behind a place.
    pub fn source_page(&self, shop_id: &str, source: Source, after: &str, limit: i64) -> Result<SourcePage> {
        let live = generation_of("?1");
        let (text, binds) = match source {
            Source::Catalogue => (
                format!(
                    "SELECT p.*, 0 AS held, p.generation AS live FROM products p WHERE p.generation = {live} AND p.id > ?2 ORDER BY p.id LIMIT {limit}"
                ),
                vec![Bind::Text(shop_id), Bind::Text(after)],
            ),
            Source::Changes(from, to) | Source::Gone(from, to) => {
                let gone = if matches!(source, Source::Gone(..)) { "AND p.id IS NULL" } else { "" };
                (
                    format!(
                        "SELECT c.seq AS at, c.product_id AS changed, p.*, 0 AS held, {live} AS live FROM feed_changes c
                           LEFT JOIN products p ON p.generation = {live} AND p.id = c.product_id
                         WHERE c.shop_id = ?1 AND c.seq > ?2 AND c.seq <= ?3 {gone} ORDER BY c.seq LIMIT {limit}"
                    ),
                    vec![Bind::Text(shop_id), Bind::Int(after.parse().unwrap_or(from)), Bind::Int(to)],
                )
            }
        };
        let rows = self.one(Statement::with(&text, &binds))?.objects();
        let generation = rows.first().and_then(|row| row.get("live")?.as_i64());
        let mut page = SourcePage { generation, rows: Vec::new(), next: after.to_owned(), more: false };
        page.more = i64::try_from(rows.len()).is_ok_and(|count| count >= limit);
        for row in rows {
            let at = row.get("at").and_then(Value::as_i64).map(|at| at.to_string());
            let id = row.get("id").and_then(Value::as_str).map(str::to_owned);
            if let Some(next) = at.or_else(|| id.clone()) {
                page.next = next;
            }
            page.rows.push(match id {
                Some(_) => Ok(ProductRow::from_value(row).map_err(Problem::fault)?),
                None => Err(row.get("changed").and_then(Value::as_str).unwrap_or_default().to_owned()),
            });
        }
        Ok(page)
    }

    // --- rows that were not taken -------------------------------------------------------------------------------

    /// Keeps a piece of them: a JSON list. May be repeated.
    pub fn keep_errors(&self, import_id: &str, seq: i64, rows: &str) -> Result<()> {
        let text = "INSERT OR REPLACE INTO agentic_import_errors (import_id, seq, rows)
                      SELECT id, ?2, ?3 FROM agentic_imports WHERE id = ?1";
        self.run_repeatable(vec![sql!(text, import_id, seq, rows)])
    }

    /// Forgets those from a place up to another: a beginning anew.
    pub fn forget_errors(&self, import_id: &str, from: i64, below: i64) -> Result<()> {
        let text = "DELETE FROM agentic_import_errors WHERE import_id = ?1 AND seq >= ?2 AND seq < ?3";
        self.run_repeatable(vec![sql!(text, import_id, from, below)])
    }

    /// Takes the rows that Stripe refused for one who fetches them. `false`: somebody does, or has.
    pub fn claim_errors(&self, import_id: &str, now: i64, until: i64) -> Result<bool> {
        let text = "UPDATE agentic_imports SET locked_until = ?3 WHERE id = ?1 AND errors_kept = 0 AND locked_until <= ?2";
        self.moved(sql!(text, import_id, now, until))
    }

    /// They could not be had now.
    pub fn release_errors(&self, import_id: &str) -> Result<()> {
        self.run_repeatable(vec![sql!("UPDATE agentic_imports SET locked_until = 0 WHERE id = ?1 AND errors_kept = 0", import_id)])
    }

    /// All of them are kept, under these columns.
    pub fn errors_kept(&self, import_id: &str, columns: &str) -> Result<()> {
        let text = "UPDATE agentic_imports SET errors_kept = 1, columns = ?2, check_at = NULL, locked_until = 0 WHERE id = ?1";
        self.run_repeatable(vec![sql!(text, import_id, columns)])
    }

    /// The next piece behind one: its number and its rows.
    pub fn errors_piece(&self, import_id: &str, after: i64) -> Result<Option<(i64, String)>> {
        let text = "SELECT seq, rows FROM agentic_import_errors WHERE import_id = ?1 AND seq > ?2 ORDER BY seq LIMIT 1";
        let rows = self.one(sql!(text, import_id, after))?.objects();
        Ok(rows.first().and_then(|row| Some((row.get("seq")?.as_i64()?, row.get("rows")?.as_str()?.to_owned()))))
    }

    // --- for the sweep ------------------------------------------------------------------------------------------

    /// Imports that are due, each shop's first before any shop's second; and stock that is due, the longest due first: one row for each
    /// shop and mode.
    pub fn due_imports(&self, now: i64, limit: i64) -> Result<(Vec<ImportRow>, Vec<StockRow>)> {
        let due = in_turn("agentic_imports", "shop_id", "check_at", 8);
        let imports = format!(
            "{due} SELECT m.* FROM due CROSS JOIN agentic_imports m ON m.id = due.id WHERE m.locked_until <= ?1 ORDER BY turn, due.check_at LIMIT {limit}"
        );
        let stock =
            format!("SELECT * FROM agentic_stock WHERE due_at IS NOT NULL AND ready = 1 AND due_at <= ?1 ORDER BY due_at LIMIT {limit}");
        let answers = self.batch(vec![sql!(&imports, now), sql!(&stock, now)])?;
        Ok((answers.at(0)?.all()?, answers.at(1)?.all()?))
    }

    /// Takes an import for one look, or for work on it; the shop it is of, and its connection. `None`: somebody else has it.
    pub fn lease_import(&self, row: &ImportRow, now: i64, until: i64) -> Result<Option<(Found<ShopRow>, Found<ConnectionRow>)>> {
        let lease = "UPDATE agentic_imports SET check_at = ?3, locked_until = iif(status = 'awaiting_upload', ?3, locked_until)
          WHERE id = ?1 AND check_at <= ?2 AND locked_until <= ?2";
        let connection = "SELECT * FROM connections WHERE shop_id = ?1 AND livemode = ?2 AND account = ?3 AND status = 'active'";
        let answers = self.batch(vec![
            sql!(lease, &row.id, now, until),
            sql!("SELECT * FROM shops WHERE id = ?1", &row.shop_id),
            sql!(connection, &row.shop_id, row.livemode, &row.account),
        ])?;
        if answers.at(0)?.changes()? == 0 {
            return Ok(None);
        }
        Ok(Some((answers.at(1)?.first()?, answers.at(2)?.first()?)))
    }

    /// Takes a shop's stock for one look. `None`: somebody else has it.
    pub fn lease_stock(&self, stock: &StockRow, now: i64, until: i64) -> Result<Option<StockLeased>> {
        let lease = "UPDATE agentic_stock SET due_at = ?4 WHERE shop_id = ?1 AND livemode = ?2 AND due_at <= ?3 AND due_at = ?5";
        let connection = "SELECT * FROM connections WHERE shop_id = ?1 AND livemode = ?2 AND status = 'active' LIMIT 1";
        let side = format!("{} AND x.livemode = ?2", sides("?1"));
        let latest = format!(
            "SELECT {} AS generation, coalesce((SELECT max(seq) FROM feed_changes WHERE shop_id = ?1), 0) AS latest",
            generation_of("?1")
        );
        let busy = format!(
            "SELECT id FROM agentic_imports WHERE shop_id = ?1 AND livemode = ?2 AND feed_type IN ('product', 'inventory') AND {RUNNING} LIMIT 1"
        );
        let (shop_id, live) = (&stock.shop_id, stock.livemode);
        let answers = self.batch(vec![
            sql!(lease, shop_id, live, now, until, stock.due_at),
            sql!("SELECT * FROM shops WHERE id = ?1", shop_id),
            sql!(&side, shop_id, live),
            sql!(connection, shop_id, live),
            sql!(&latest, shop_id),
            sql!(&busy, shop_id, live),
        ])?;
        if answers.at(0)?.changes()? == 0 {
            return Ok(None);
        }
        Ok(Some(StockLeased {
            shop: answers.at(1)?.first()?,
            side: answers.at(2)?.first()?.map(|side| *side),
            connection: answers.at(3)?.first()?,
            catalogue: catalogue(answers.at(4)?.objects()),
            busy: answers.at(5)?.any(),
        }))
    }

    /// Puts stock out of hand. `due_at`: when it is looked at again; `None`: when something changes. A change that came meanwhile counts.
    pub fn stock_later(&self, stock: &StockRow, leased_until: i64, due_at: Option<i64>) -> Result<()> {
        let text = "UPDATE agentic_stock SET due_at = ?4 WHERE shop_id = ?1 AND livemode = ?2 AND due_at = ?3";
        self.run(vec![sql!(text, &stock.shop_id, stock.livemode, leased_until, due_at)])
    }

    /// Writes down that changed stock is on its way. `false`: something else is.
    pub fn begin_stock(&self, row: &ImportRow) -> Result<bool> {
        self.moved(self.insert_import(row, "1", &[]))
    }

    /// For [`Db::expire`]: imports that are too old, their refused rows first.
    pub fn expire_imports(&self, now: i64) -> [Statement; 2] {
        const AGED: &str = "(SELECT id FROM agentic_imports WHERE created <= ?1 ORDER BY created LIMIT 20)";
        let aged = now.saturating_sub(IMPORTS_KEPT);
        let errors = format!(
            "DELETE FROM agentic_import_errors WHERE rowid IN (SELECT rowid FROM agentic_import_errors WHERE import_id IN {AGED} LIMIT 20)"
        );
        let imports = format!(
            "DELETE FROM agentic_imports WHERE id IN {AGED} AND NOT EXISTS (SELECT 1 FROM agentic_import_errors e WHERE e.import_id = agentic_imports.id)"
        );
        [sql!(&errors, aged), sql!(&imports, aged)]
    }
}
