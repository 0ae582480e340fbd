//! The push of catalogues to agents' feeds: what changed, what was told, who is due.

use super::catalogue::generation_of;
use super::shops::ShopRow;
use super::{Bind, Db, Statement, in_turn};
use crate::acp::feed::{GROUP, Known};
use crate::agent::{AgentRow, MOST};
use crate::error::{Problem, Result};
use crate::product::ProductRow;
use crate::record::{Json, Record};
use crate::sql;
use serde_json::Value;

/// Rows of the catalogue, of what was told, of what changed, that are looked at in one step.
const PAGE: i64 = 100;
/// Rows that are forgotten in one step.
const SLICE: i64 = 1000;
/// Of one key: what was told while its group was too large for one product may be much.
const MOST_KNOWN: i64 = 500;

/// Of a feed that is in hand: nobody took it meanwhile, and the shop did not change where it goes. `?1` and `?2`.
const HELD: &str = "EXISTS (SELECT 1 FROM agents WHERE id = ?1 AND feed_wait_until = ?2)";

/// Whether anybody is told what changes: an agent of the shop that has a feed, or Stripe.
fn is_told(shop_expr: &str) -> String {
    format!(
        "(EXISTS (SELECT 1 FROM agents WHERE shop_id = {shop_expr} AND feed_due_at IS NOT NULL)
          OR EXISTS (SELECT 1 FROM agentic_stock WHERE shop_id = {shop_expr}))"
    )
}

/// Notes that rows of a shop's catalogue change: goes into the batch that changes them, before it for the group they leave, and behind
/// it for the one they come to. `rows` is SQL that gives their `id` and `key`. Of shops that nobody is told of nothing is noted.
pub fn note_changes(shop_expr: &str, rows: &str) -> String {
    format!(
        "INSERT OR REPLACE INTO feed_changes (shop_id, product_id, key) SELECT {shop_expr}, c.id, c.key FROM ({rows}) c WHERE {}",
        is_told(shop_expr)
    )
}

/// Rows for [`note_changes`]: those of the shop's live catalogue whose ids `ids` (SQL) gives.
pub fn changing(shop_expr: &str, ids: &str) -> String {
    format!("SELECT id, coalesce(item_group_id, id) AS key FROM products WHERE generation = {} AND id IN ({ids})", generation_of(shop_expr))
}

/// How many rows a key has, at most one more than a product of the feed groups.
fn size_of(live: &str, key: &str) -> String {
    format!(
        "((SELECT count(*) FROM (SELECT 1 FROM products o WHERE o.generation = {live} AND o.item_group_id = {key} LIMIT {}))
           + EXISTS (SELECT 1 FROM products o WHERE o.generation = {live} AND o.id = {key} AND o.item_group_id IS NULL))",
        GROUP.saturating_add(1)
    )
}

record! {
    /// A feed that is due.
    #[derive(Debug)]
    pub struct Due {
        pub id: String,
        pub shop_id: String,
    }
}

/// A feed that is in hand.
pub struct Leased {
    pub agent: Box<AgentRow>,
    pub shop: Option<Box<ShopRow>>,
    pub now: Catalogue,
}

/// How the shop's catalogue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Catalogue {
    /// Which one is live.
    pub generation: Option<i64>,
    /// The number of its last change.
    pub latest: i64,
}

/// Something to look at: a row of the catalogue, or one of before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub key: String,
    pub id: String,
    /// Whether its group is too large for one product.
    pub large: bool,
    /// How many rows come with it.
    pub rows: i64,
    /// Where to go on behind it.
    pub at: String,
    pub at_product: String,
}

/// A page of what is to be looked at.
pub struct FeedPage {
    pub now: Catalogue,
    pub pairs: Vec<Pair>,
    /// Where to go on behind all of it; `None` at the end.
    pub next: Option<(String, String)>,
}

/// What there is of some keys.
#[derive(Default)]
pub struct OfKeys {
    /// Rows with their keys.
    pub rows: Vec<(String, ProductRow)>,
    pub known: Vec<Known>,
}

/// How a turn ends.
pub struct Ended<'a> {
    pub agent: &'a AgentRow,
    pub token: i64,
    pub state: Option<&'a str>,
    /// Nobody takes it before.
    pub wait_until: i64,
    /// When it is due again; `None`: never.
    pub due_at: Option<i64>,
    /// The change up to which all is told, and the catalogue: should there be more, it is due at once. `None`: as `due_at` says.
    pub told: Option<Catalogue>,
    pub now: i64,
}

