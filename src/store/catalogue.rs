//! Products, their stock, and what is kept of it for payments under way.

use super::feeds::{changing, note_changes};
use super::lists::Cursor;
use super::shops::{ShopRow, Whose};
use super::{Bind, Db, Found, Statement};
use crate::error::Result;
pub use crate::product::ProductRow;
use crate::product::{AVAILABILITIES, Product};
use crate::record::Json;
use crate::sql;
use serde_json::Value;

/// How long after its end a hold is kept, seconds: a payment that comes late still takes its stock.
pub const HOLD_KEPT: i64 = 24 * 3600;

/// What a row of a file brings to `products`, in this order in a JSON list.
const STAGED: [&str; 31] = [
    "id",
    "title",
    "description",
    "link",
    "image_link",
    "additional_image_link",
    "price",
    "currency",
    "sale_price",
    "sale_price_effective_date",
    "sale_from",
    "sale_until",
    "availability",
    "availability_date",
    "inventory_quantity",
    "stripe_product_tax_code",
    "tax_behavior",
    "item_group_id",
    "item_group_title",
    "brand",
    "gtin",
    "mpn",
    "condition",
    "google_product_category",
    "digital",
    "disable_checkout",
    "extra",
    "words",
    "row",
    "stock_given",
    "deleted",
];
/// Where in [`STAGED`] the words are, and the row's number.
pub const WORDS: &str = "27";
pub const ROW: &str = "28";

/// A product as a JSON list of [`STAGED`].
pub fn staged(product: &Product, number: i64) -> String {
    let row = &product.row;
    // A row that takes a product out has only an id, and the table wants a known word.
    let availability = AVAILABILITIES.into_iter().find(|word| *word == row.availability).unwrap_or("out_of_stock");
    let words = if product.deleted { Vec::new() } else { product.words() };
    let cells: [&dyn Json; STAGED.len()] = [
        &row.id,
        &row.title,
        &row.description,
        &row.link,
        &row.image_link,
        &row.additional_image_link,
        &row.price,
        &row.currency,
        &row.sale_price,
        &row.sale_price_effective_date,
        &row.sale_from,
        &row.sale_until,
        &availability,
        &row.availability_date,
        &row.inventory_quantity,
        &row.stripe_product_tax_code,
        &row.tax_behavior,
        &row.item_group_id,
        &row.item_group_title,
        &row.brand,
        &row.gtin,
        &row.mpn,
        &row.condition,
        &row.google_product_category,
        &row.digital,
        &row.disable_checkout,
        &row.extra,
        &words.text(),
        &number,
        &i64::from(product.stock_given),
        &i64::from(product.deleted),
    ];
    Value::Array(cells.iter().map(|cell| cell.json()).collect()).text()
}

/// Writes the rows of a JSON list of lists into a generation, over what is there of the same ids, where a condition holds.
pub fn write_rows(generation_expr: &str, rows_expr: &str, now_expr: &str, condition: &str) -> String {
    let values: Vec<String> = (0..STAGED.len()).map(|at| format!("e.value ->> {at}")).collect();
    format!(
        "INSERT INTO products (generation, updated, {columns}) SELECT {generation_expr}, {now_expr}, {values} FROM json_each({rows_expr}) e
         WHERE {condition} ON CONFLICT (generation, id) DO UPDATE SET {sets}",
        columns = STAGED.join(", "),
        values = values.join(", "),
        sets = overwrites("")
    )
}

/// What a row that is there takes from a new one; `more` may name its own rule for a column.
fn overwrites(more: &str) -> String {
    let mut sets = String::from("updated = excluded.updated");
    for column in STAGED.iter().skip(1).filter(|column| !more.starts_with(&format!("{column} ="))) {
        sets.push_str(&format!(", {column} = excluded.{column}"));
    }
    if !more.is_empty() {
        sets.push_str(", ");
        sets.push_str(more);
    }
    sets
}

/// Writes what such rows are found by.
pub fn write_words(generation_expr: &str, rows_expr: &str, condition: &str) -> String {
    format!(
        "INSERT OR IGNORE INTO product_words (generation, word, id) SELECT {generation_expr}, w.value, e.value ->> 0
         FROM json_each({rows_expr}) e, json_each(e.value ->> {WORDS}) w WHERE {condition}"
    )
}

