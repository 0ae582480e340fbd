//! Products, their stock, and what is kept of it for payments under way.

// Offered to whoever prices and sells from the catalogue.
#![allow(dead_code)]

use super::{Bind, Db, Statement};
use crate::sql;

record! {
    /// A product as D1 has it. Amounts are minor units of `currency`.
    #[derive(Debug)]
    pub struct ProductRow {
        pub id: String,
        pub title: String,
        pub description: Option<String>,
        pub link: Option<String>,
        pub image_link: Option<String>,
        pub additional_image_link: Option<String>,
        pub price: i64,
        /// Three lower-case letters.
        pub currency: String,
        pub sale_price: Option<i64>,
        pub sale_price_effective_date: Option<String>,
        /// Unix seconds.
        pub sale_from: Option<i64>,
        /// The first second that is past it.
        pub sale_until: Option<i64>,
        /// `in_stock`, `out_of_stock`, `preorder` or `backorder`.
        pub availability: String,
        pub availability_date: Option<String>,
        /// None: not tracked.
        pub inventory_quantity: Option<i64>,
        pub stripe_product_tax_code: Option<String>,
        pub tax_behavior: Option<String>,
        pub item_group_id: Option<String>,
        pub item_group_title: Option<String>,
        pub brand: Option<String>,
        pub gtin: Option<String>,
        pub mpn: Option<String>,
        pub condition: Option<String>,
        pub google_product_category: Option<String>,
        /// 1: nothing is shipped.
        pub digital: i64,
        /// Every other column: an object of texts, as JSON.
        pub extra: String,
        /// Unix seconds.
        pub updated: i64,
        /// Pieces that are kept for payments under way.
        pub held: i64,
    }
}

impl ProductRow {
    /// What a piece costs now, minor units.
    pub fn price_at(&self, now: i64) -> i64 {
        let on_sale = self.sale_from.is_none_or(|from| from <= now) && self.sale_until.is_none_or(|until| now < until);
        self.sale_price.filter(|_| on_sale).unwrap_or(self.price)
    }

    /// How many pieces can be sold now; `None`: as many as are wanted. What can be ordered before it is there is not limited.
    pub fn sellable(&self) -> Option<i64> {
        match (self.availability.as_str(), self.inventory_quantity) {
            ("out_of_stock", _) => Some(0),
            ("preorder" | "backorder", _) | (_, None) => None,
            (_, Some(quantity)) => Some(quantity.saturating_sub(self.held).max(0)),
        }
    }
}

/// The live catalogue's number of a shop.
fn generation_of(shop_expr: &str) -> String {
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
    format!(
        "SELECT p.*, {held} AS held FROM products p WHERE p.generation = {generation}
           AND p.id IN (SELECT value FROM json_each({ids_expr}))",
        held = held(shop_expr, "NULL", now_expr),
        generation = generation_of(shop_expr)
    )
}

/// The ids (`id`) of what cannot be had in the wanted quantity: unknown, out of stock, or too few that nobody else holds.
/// `items_expr` is a JSON list of `{id, quantity}`; the holder's own holds do not count against him.
fn short_select(holder_expr: &str, shop_expr: &str, items_expr: &str, now_expr: &str) -> String {
    format!(
        "SELECT i.id AS id FROM (SELECT value ->> '$.id' AS id, sum(value ->> '$.quantity') AS quantity
             FROM json_each({items_expr}) GROUP BY 1) i
           LEFT JOIN products p ON p.generation = {generation} AND p.id = i.id
         WHERE p.id IS NULL OR p.availability = 'out_of_stock' OR (p.availability = 'in_stock' AND p.inventory_quantity IS NOT NULL
           AND p.inventory_quantity - {held} < i.quantity)",
        held = held(shop_expr, holder_expr, now_expr),
        generation = generation_of(shop_expr)
    )
}

/// The condition that all of `items_expr` can be had, for the `WHERE` of a caller's own statement beside [`Db::hold_stock`].
pub fn stock_suffices(holder_expr: &str, shop_expr: &str, items_expr: &str, now_expr: &str) -> String {
    format!("NOT EXISTS ({})", short_select(holder_expr, shop_expr, items_expr, now_expr))
}

impl Db {
    /// Rows of [`ProductRow`]: those of the shop's products whose ids are in a JSON list.
    pub fn products_for(&self, shop_id: &str, ids_json: &str, now: i64) -> Statement {
        sql!(self, &products_select("?1", "?2", "?3"), shop_id, ids_json, now)
    }

    /// The ids (column `id`, see [`super::Rows::ids`]) of what cannot be had in the wanted quantity. `items_json` is a list of
    /// `{id, quantity}`. Before [`Db::hold_stock`] in one batch: no row says that it holds all.
    pub fn stock_short(&self, holder: &str, shop_id: &str, items_json: &str, now: i64) -> Statement {
        sql!(self, &short_select("?1", "?2", "?3", "?4"), holder, shop_id, items_json, now)
    }

    /// Holds what is tracked of `items_json` (a list of `{id, quantity}`) until `expires_at`, all of it or nothing: of two who race
    /// for the last piece one gets it. What the holder has of the same products is replaced, of others it stays (see
    /// [`Db::release_stock`]). Its changes are the products held: 0 also where none is tracked, hence [`Db::stock_short`].
    pub fn hold_stock(&self, holder: &str, shop_id: &str, items_json: &str, expires_at: i64, now: i64) -> Statement {
        let text = format!(
            "INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at)
             SELECT ?1, ?2, p.id, i.quantity, ?5
             FROM (SELECT value ->> '$.id' AS id, sum(value ->> '$.quantity') AS quantity FROM json_each(?3) GROUP BY 1) i
               JOIN products p ON p.generation = {generation} AND p.id = i.id
             WHERE p.inventory_quantity IS NOT NULL AND {suffices}
             ON CONFLICT (holder, product_id) DO UPDATE SET quantity = excluded.quantity, expires_at = excluded.expires_at",
            generation = generation_of("?2"),
            suffices = stock_suffices("?1", "?2", "?3", "?4")
        );
        sql!(self, &text, holder, shop_id, items_json, now, expires_at)
    }

    /// Gives back all that a holder holds.
    pub fn release_stock(&self, holder: &str) -> Statement {
        sql!(self, "DELETE FROM stock_holds WHERE holder = ?1", holder)
    }

    /// After the payment: what the holder holds is gone from the stock, once. Run again it finds no holds. A hold that ran out
    /// counts as well, until the sweep deletes it a day later: what was paid was sold.
    pub fn take_stock(&self, holder: &str) -> Vec<Statement> {
        vec![
            sql!(
                self,
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
        sql!(self, "SELECT body, updated FROM fulfillment WHERE shop_id = ?1", shop_id)
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
        self.statement(&text, &binds)
    }

    /// How often coupons were redeemed: rows of `id` (the code's key) and `n`, for those of a JSON list.
    pub fn redemptions(&self, shop_id: &str, codes_json: &str) -> Statement {
        sql!(
            self,
            "SELECT code AS id, count AS n FROM coupon_redemptions WHERE shop_id = ?1 AND code IN (SELECT value FROM json_each(?2))",
            shop_id,
            codes_json
        )
    }
}
