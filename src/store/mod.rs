//! Every SQL statement and KV key of the Worker. One method = one D1 round trip (a batch is atomic).
//!
//! D1 is the truth; KV holds only the sealed OAuth tokens, so that a dump of D1 opens nothing. KV has no
//! compare-and-set and caches misses for a minute: never a lock, a state or a ticket there.
//!
//! | table | lives | protected by |
//! | --- | --- | --- |
//! | `shops` | for good; pending ones 24 h | signing secrets sealed (AES-256-GCM, bound to the shop's id) |
//! | `api_keys` | for good; rolled ones 24 h | SHA-256 of 256 random bits, never the key |
//! | `connect_tickets` | 30 min | SHA-256; opens nothing without the browser's cookie and the verifier |
//! | `connect_states` | 10 min, used once | SHA-256; consumed in one conditional statement |
//! | `connect_claims` | 10 min, confirmed ones 24 h | SHA-256; token sealed until it moves to KV |
//! | `connections` | for good, gone ones too | nothing secret |
//! | `deauthorizations` | until Stripe was told | nothing secret |
//! | `transactions` | for good | buyer's data in clear: restrict who may read D1 |
//! | `idempotency` | 48 h | answers hold no secret |
//! | `stripe_events` | 40 days (Stripe resends for 30) | ids only |
//! | `strays` | for the operator | ids only, no content |
//! | KV `oauth/{connection}` | as long as the connection | sealed, bound to shop, account and mode |

pub mod checkout;
pub mod connect;
pub mod shops;
pub mod transactions;

use crate::edge::{Counters, js};
use crate::error::{Problem, Result};
use crate::record::Record;
use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use std::cell::Cell;
use std::rc::Rc;
use worker::js_sys::{Array, JSON};
use worker::wasm_bindgen::JsValue;
use worker::{D1Database, D1PreparedStatement};

/// A bound parameter. Numbers travel as floats: refused beyond 2^53 before they get here.
pub enum Bind<'a> {
    Text(&'a str),
    Int(i64),
    Null,
}

impl<'a> From<&'a str> for Bind<'a> {
    fn from(text: &'a str) -> Self {
        Bind::Text(text)
    }
}
impl<'a> From<&'a String> for Bind<'a> {
    fn from(text: &'a String) -> Self {
        Bind::Text(text)
    }
}
impl From<i64> for Bind<'_> {
    fn from(number: i64) -> Self {
        Bind::Int(number)
    }
}
impl From<bool> for Bind<'_> {
    fn from(flag: bool) -> Self {
        Bind::Int(i64::from(flag))
    }
}
impl<'a, T: Into<Bind<'a>>> From<Option<T>> for Bind<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Bind::Null, Into::into)
    }
}
impl<'a> From<&'a Option<String>> for Bind<'a> {
    fn from(value: &'a Option<String>) -> Self {
        value.as_deref().map_or(Bind::Null, Bind::Text)
    }
}

/// A statement with its parameters: `sql!(db, "… ?1 …", a, b)`.
#[macro_export]
macro_rules! sql {
    ($db:expr, $text:expr $(, $bind:expr)* $(,)?) => {
        $db.statement($text, &[$($crate::store::Bind::from($bind)),*])
    };
}

/// The database of one request; counts its round trips.
#[derive(Clone)]
pub struct Db {
    inner: Rc<D1Database>,
    counters: Rc<Counters>,
}

/// What one statement of a batch gave. Its rows are handed out once.
#[derive(Default)]
pub struct Rows {
    rows: Cell<Vec<Value>>,
    count: usize,
    changes: Option<usize>,
}

impl Rows {
    fn read(mut result: Value) -> Self {
        let changes = result.pointer("/meta/changes").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let rows = match result.get_mut("results").map(Value::take) {
            Some(Value::Array(rows)) => rows,
            _ => Vec::new(),
        };
        Rows { count: rows.len(), rows: Cell::new(rows), changes }
    }

    /// All rows. A row that does not fit is an error, never a default.
    pub fn all<T: Record>(&self) -> Result<Vec<T>> {
        self.rows.take().into_iter().map(|row| T::from_value(row).map_err(Problem::fault)).collect()
    }

    pub fn first<T: Record>(&self) -> Result<Option<T>> {
        self.rows.take().into_iter().next().map(|row| T::from_value(row).map_err(Problem::fault)).transpose()
    }