/// Copies a staged generation into the live one, where a condition holds: words first, as long as it can be told what they were.
/// A row that says nothing about the stock leaves it as it is. The expressions are SQL; the staged one is a parameter.
pub fn merge_generation(live: &str, staged: &str, condition: &str) -> [String; 4] {
    let columns = STAGED.join(", ");
    let stock = "inventory_quantity = iif(excluded.stock_given, excluded.inventory_quantity, products.inventory_quantity)";
    [
        format!(
            "DELETE FROM product_words WHERE (generation, word, id) IN (SELECT l.generation, w.value, l.id FROM products s
               CROSS JOIN products l ON l.generation = {live} AND l.id = s.id AND (l.words <> s.words OR s.deleted = 1), json_each(l.words) w
             WHERE s.generation = {staged} AND {condition})"
        ),
        format!(
            "INSERT OR IGNORE INTO product_words (generation, word, id) SELECT {live}, w.value, s.id FROM products s
               LEFT JOIN products l ON l.generation = {live} AND l.id = s.id, json_each(s.words) w
             WHERE s.generation = {staged} AND s.deleted = 0 AND (l.words IS NULL OR l.words <> s.words) AND {condition}"
        ),
        format!(
            "DELETE FROM products WHERE generation = {live} AND id IN (SELECT id FROM products WHERE generation = {staged} AND deleted = 1)
               AND {condition}"
        ),
        format!(
            "INSERT INTO products (generation, updated, {columns}) SELECT {live}, updated, {columns} FROM products
             WHERE generation = {staged} AND deleted = 0 AND {condition}
             ON CONFLICT (generation, id) DO UPDATE SET {sets}",
            sets = overwrites(stock)
        ),
    ]
}

/// The live catalogue's number of a shop.
pub fn generation_of(shop_expr: &str) -> String {
    format!("(SELECT generation FROM catalogues WHERE shop_id = {shop_expr} AND state = 'live')")
}

/// Pieces of the product `p` of a shop that are held, by anybody but `but_expr` (a holder, or `NULL`).
fn held(shop_expr: &str, but_expr: &str, now_expr: &str) -> String {
    format!(
        "(SELECT coalesce(sum(h.quantity), 0) FROM stock_holds h WHERE h.shop_id = {shop_expr} AND h.product_id = p.id
            AND h.expires_at > {now_expr} AND h.holder IS NOT {but_expr})"
    )
}

/// Rows of [`ProductRow`]: those of a shop's live catalogue whose ids are in the JSON list `ids_expr`. The expressions are SQL, such
/// as `?1` or a sub-select for the shop; ids that there are not give no row.
pub fn products_select(shop_expr: &str, ids_expr: &str, now_expr: &str) -> String {
    products_select_for("NULL", shop_expr, ids_expr, now_expr)
}

/// The same for one who holds some of them already: `held` is what others hold.
pub fn products_select_for(holder_expr: &str, shop_expr: &str, ids_expr: &str, now_expr: &str) -> String {
    format!(
        "SELECT p.*, {held} AS held FROM products p WHERE p.generation = {generation}
           AND p.id IN (SELECT value FROM json_each({ids_expr}))",
        held = held(shop_expr, holder_expr, now_expr),
        generation = generation_of(shop_expr)
    )
}

/// The ids (`id`) of what cannot be had in the wanted quantity: unknown, not for sale, out of stock, or too few that nobody else holds.
/// `items_expr` is a JSON list of `{id, quantity}`; the holder's own holds do not count against him.
fn short_select(holder_expr: &str, shop_expr: &str, items_expr: &str, now_expr: &str) -> String {
    format!(
        "SELECT i.id AS id FROM (SELECT value ->> '$.id' AS id, sum(value ->> '$.quantity') AS quantity
             FROM json_each({items_expr}) GROUP BY 1) i
           LEFT JOIN products p ON p.generation = {generation} AND p.id = i.id
         WHERE p.id IS NULL OR p.disable_checkout = 1 OR p.availability = 'out_of_stock' OR (p.availability = 'in_stock' AND p.inventory_quantity IS NOT NULL
           AND p.inventory_quantity - {held} < i.quantity)",
        held = held(shop_expr, holder_expr, now_expr),
        generation = generation_of(shop_expr)
    )
}

/// The condition that all of `items_expr` can be had, for the `WHERE` of a caller's own statement in one batch with [`Db::hold_stock`].
pub fn stock_suffices(holder_expr: &str, shop_expr: &str, items_expr: &str, now_expr: &str) -> String {
    format!("NOT EXISTS ({})", short_select(holder_expr, shop_expr, items_expr, now_expr))
}

