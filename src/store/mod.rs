//! Every SQL statement and KV key of the Worker. One method = one D1 round trip (a batch is atomic).
//!
//! D1 is the truth; KV holds only the sealed OAuth tokens, so that a dump of D1 opens nothing. KV has no
//! compare-and-set and caches misses for a minute: never a lock, a state or a ticket there.
//!
//! | table | lives | protected by |
//! | --- | --- | --- |
//! | `shops` | for good, deleted ones as `id`, `site_url` and dates; pending ones 24 h | signing secrets sealed (AES-256-GCM, bound to the shop's id) |
//! | `api_keys` | for good; rolled ones 24 h | SHA-256 of 256 random bits, never the key |
//! | `agents` | for good, deleted ones without secrets and addresses | signing secrets and feed keys sealed (bound to the agent's id) |
//! | `agent_keys` | until the agent is deleted; rolled ones 24 h | SHA-256 of 256 random bits, never the key |
//! | `acp_sessions` | checkouts and carts of agents: completed ones for good, others until 30 days after their end | buyer's data in clear, as in `transactions`; never a payment token |
//! | `orders` | for good; of a deleted shop none | buyer's data in clear, as in `transactions`; shown to whoever knows id and e-mail |
//! | `connect_tickets` | 30 min | SHA-256; opens nothing without the browser's cookie and the verifier; of an onboarding also e-mail and country, in clear, for a day |
//! | `connect_states` | 10 min (onboarding 2 h), used once | SHA-256; consumed in one conditional statement |
//! | `onboarded` | for good | ids only |
//! | `connect_claims` | 10 min, confirmed ones 24 h | SHA-256; token sealed until it moves to KV |
//! | `connections` | for good, gone ones too | nothing secret |
//! | `deauthorizations` | until Stripe was told | nothing secret |
//! | `transactions` | for good; of a deleted shop only the books | buyer's data in clear: restrict who may read D1 |
//! | `ledger_days` | for good | sums only; kept by triggers on `transactions` |
//! | `idempotency` | 48 h | answers hold no secret |
//! | `stripe_events` | 40 days (Stripe resends for 30) | ids only |
//! | `notices` | for good | buyer's data in clear, as in `transactions` |
//! | `strays` | for the operator | ids only, no content |
//! | `erasures` | until nothing personal of a deleted shop is left | ids only |
//! | `runs` | for good, one row for each job | times only |
//! | `catalogues`, `products`, `product_words` | the live ones for good; staged and old ones until the sweep has them | public anyway |
//! | `catalogue_uploads`, `catalogue_errors` | 30 days | nothing secret |
//! | `feed_products`, `feed_changes` | as long as the agent has a feed; changes until all feeds, and Stripe, were told them | public anyway |
//! | `agentic` | as long as the shop | nothing secret |
//! | `agentic_settings` | 10 min until opened, then 1 h for one browser | SHA-256 of ticket and cookie; account sessions are stored nowhere |
//! | `agreements` | as long as the shop | names of agents |
//! | `agentic_hooks` | 40 days | what Stripe was answered: amounts and texts of shipping and tax; of an approved session when Stripe is asked what became of it |
//! | `agentic_imports`, `agentic_import_errors` | 30 days | nothing secret: never the address of an upload |
//! | `agentic_stock` | as long as the shop | nothing secret |
//! | `stock_holds` | until paid or given back, else a day past their end | ids only |
//! | `fulfillment`, `coupon_redemptions` | for good | coupon codes in clear: restrict who may read D1 |
//! | KV `oauth/{connection}` | as long as the connection | sealed, bound to shop, account and mode |

pub mod acp;
pub mod admin;
pub mod aftermath;
pub mod agentic;
pub mod agents;
pub mod agreements;
pub mod catalogue;
pub mod checkout;
pub mod connect;
pub mod erase;
pub mod export;
pub mod feeds;
pub mod idempotency;
pub mod imports;
pub mod lists;
pub mod notices;
pub mod onboarding;
pub mod orders;
pub mod reseal;
pub mod settings;
pub mod shops;
pub mod statement;
pub mod transactions;
pub mod uploads;

use crate::edge::clock::{self, Until};
use crate::edge::{Counters, js};
use crate::error::{Problem, Result};
use crate::record::{self, Columns, Reader, Record};
use crate::sql;
use serde_json::Value;
use std::cell::Cell;
use std::rc::Rc;
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::{JsCast, JsValue};

pub use statement::{Bind, Statement};