fn text(row: &Value, name: &str) -> String {
    row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(row: &Value, name: &str) -> i64 {
    row.get(name).and_then(Value::as_i64).unwrap_or_default()
}

fn catalogue(rows: Vec<Value>) -> Catalogue {
    let row = rows.into_iter().next().unwrap_or_default();
    Catalogue { generation: row.get("generation").and_then(Value::as_i64), latest: number(&row, "latest") }
}

impl Db {
    /// Makes the feeds of a shop's agents due, in the batch that changed its catalogue.
    pub fn wake_feeds(&self, shop_id: &str, now: i64) -> Statement {
        sql!("UPDATE agents SET feed_due_at = ?2 WHERE shop_id = ?1 AND feed_due_at > ?2", shop_id, now)
    }

    /// What a payment takes from the stock changes too: before it is taken, by what is held.
    pub fn note_taken(&self, holder: &str, now: i64) -> [Statement; 3] {
        // A holder is one checkout, of one shop.
        let shop = "(SELECT shop_id FROM stock_holds WHERE holder = ?1 LIMIT 1)";
        let note = note_changes(shop, &changing(shop, "SELECT product_id FROM stock_holds WHERE holder = ?1"));
        let wake = format!("UPDATE agents SET feed_due_at = ?2 WHERE shop_id = {shop} AND feed_due_at > ?2");
        let stock = format!(
            "UPDATE agentic_stock SET due_at = max(?2, wait_until) WHERE shop_id = {shop} AND (due_at IS NULL OR due_at > max(?2, wait_until))"
        );
        [sql!(&note, holder), sql!(&wake, holder, now), sql!(&stock, holder, now)]
    }

    /// Feeds that are due, one of each shop first, then a second of each, and so on.
    pub fn due_feeds(&self, now: i64, limit: i64) -> Result<Vec<Due>> {
        let due = in_turn("agents", "shop_id", "feed_due_at", MOST);
        let text = format!(
            "{due} SELECT id, shop_id FROM due CROSS JOIN agents USING (id, shop_id) WHERE feed_wait_until <= ?1
             ORDER BY turn, due.feed_due_at LIMIT {limit}"
        );
        self.list(sql!(&text, now))
    }

    fn catalogue_now(&self, shop_id: &str) -> Statement {
        let text = format!(
            "SELECT {} AS generation, coalesce((SELECT max(seq) FROM feed_changes WHERE shop_id = ?1), 0) AS latest",
            generation_of("?1")
        );
        sql!(&text, shop_id)
    }

    pub fn feed_catalogue(&self, shop_id: &str) -> Result<Catalogue> {
        Ok(catalogue(self.one(self.catalogue_now(shop_id))?.objects()))
    }

    /// Takes a feed for one turn: of two that want it one gets it. What it is held by is its `feed_wait_until` then: `until`, or more where
    /// somebody from whose hands it was taken holds that.
    pub fn lease_feed(&self, due: &Due, now: i64, until: i64) -> Result<Option<Leased>> {
        let answers = self
            .batch(vec![
                sql!(
                    "UPDATE agents SET feed_wait_until = max(?3, 1 - feed_wait_until) WHERE id = ?1 AND feed_due_at <= ?2 AND feed_wait_until <= ?2 RETURNING *",
                    &due.id,
                    now,
                    until
                ),
                sql!("SELECT * FROM shops WHERE id = ?1", &due.shop_id),
                self.catalogue_now(&due.shop_id),
            ])?;
        let Some(agent) = answers.at(0)?.first::<AgentRow>()? else { return Ok(None) };
        Ok(Some(Leased { agent, shop: answers.at(1)?.first()?, now: catalogue(answers.at(2)?.objects()) }))
    }

    /// Forgets some of what a feed was told; `false` when nothing was left.
    pub fn forget_feed(&self, agent_id: &str, token: i64) -> Result<bool> {
        let text = format!(
            "DELETE FROM feed_products WHERE (agent_id, key, product) IN
               (SELECT agent_id, key, product FROM feed_products WHERE agent_id = ?1 LIMIT {SLICE}) AND {HELD}"
        );
        self.moved(sql!(&text, agent_id, token))
    }

    /// A page of the catalogue, behind a row's id. Of a group only its first row counts, unless it is too large for one product.
    pub fn feed_rows(&self, shop_id: &str, after: &str) -> Result<FeedPage> {
        let live = generation_of("?1");
        let size = size_of(&live, "coalesce(p.item_group_id, p.id)");
        let page = format!(
            "SELECT p.id, coalesce(p.item_group_id, p.id) AS key, {size} AS n, p.item_group_id IS NOT NULL AND EXISTS (SELECT 1 FROM products o
               WHERE o.generation = p.generation AND o.item_group_id = p.item_group_id AND o.id < p.id) AS later
             FROM products p WHERE p.generation = {live} AND p.id > ?2 ORDER BY p.id LIMIT {PAGE}"
        );
        let answers = self.batch(vec![self.catalogue_now(shop_id), sql!(&page, shop_id, after)])?;
        let rows = answers.at(1)?.objects();
        let next = (rows.len() >= usize::try_from(PAGE).unwrap_or(0)).then(|| rows.last().map(|row| (text(row, "id"), String::new())));
        let pairs = rows.iter().filter(|row| number(row, "later") == 0 || number(row, "n") > GROUP);
        let pairs = pairs.map(|row| pair(row, text(row, "id"), text(row, "id"), String::new())).collect();
        Ok(FeedPage { now: catalogue(answers.at(0)?.objects()), pairs, next: next.flatten() })
    }

    /// A page of what an agent was told, behind a product: those of which rows are not there any more, or not in their group.
    pub fn feed_leftovers(&self, shop_id: &str, agent_id: &str, after: (&str, &str)) -> Result<FeedPage> {
        let live = generation_of("?1");
        let size = size_of(&live, "f.key");
        let page = format!(
            "SELECT f.key, f.product, f.variants, {size} AS n, EXISTS (SELECT 1 FROM json_each(f.variants) v WHERE NOT EXISTS
               (SELECT 1 FROM products p WHERE p.generation = {live} AND p.id = v.value ->> 0 AND coalesce(p.item_group_id, p.id) = f.key)) AS stale
             FROM feed_products f WHERE f.agent_id = ?2 AND (f.key, f.product) > (?3, ?4) ORDER BY f.key, f.product LIMIT {PAGE}"
        );
        let answers = self.batch(vec![self.catalogue_now(shop_id), sql!(&page, shop_id, agent_id, after.0, after.1)])?;
        let rows = answers.at(1)?.objects();
        let next =
            (rows.len() >= usize::try_from(PAGE).unwrap_or(0)).then(|| rows.last().map(|row| (text(row, "key"), text(row, "product"))));
        let mut pairs = Vec::new();
        for row in rows.iter().filter(|row| number(row, "stale") == 1) {
            let (at, at_product) = (text(row, "key"), text(row, "product"));
            pairs.push(pair(row, at_product.clone(), at.clone(), at_product.clone()));
            if number(row, "n") > GROUP {
                let variants: Value = text(row, "variants").parse().unwrap_or_default();
                let ids = variants.as_array().into_iter().flatten().filter_map(|variant| variant.get(0)?.as_str());
                pairs.extend(ids.map(|id| pair(row, id.to_owned(), at.clone(), at_product.clone())));
            }
        }
        Ok(FeedPage { now: catalogue(answers.at(0)?.objects()), pairs, next: next.flatten() })
    }

    /// A page of what changed, behind a change's number.
    pub fn feed_changes(&self, shop_id: &str, after: i64) -> Result<FeedPage> {
        let size = size_of(&generation_of("?1"), "c.key");
        let page = format!(
            "SELECT c.seq, c.product_id AS id, c.key, {size} AS n FROM feed_changes c WHERE c.shop_id = ?1 AND c.seq > ?2
             ORDER BY c.seq LIMIT {PAGE}"
        );
        let answers = self.batch(vec![self.catalogue_now(shop_id), sql!(&page, shop_id, after)])?;
        let rows = answers.at(1)?.objects();
        let seq = |row: &Value| number(row, "seq").to_string();
        let next = (rows.len() >= usize::try_from(PAGE).unwrap_or(0)).then(|| rows.last().map(|row| (seq(row), String::new())));
        let pairs = rows.iter().map(|row| pair(row, text(row, "id"), seq(row), String::new())).collect();
        Ok(FeedPage { now: catalogue(answers.at(0)?.objects()), pairs, next: next.flatten() })
    }

    /// What there is of some keys: of small ones all rows, of large ones those that are named.
    pub fn of_keys(&self, shop_id: &str, agent_id: &str, pairs: &[&Pair]) -> Result<OfKeys> {
        let live = generation_of("?1");
        let mut small: Vec<&str> = pairs.iter().filter(|pair| !pair.large).map(|pair| pair.key.as_str()).collect();
        small.dedup();
        let large: Vec<[&str; 2]> = pairs.iter().filter(|pair| pair.large).map(|pair| [pair.key.as_str(), pair.id.as_str()]).collect();
        let (small, large) = (small.text(), large.text());
        let rows_of_small = format!(
            "SELECT p.*, 0 AS held, k.value AS feed_key FROM (SELECT DISTINCT value FROM json_each(?2)) k
               CROSS JOIN products p ON p.generation = {live} AND p.item_group_id = k.value
             UNION ALL
             SELECT p.*, 0 AS held, k.value AS feed_key FROM (SELECT DISTINCT value FROM json_each(?2)) k
               CROSS JOIN products p ON p.generation = {live} AND p.id = k.value AND p.item_group_id IS NULL
             ORDER BY id"
        );
        let rows_of_large = format!(
            "SELECT p.*, 0 AS held, coalesce(p.item_group_id, p.id) AS feed_key FROM json_each(?2) e
               CROSS JOIN products p ON p.generation = {live} AND p.id = e.value ->> 1
             WHERE coalesce(p.item_group_id, p.id) = e.value ->> 0 ORDER BY p.id"
        );
        let known = format!(
            "SELECT f.key, f.product, f.digest, f.variants, f.refused, (SELECT json_group_array(v.value ->> 0) FROM json_each(f.variants) v
               WHERE EXISTS (SELECT 1 FROM products p WHERE p.generation = {live} AND p.id = v.value ->> 0)) AS alive"
        );
        let known_of_small = format!(
            "{known} FROM (SELECT DISTINCT value FROM json_each(?2)) k CROSS JOIN feed_products f ON f.agent_id = ?3 AND f.key = k.value
             LIMIT {}",
            PAGE.saturating_mul(MOST_KNOWN)
        );
        let known_of_large = format!(
            "{known} FROM (SELECT value ->> 0 AS key, value ->> 1 AS product FROM json_each(?2)
                 UNION SELECT value ->> 0, value ->> 0 FROM json_each(?2)) k
               CROSS JOIN feed_products f ON f.agent_id = ?3 AND f.key = k.key AND f.product = k.product"
        );
        let mut batch = Vec::new();
        for (of, rows, known) in [(&small, &rows_of_small, &known_of_small), (&large, &rows_of_large, &known_of_large)] {
            if of != "[]" {
                batch.push(sql!(rows, shop_id, of));
                batch.push(sql!(known, shop_id, of, agent_id));
            }
        }
        let count = batch.len();
        let answers = self.batch(batch)?;
        let mut found = OfKeys::default();
        for at in (0..count).step_by(2) {
            for row in answers.at(at)?.objects() {
                let key = text(&row, "feed_key");
                found.rows.push((key, ProductRow::from_value(row).map_err(Problem::fault)?));
            }
            found.known.extend(answers.at(at.saturating_add(1))?.all::<Known>()?);
        }
        Ok(found)
    }

    /// Writes down what was told (a JSON list of `[key, product, digest, variants, refused]`), what is forgotten (`[key, product]`), and
    /// where the push stands. `false`: the feed is not in hand any more, and nothing was written. May be repeated.
    pub fn told(&self, agent: &AgentRow, token: i64, state: &str, told: &str, forgotten: &str) -> Result<bool> {
        let keep = format!(
            "INSERT INTO feed_products (agent_id, shop_id, key, product, digest, variants, refused)
             SELECT ?1, ?4, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4 FROM json_each(?3) e WHERE {HELD}
             ON CONFLICT (agent_id, key, product) DO UPDATE SET digest = excluded.digest, variants = excluded.variants, refused = excluded.refused"
        );
        let forget = format!(
            "DELETE FROM feed_products WHERE agent_id = ?1 AND (key, product) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?3)) AND {HELD}"
        );
        let mut batch = Vec::new();
        if told != "[]" {
            batch.push(sql!(&keep, &agent.id, token, told, &agent.shop_id));
        }
        if forgotten != "[]" {
            batch.push(sql!(&forget, &agent.id, token, forgotten));
        }
        let last = batch.len();
        batch.push(sql!("UPDATE agents SET feed_state = ?3 WHERE id = ?1 AND feed_wait_until = ?2", &agent.id, token, state));
        Ok(self.repeatable(batch)?.at(last)?.changes()? == 1)
    }

    /// Products (a JSON list of `[key, product, variants]`) that were told, or not: nobody knows. They count as told differently from what
    /// they are, and with every row that the agent may have of them. `false`: the feed is not in hand any more. May be repeated.
    pub fn unsure_of(&self, agent: &AgentRow, token: i64, state: &str, sending: &str) -> Result<bool> {
        let note = format!(
            "INSERT INTO feed_products (agent_id, shop_id, key, product, digest, variants, refused)
             SELECT ?1, ?4, e.value ->> 0, e.value ->> 1, '', e.value ->> 2, 3 FROM json_each(?3) e WHERE {HELD}
             ON CONFLICT (agent_id, key, product) DO UPDATE SET digest = '', refused = iif(refused = 1, 2, refused),
               variants = (SELECT json_group_array(json(value)) FROM (SELECT value FROM json_each(feed_products.variants)
                 UNION ALL SELECT value FROM json_each(excluded.variants) n
                 WHERE NOT EXISTS (SELECT 1 FROM json_each(feed_products.variants) o WHERE o.value ->> 0 = n.value ->> 0)))"
        );
        let batch = vec![
            sql!(&note, &agent.id, token, sending, &agent.shop_id),
            sql!("UPDATE agents SET feed_state = ?3 WHERE id = ?1 AND feed_wait_until = ?2", &agent.id, token, state),
        ];
        Ok(self.repeatable(batch)?.at(1)?.changes()? == 1)
    }

    /// Puts a feed out of hand. Changes that all of the shop's feeds have told are forgotten.
    pub fn end_feed_turn(&self, end: &Ended<'_>) -> Result<()> {
        let more = format!(
            "?7 IS NOT NULL AND ({} IS NOT ?6 OR EXISTS (SELECT 1 FROM feed_changes WHERE shop_id = agents.shop_id AND seq > ?7))",
            generation_of("agents.shop_id")
        );
        let text = format!(
            "UPDATE agents SET feed_state = ?3, feed_wait_until = ?4, feed_due_at = iif({more}, ?8, ?5) WHERE id = ?1 AND feed_wait_until = ?2"
        );
        let binds = [
            Bind::from(&end.agent.id),
            Bind::Int(end.token),
            end.state.into(),
            Bind::Int(end.wait_until),
            end.due_at.into(),
            end.told.and_then(|told| told.generation).into(),
            end.told.map(|told| told.latest).into(),
            Bind::Int(end.now),
        ];
        let shop_id = &end.agent.shop_id;
        self.run_repeatable(vec![Statement::with(&text, &binds), self.forget_told(shop_id), self.forget_changes(shop_id)])
    }

    /// Changes that everybody was told: all of the shop's feeds, and Stripe.
    pub fn forget_told(&self, shop_id: &str) -> Statement {
        let text = "DELETE FROM feed_changes WHERE shop_id = ?1 AND seq <= (SELECT min(seen) FROM
          (SELECT coalesce(feed_state ->> '$.seen', 0) AS seen FROM agents WHERE shop_id = ?1 AND feed_due_at IS NOT NULL
           UNION ALL SELECT seen FROM agentic_stock WHERE shop_id = ?1))";
        sql!(text, shop_id)
    }

    /// Changes of a shop of which nobody is told any more.
    pub fn forget_changes(&self, shop_id: &str) -> Statement {
        let text = format!("DELETE FROM feed_changes WHERE shop_id = ?1 AND NOT {}", is_told("?1"));
        sql!(&text, shop_id)
    }
}

fn pair(row: &Value, id: String, at: String, at_product: String) -> Pair {
    let n = number(row, "n");
    let large = n > GROUP;
    Pair { key: text(row, "key"), id, large, rows: if large { 1 } else { n }, at, at_product }
}