/// The statement of [`Db::products`].
fn products_page<'a>(whose: &'a Whose<'_>, words: &'a [String], cursor: &Cursor<'a>, limit: i64, now: i64) -> (String, Vec<Bind<'a>>) {
    let mut binds = vec![whose.bind(), Bind::Int(now)];
    let held = held(&whose.id(), "NULL", "?2");
    let live = generation_of(&whose.id());
    let mut text = match words.first() {
        None => format!("SELECT p.*, {held} AS held FROM products p WHERE p.generation = {live}"),
        Some(word) => {
            binds.push(Bind::Text(word));
            // The index's own order is wanted: it must not be found out by the planner that the products could lead as well.
            format!(
                "SELECT p.*, {held} AS held FROM product_words w CROSS JOIN products p ON p.generation = w.generation AND p.id = w.id
                 WHERE w.generation = {live} AND w.word = ?3"
            )
        }
    };
    for word in words.iter().skip(1) {
        binds.push(Bind::Text(word));
        text.push_str(&format!(
            " AND EXISTS (SELECT 1 FROM product_words o WHERE o.generation = w.generation AND o.word = ?{} AND o.id = w.id)",
            binds.len()
        ));
    }
    let id = if words.is_empty() { "p.id" } else { "w.id" };
    let (bound, order) = match cursor {
        Cursor::Start => (None, "ASC"),
        Cursor::End => (None, "DESC"),
        Cursor::After(after) => (Some((">", *after)), "ASC"),
        Cursor::Before(before) => (Some(("<", *before)), "DESC"),
    };
    if let Some((compare, cursor)) = bound {
        binds.push(Bind::Text(cursor));
        text.push_str(&format!(" AND {id} {compare} ?{}", binds.len()));
    }
    text.push_str(&format!(" ORDER BY {id} {order} LIMIT {}", limit.saturating_add(1)));
    (text, binds)
}

/// A shop that nobody has deleted meanwhile: only there anything is written.
const ACTIVE: &str = "EXISTS (SELECT 1 FROM shops WHERE id = ?1 AND status = 'active')";

impl Db {
    /// The shop's catalogue, should it have none yet.
    pub fn open_catalogue(&self, shop_id: &str) -> Statement {
        let text = format!("INSERT INTO catalogues (shop_id, state) SELECT ?1, 'live' WHERE {ACTIVE} ON CONFLICT DO NOTHING");
        sql!(&text, shop_id)
    }