/// The database of one request; counts its round trips.
#[derive(Clone)]
pub struct Db {
    database: JsValue,
    place: usize,
    counters: Rc<Counters>,
    until: Until,
}

/// A row, where there is one; in a box, for rows are large.
pub type Found<T> = Option<Box<T>>;

/// What one statement of a batch gave. Its rows are handed out once.
#[derive(Default)]
pub struct Rows {
    columns: Columns,
    rows: Cell<Vec<Vec<Value>>>,
    count: usize,
    changes: Option<usize>,
}

impl Rows {
    /// `[names of the columns, rows, how many changed]`
    fn read(mut result: Value) -> Self {
        let changes = result.get(2).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let names = list(result.get_mut(0)).into_iter().map(|name| if let Value::String(name) = name { name } else { String::new() });
        let mut rows = Vec::new();
        for mut row in list(result.get_mut(1)) {
            rows.push(list(Some(&mut row)));
        }
        Rows { columns: names.collect(), count: rows.len(), rows: Cell::new(rows), changes }
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// All rows. A row that does not fit is an error, never a default.
    pub fn all<T: Record>(&self) -> Result<Vec<T>> {
        let mut all = Vec::with_capacity(self.count);
        for row in self.rows.take() {
            all.push(T::read_from(Reader::of_row(&self.columns, row)).map_err(Problem::fault)?);
        }
        Ok(all)
    }

    /// The first row.
    pub fn first<T: Record>(&self) -> Result<Found<T>> {
        let row = self.rows.take().into_iter().next();
        row.map(|row| T::read_from(Reader::of_row(&self.columns, row)).map(Box::new).map_err(Problem::fault)).transpose()
    }

    /// The column `n` of the only row: a count.
    pub fn number(&self) -> Result<i64> {
        let rows = self.rows.take();
        let number = rows.first().zip(self.column("n")).and_then(|(row, at)| row.get(at)?.as_i64());
        number.ok_or_else(|| Problem::fault("a count gave no row"))
    }

    /// The column `id` of all rows.
    pub fn ids(&self) -> Vec<String> {
        let Some(at) = self.column("id") else { return Vec::new() };
        self.rows.take().iter().filter_map(|row| row.get(at)?.as_str().map(str::to_owned)).collect()
    }

    /// All rows, as objects.
    pub fn objects(&self) -> Vec<Value> {
        self.rows.take().into_iter().map(|row| Value::Object(record::named(&self.columns, row))).collect()
    }

    /// Whether there is a row at all.
    pub fn any(&self) -> bool {
        self.count > 0
    }

    /// Whether the statement changed a row. For statements on tables with triggers: D1 counts what those change, too.
    pub fn changed(&self) -> Result<bool> {
        Ok(self.changes()? > 0)
    }

    /// How many rows the statement changed, those that triggers changed counted in.
    pub fn changes(&self) -> Result<usize> {
        self.changes.ok_or_else(|| Problem::fault("D1 did not say how many rows changed"))
    }
}

fn list(value: Option<&mut Value>) -> Vec<Value> {
    match value.map(Value::take) {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    }
}

/// The answers of a batch, in the order of its statements.
pub struct Answers(Vec<Rows>);

impl Answers {
    /// The column `id` of all rows of all statements, where it begins so. The rows stay.
    pub fn ids_with(&self, prefix: &str) -> Vec<String> {
        let mut found = Vec::new();
        for answer in &self.0 {
            let Some(at) = answer.column("id") else { continue };
            let rows = answer.rows.take();
            let ids = rows.iter().filter_map(|row| row.get(at)?.as_str());
            found.extend(ids.filter(|id| id.starts_with(prefix)).map(str::to_owned));
            answer.rows.set(rows);
        }
        found
    }

    pub fn at(&self, index: usize) -> Result<&Rows> {
        self.0.get(index).ok_or_else(|| Problem::fault("D1 answered fewer statements than were sent"))
    }

    /// The answer of the last statement.
    pub fn into_last(mut self) -> Option<Rows> {
        self.0.pop()
    }
}

impl Db {
    /// `database` is a binding, `place` its number among them.
    pub fn new(database: JsValue, place: usize, counters: Rc<Counters>) -> Self {
        Db { database, place, counters, until: Until::default() }
    }

    /// The same database, which is given up at a time.
    pub fn until(&self, until: Until) -> Self {
        Db { until, ..self.clone() }
    }

    /// Notes a notice that is to be sent when the request has been answered.
    fn owes(&self, id: &str) {
        self.counters.owe(self.place, [id.to_owned()]);
    }