    /// The column `n` of the only row: a count.
    pub fn number(&self) -> Result<i64> {
        let rows = self.rows.take();
        let number = rows.first().and_then(|row| row.get("n")).and_then(Value::as_i64);
        number.ok_or_else(|| Problem::fault("a count gave no row"))
    }

    /// The column `id` of all rows.
    pub fn ids(&self) -> Vec<String> {
        self.rows.take().iter().filter_map(|row| row.get("id")?.as_str().map(str::to_owned)).collect()
    }

    /// Whether there is a row at all.
    pub fn any(&self) -> bool {
        self.count > 0
    }

    /// How many rows the statement changed.
    pub fn changes(&self) -> Result<usize> {
        self.changes.ok_or_else(|| Problem::fault("D1 did not say how many rows changed"))
    }
}

/// The answers of a batch, in the order of its statements.
pub struct Answers(Vec<Rows>);

impl Answers {
    pub fn at(&self, index: usize) -> Result<&Rows> {
        self.0.get(index).ok_or_else(|| Problem::fault("D1 answered fewer statements than were sent"))
    }
}

impl Db {
    pub fn new(database: D1Database, counters: Rc<Counters>) -> Self {
        Db { inner: Rc::new(database), counters }
    }

    pub fn statement(&self, text: &str, binds: &[Bind<'_>]) -> Result<D1PreparedStatement> {
        #[allow(clippy::cast_precision_loss)]
        let values: Vec<JsValue> = binds
            .iter()
            .map(|bind| match bind {
                Bind::Text(text) => JsValue::from_str(text),
                Bind::Int(number) => JsValue::from_f64(*number as f64),
                Bind::Null => JsValue::null(),
            })
            .collect();
        self.inner.prepare(text).bind(&values).map_err(Problem::fault)
    }

    /// One round trip, atomic. The answer crosses from JavaScript as one text: asking for each column of each row by itself
    /// costs more than the query.
    pub fn batch(&self, statements: Vec<Result<D1PreparedStatement>>) -> LocalBoxFuture<'static, Result<Answers>> {
        let database = self.inner.clone();
        Counters::count(&self.counters.d1);
        Box::pin(async move {
            let list = Array::new();
            for statement in statements {
                list.push(statement?.inner().as_ref());
            }
            let answer = js::call((*database).as_ref(), "batch", &[list.into()]).await.map_err(Problem::fault)?;
            let text = JSON::stringify(&answer).ok().and_then(|text| text.as_string()).unwrap_or_default();
            match serde_json::from_str(&text) {
                Ok(Value::Array(results)) => Ok(Answers(results.into_iter().map(Rows::read).collect())),
                _ => Err(Problem::fault("D1 gave no list of results")),
            }
        })
    }

    /// One statement, one round trip.
    pub fn one(&self, statement: Result<D1PreparedStatement>) -> LocalBoxFuture<'static, Result<Rows>> {
        let batch = self.batch(vec![statement]);
        Box::pin(async move {
            let Answers(mut rows) = batch.await?;
            rows.pop().ok_or_else(|| Problem::fault("D1 gave no answer"))
        })
    }

    /// One statement of which only the success matters.
    pub async fn run(&self, statement: Result<D1PreparedStatement>) -> Result<()> {
        self.one(statement).await.map(|_| ())
    }

    /// A batch of which only the success matters.
    pub async fn run_all(&self, statements: Vec<Result<D1PreparedStatement>>) -> Result<()> {
        self.batch(statements).await.map(|_| ())
    }

    /// A batch that may be repeated without harm, tried up to three times: D1 does not retry writes,
    /// and an answer lost here would lose what Stripe already did.
    pub async fn repeatable(&self, make: impl Fn() -> Vec<Result<D1PreparedStatement>>) -> Result<Answers> {
        let mut pause = 50_u64;
        loop {
            match self.batch(make()).await {
                Err(problem) if pause < 800 => {
                    crate::edge::log::line(object! { "level": "warn", "event": "d1_retry", "why": problem.cause.as_deref().unwrap_or_default() });
                    worker::Delay::from(std::time::Duration::from_millis(pause)).await;
                    pause = pause.saturating_mul(4);
                }
                done => return done,
            }
        }
    }

    /// Whether D1 answers.
    pub async fn alive(&self) -> bool {
        self.one(sql!(self, "SELECT 1 AS one")).await.is_ok()
    }
}