    /// Takes what a product is found by out of the index.
    fn forget_words(&self, shop_id: &str, id: &str) -> Statement {
        let text = format!(
            "DELETE FROM product_words WHERE (generation, word, id) IN (SELECT p.generation, w.value, p.id FROM products p, json_each(p.words) w
               WHERE p.generation = {} AND p.id = ?2)",
            generation_of("?1")
        );
        sql!(&text, shop_id, id)
    }

    /// Notes for the feeds of the shop's agents that a product changes, as it is at this place of a batch.
    fn note_change(&self, shop_id: &str, id: &str) -> Statement {
        sql!(&note_changes("?1", &changing("?1", "?2")), shop_id, id)
    }

    /// One product of the shop's.
    pub fn product(&self, shop_id: &str, id: &str, now: i64) -> Result<Option<Box<ProductRow>>> {
        self.find(self.products_for(shop_id, &Value::Array(vec![id.json()]).text(), now))
    }

    /// Writes one product over what was there of the same id; answers it as it is then, or nothing where the shop was deleted.
    pub fn put_product(&self, shop_id: &str, product: &Product, now: i64) -> Result<Option<Box<ProductRow>>> {
        let rows = format!("[{}]", staged(product, 0));
        let live = generation_of("?1");
        let there = format!("{live} IS NOT NULL");
        let batch = vec![
            self.open_catalogue(shop_id),
            self.forget_words(shop_id, &product.row.id),
            self.note_change(shop_id, &product.row.id),
            sql!(&write_rows(&live, "?2", "?3", &there), shop_id, &rows, now),
            self.note_change(shop_id, &product.row.id),
            sql!(&write_words(&live, "?2", &there), shop_id, &rows),
            self.wake_feeds(shop_id, now),
            self.wake_stock(shop_id, now),
            self.products_for(shop_id, &Value::Array(vec![product.row.id.json()]).text(), now),
        ];
        self.batch(batch)?.into_last().map_or(Ok(None), |rows| rows.first())
    }

    /// `false` where there was no such product.
    pub fn delete_product(&self, shop_id: &str, id: &str, now: i64) -> Result<bool> {
        let text = format!("DELETE FROM products WHERE generation = {} AND id = ?2", generation_of("?1"));
        let batch = vec![
            self.forget_words(shop_id, id),
            self.note_change(shop_id, id),
            sql!(&text, shop_id, id),
            self.wake_feeds(shop_id, now),
            self.wake_stock(shop_id, now),
        ];
        Ok(self.batch(batch)?.at(2)?.changes()? == 1)
    }

    /// How many products have each of some words, at most `most` counted; with the shop whose key it is.
    pub fn count_words(&self, whose: &Whose<'_>, words: &[String], most: i64) -> Result<(Option<Box<ShopRow>>, Vec<i64>)> {
        let text = format!(
            "SELECT count(*) AS n FROM (SELECT 1 FROM product_words WHERE generation = {} AND word = ?2 LIMIT {most})",
            generation_of(&whose.id())
        );
        let counts = words.iter().map(|word| sql!(&text, whose.bind(), word)).collect();
        let (shop, first, answers) = whose.batch(self, counts)?;
        let counts = (0..words.len()).map(|at| answers.at(first.saturating_add(at))?.number()).collect::<Result<_>>()?;
        Ok((shop, counts))
    }

    /// A page of the shop's products in the order of their ids, of those that have all of some words; one more than asked for. The
    /// first word leads through the index, so it had better be the rarest. `None`: there is no such product to begin at.
    /// With the shop, where it is asked for by a key.
    pub fn products(
        &self, whose: &Whose<'_>, words: &[String], cursor: &Cursor<'_>, limit: i64, now: i64,
    ) -> Result<(Found<ShopRow>, Option<Vec<ProductRow>>)> {
        let (text, binds) = products_page(whose, words, cursor, limit, now);
        let mut batch = Vec::new();
        if let Cursor::After(id) | Cursor::Before(id) = cursor {
            let text = format!("SELECT id FROM products WHERE generation = {} AND id = ?2", generation_of(&whose.id()));
            batch.push(sql!(&text, whose.bind(), *id));
        }
        let page = batch.len();
        batch.push(Statement::with(&text, &binds));
        let (shop, first, answers) = whose.batch(self, batch)?;
        if page == 1 && !answers.at(first)?.any() {
            return Ok((shop, None));
        }
        let rows = answers.at(first.saturating_add(page))?.all()?;
        Ok((shop, Some(rows)))
    }

    /// The shop's products from a place on, in the order of their ids, whether or not there is one at that place: for whoever goes
    /// through all of them. Some more than `limit`; none at the end.
    pub fn products_after(&self, shop_id: &str, cursor: &Cursor<'_>, limit: i64, now: i64) -> Result<Vec<ProductRow>> {
        let whose = Whose::Shop(shop_id);
        let (text, binds) = products_page(&whose, &[], cursor, limit, now);
        self.list(Statement::with(&text, &binds))
    }

    /// Sets stock, and availability where it is named, of a JSON list of `[id, quantity, availability]`; answers the ids that there are.
    pub fn set_inventory(&self, shop_id: &str, rows: &str, now: i64) -> Result<Vec<String>> {
        let text = format!(
            // An UPDATE would be led by the products, and hold each of them against the whole list.
            "INSERT INTO products (generation, id, title, price, currency, digital, extra, words, availability, inventory_quantity, updated)
             SELECT p.generation, p.id, p.title, p.price, p.currency, p.digital, p.extra, p.words, coalesce(e.value ->> 2, p.availability),
               e.value ->> 1, ?3 FROM json_each(?2) e CROSS JOIN products p ON p.generation = {} AND p.id = e.value ->> 0 WHERE true
             ON CONFLICT (generation, id) DO UPDATE SET availability = excluded.availability,
               inventory_quantity = excluded.inventory_quantity, updated = excluded.updated RETURNING id",
            generation_of("?1")
        );
        let note = note_changes("?1", &changing("?1", "SELECT value ->> 0 FROM json_each(?2)"));
        let batch =
            vec![sql!(&text, shop_id, rows, now), sql!(&note, shop_id, rows), self.wake_feeds(shop_id, now), self.wake_stock(shop_id, now)];
        Ok(self.batch(batch)?.at(0)?.ids())
    }

    /// Keeps the shop's rules, of one that is not verified yet too; `false` where it was deleted meanwhile.
    pub fn set_fulfillment(&self, shop_id: &str, body: &str, now: i64) -> Result<bool> {
        let text = "INSERT INTO fulfillment (shop_id, body, updated) SELECT ?1, ?2, ?3
             WHERE EXISTS (SELECT 1 FROM shops WHERE id = ?1 AND status IN ('pending', 'active'))
             ON CONFLICT (shop_id) DO UPDATE SET body = excluded.body, updated = excluded.updated";
        self.moved(sql!(text, shop_id, body, now))
    }

    /// Rows of [`ProductRow`]: those of the shop's products whose ids are in a JSON list.
    pub fn products_for(&self, shop_id: &str, ids_json: &str, now: i64) -> Statement {
        sql!(&products_select("?1", "?2", "?3"), shop_id, ids_json, now)
    }

    /// Holds what is tracked of `items_json` (a list of `{id, quantity}`) until `expires_at`, all of it or nothing: of two who race
    /// for the last piece one gets it. What the holder has of the same products is replaced, of others it stays (see
    /// [`Db::release_stock`]). Its changes are the products held: 0 also where none is tracked, so
    /// what hangs on it asks [`stock_suffices`] in the same batch, before this.
    pub fn hold_stock(&self, holder: &str, shop_id: &str, items_json: &str, expires_at: i64, now: i64) -> Statement {
        let text = format!(
            "INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at)
             SELECT ?1, ?2, p.id, i.quantity, ?5
             FROM (SELECT value ->> '$.id' AS id, sum(value ->> '$.quantity') AS quantity FROM json_each(?3) GROUP BY 1) i
               CROSS JOIN products p ON p.generation = {generation} AND p.id = i.id
             WHERE p.inventory_quantity IS NOT NULL AND {suffices}
             ON CONFLICT (holder, product_id) DO UPDATE SET quantity = excluded.quantity, expires_at = excluded.expires_at",
            generation = generation_of("?2"),
            suffices = stock_suffices("?1", "?2", "?3", "?4")
        );
        sql!(&text, holder, shop_id, items_json, now, expires_at)
    }

    /// Gives back all that a holder holds.
    pub fn release_stock(&self, holder: &str) -> Statement {
        sql!("DELETE FROM stock_holds WHERE holder = ?1", holder)
    }

    /// After the payment: what the holder holds is gone from the stock, once. Run again it finds no holds. A hold that ran out
    /// counts as well, until the sweep deletes it a day later: what was paid was sold.
    pub fn take_stock(&self, holder: &str, now: i64) -> Vec<Statement> {
        let [note, wake, stock] = self.note_taken(holder, now);
        vec![
            note,
            wake,
            stock,
            sql!(
                "UPDATE products SET inventory_quantity = max(0, inventory_quantity - taken.quantity)
                 FROM (SELECT c.generation, h.product_id, h.quantity FROM stock_holds h
                         JOIN catalogues c ON c.shop_id = h.shop_id AND c.state = 'live' WHERE h.holder = ?1) taken
                 WHERE products.generation = taken.generation AND products.id = taken.product_id
                   AND products.inventory_quantity IS NOT NULL",
                holder
            ),
            self.release_stock(holder),
        ]
    }

    /// The shop's rules (column `body`, for [`crate::fulfillment::Fulfillment::stored`]); no row where it has set none.
    pub fn fulfillment_for(&self, shop_id: &str) -> Statement {
        sql!("SELECT body, updated FROM fulfillment WHERE shop_id = ?1", shop_id)
    }

    /// Counts a coupon's redemption, unless it was redeemed `max` times. Its changes say whether it counted. `code` is
    /// [`crate::fulfillment::Coupon::key`]. Not repeatable by itself: put it into a batch with what happens once, under a condition
    /// whose own parameters begin at `?4`.
    pub fn redeem(&self, shop_id: &str, code: &str, max: Option<i64>, condition: &str, more: &[Bind<'_>]) -> Statement {
        let text = format!(
            "INSERT INTO coupon_redemptions (shop_id, code, count) SELECT ?1, ?2, 1 WHERE coalesce(?3, 1) >= 1 AND ({condition})
             ON CONFLICT (shop_id, code) DO UPDATE SET count = count + 1 WHERE ?3 IS NULL OR count < ?3"
        );
        let mut binds = vec![Bind::Text(shop_id), Bind::Text(code), max.into()];
        binds.extend(more.iter().copied());
        Statement::with(&text, &binds)
    }
}

record! {
    /// A row of `fulfillment`.
    #[derive(Debug)]
    pub struct FulfillmentRow {
        pub body: String,
        pub updated: i64,
    }
}