    /// One round trip, atomic.
    pub fn batch(&self, statements: Vec<Statement>) -> Result<Answers> {
        self.send(statements, 1)
    }

    /// A batch that may be repeated without harm, tried up to three times: D1 does not retry writes,
    /// and an answer lost here would lose what Stripe already did.
    pub fn repeatable(&self, statements: Vec<Statement>) -> Result<Answers> {
        self.send(statements, 3)
    }

    /// The answer crosses from JavaScript in one piece: asking for each column of each row by itself costs more than the query.
    fn send(&self, statements: Vec<Statement>, tries: u32) -> Result<Answers> {
        let list = Statement::together(statements);
        let mut pause = 50_u32;
        for left in (0..tries).rev() {
            let Some(patience) = self.until.left() else { break };
            Counters::count(&self.counters.d1);
            match js::batch(&self.database, &list, patience).map_err(|error| js::told(&error)) {
                Ok(answer) => {
                    return match record::parsed(&answer.unchecked_into::<Uint8Array>().to_vec()) {
                        Ok(Value::Array(results)) => Ok(Answers(results.into_iter().map(Rows::read).collect())),
                        _ => Err(Problem::fault("D1 gave no list of results")),
                    };
                }
                Err(why) if left == 0 || self.until.left().is_none_or(|time| time <= pause) => return Err(Problem::fault(why)),
                Err(why) => {
                    crate::edge::log::line(object! { "level": "warn", "event": "d1_retry", "why": why });
                    clock::pause(pause);
                    pause = pause.saturating_mul(4);
                }
            }
        }
        Err(Problem::fault("no time was left to ask D1"))
    }

    /// One statement, one round trip.
    pub fn one(&self, statement: Statement) -> Result<Rows> {
        let Answers(mut rows) = self.batch(vec![statement])?;
        rows.pop().ok_or_else(|| Problem::fault("D1 gave no answer"))
    }

    /// The first row, if there is one.
    pub fn find<T: Record>(&self, statement: Statement) -> Result<Found<T>> {
        self.one(statement)?.first()
    }

    /// All rows.
    pub fn list<T: Record>(&self, statement: Statement) -> Result<Vec<T>> {
        self.one(statement)?.all()
    }

    /// Whether the statement changed a row: a conditional one says so whether its condition held.
    pub fn moved(&self, statement: Statement) -> Result<bool> {
        Ok(self.one(statement)?.changes()? > 0)
    }

    /// Of which only the success matters.
    pub fn run(&self, statements: Vec<Statement>) -> Result<()> {
        done(self.send(statements, 1))
    }

    /// The same for what may be repeated without harm (see [`Db::repeatable`]).
    pub fn run_repeatable(&self, statements: Vec<Statement>) -> Result<()> {
        done(self.send(statements, 3))
    }

    /// Whether D1 answers.
    pub fn alive(&self) -> bool {
        self.one(sql!("SELECT 1 AS one")).is_ok()
    }
}

fn done(batch: Result<Answers>) -> Result<()> {
    batch.map(|_| ())
}

/// `WITH` a table `due` (id, shop_id, whose, the time, turn): for each `whose` (a shop, or whoever else the rows are for; an expression
/// over `table`) at most `of_each` rows of `table` whose time `at` has come (`?1`), counted by turns. Ordered by them, each has its first
/// before any has its second. Steps from one to the next in an index over (`whose`, `at`): one with 100,000 due rows costs the others
/// one step.
pub fn in_turn(table: &str, whose: &str, at: &str, of_each: i64) -> String {
    // Each costs a step in the index, so this is a bound and no share: those beyond it would wait for good.
    const MOST: i64 = 100_000;
    format!(
        "WITH RECURSIVE waiting (whose) AS (
           SELECT min({whose}) FROM {table} WHERE {at} IS NOT NULL
           UNION ALL
           SELECT (SELECT min({whose}) FROM {table} WHERE {at} IS NOT NULL AND {whose} > waiting.whose) FROM waiting
           WHERE waiting.whose IS NOT NULL LIMIT {MOST}),
         due AS (SELECT n.id, n.shop_id, waiting.whose, n.{at}, row_number() OVER (PARTITION BY waiting.whose ORDER BY n.{at}) AS turn
           FROM waiting JOIN {table} n ON n.rowid IN
             (SELECT rowid FROM {table} WHERE {whose} = waiting.whose AND {at} <= ?1 ORDER BY {at} LIMIT {of_each}))"
    )
}
