//! The three round trips of making a session: load, begin, record.

use super::catalogue::generation_of;
use super::connect::ConnectionRow;
use super::idempotency::{Attempt, AttemptRow, HOLDS};
use super::shops::{SHOP_OF_KEY, ShopRow};
use super::{Bind, Db, Statement};
use crate::error::Result;
use crate::ledger::Row;
use crate::sql;

/// All that a decision about a new session needs, in one round trip.
pub struct Loaded {
    pub shop: Option<Box<ShopRow>>,
    pub connections: Vec<ConnectionRow>,
    pub attempt: Option<Box<AttemptRow>>,
    /// The row of that attempt, if it is still without a session.
    pub attempted: Option<Box<Row>>,
    /// Rows of the same order, both modes, that stand in the way of a new session.
    pub same_order: Vec<Row>,
    /// Of its items those that the catalogue has; only where the fee goes by their categories.
    pub categories: Vec<Categorized>,
}

record! {
    /// A product's category, by which the platform's fee may go.
    #[derive(Debug)]
    pub struct Categorized {
        pub id: String,
        pub category: Option<String>,
    }
}

pub struct Begin<'a> {
    pub row: &'a Row,
    /// Whether the row is written for the first time or an earlier attempt's row is taken up again.
    pub fresh: bool,
    pub attempt: &'a Attempt<'a>,
    pub fingerprint: &'a str,
    pub locked_until: i64,
    /// Rows of the same order that were left without a session: no buyer ever saw an address of theirs.
    pub abandoned: &'a [String],
    pub check_at: i64,
    pub now: i64,
}

#[derive(PartialEq, Eq)]
pub enum Began {
    Yes,
    /// Another request holds the key.
    KeyTaken,
    /// Another session for this order is being made or open.
    OrderTaken,
}

impl Db {
    /// Round trip 1. `products` is a JSON list of ids that the items may have in the catalogue.
    pub fn load_for_session(
        &self, key_hash: &str, now: i64, path: &str, key: &str, order_id: Option<&str>, products: &str,
    ) -> Result<Loaded> {
        let shop = format!("SELECT * FROM shops WHERE id = {SHOP_OF_KEY}");
        let connections = format!(
            "SELECT * FROM connections WHERE shop_id = {SHOP_OF_KEY} ORDER BY (status = 'active') DESC, connected_at DESC LIMIT 20"
        );
        let attempted = format!(
            "SELECT * FROM transactions WHERE id = (SELECT subject FROM idempotency
               WHERE shop_id = {SHOP_OF_KEY} AND path = ?3 AND key = ?4) AND status = 'open' AND checkout_session IS NULL"
        );
        let same_order = format!(
            "SELECT * FROM transactions WHERE shop_id = {SHOP_OF_KEY} AND order_id = ?3
               AND status IN ('open', 'processing', 'authorized', 'paid', 'partially_refunded', 'disputed') ORDER BY id DESC LIMIT 10"
        );
        let categories = format!(
            "SELECT p.id, coalesce(p.google_product_category, p.extra ->> '$.product_category') AS category FROM products p
             WHERE p.generation = {} AND p.id IN (SELECT value FROM json_each(?3))
               AND EXISTS (SELECT 1 FROM shops WHERE id = {SHOP_OF_KEY} AND category_fees IS NOT NULL)",
            generation_of(SHOP_OF_KEY)
        );
        let mut batch = vec![
            sql!(&shop, key_hash, now),
            sql!(&connections, key_hash, now),
            self.attempt_of_key(key_hash, now, path, key),
            sql!(&attempted, key_hash, now, path, key),
            sql!(&categories, key_hash, now, products),
        ];
        if order_id.is_some() {
            batch.push(sql!(&same_order, key_hash, now, order_id));
        }
        let answers = self.batch(batch)?;
        Ok(Loaded {
            shop: answers.at(0)?.first()?,
            connections: answers.at(1)?.all()?,
            attempt: answers.at(2)?.first()?,
            attempted: answers.at(3)?.first()?,
            categories: answers.at(4)?.all()?,
            same_order: if order_id.is_some() { answers.at(5)?.all()? } else { Vec::new() },
        })
    }

    /// Round trip 2: takes the key and writes the row, before Stripe is called.
    pub fn begin_session(&self, begin: &Begin<'_>) -> Result<Began> {
        let row = begin.row;
        let (attempt, holds) = (begin.attempt, HOLDS);
        let mut batch = vec![self.take_key(attempt, begin.fingerprint, &row.id, None, begin.locked_until, begin.now)];
        for abandoned in begin.abandoned {
            let text = format!(
                "UPDATE transactions SET status = 'canceled', stripe_form = NULL, check_at = NULL,
                   events = json_insert(events, '$[#]', json_object('type', 'canceled', 'created', CAST(?6 AS INTEGER), 'by', 'superseded'))
                 WHERE id = ?5 AND status = 'open' AND checkout_session IS NULL AND attempt_until <= ?6 AND {holds}"
            );
            batch.push(sql!(&text, attempt.shop_id, attempt.path, attempt.key, attempt.lock, abandoned, begin.now));
        }
        if begin.fresh {
            // Not while another row of the order stands in the way, nor for a shop that has just left.
            let condition = "EXISTS (SELECT 1 FROM shops WHERE id = ?1 AND status = 'active') AND NOT EXISTS (SELECT 1 FROM transactions o
               WHERE o.shop_id = ?1 AND o.livemode = ?6 AND o.order_id = ?23
                 AND o.status IN ('processing', 'authorized', 'paid', 'partially_refunded', 'disputed'))";
            batch.push(self.insert_transaction(row, attempt, begin.locked_until, begin.check_at, condition, &[]));
        } else {
            let text = format!(
                "UPDATE transactions SET attempt_until = ?6 WHERE id = ?5 AND status = 'open' AND checkout_session IS NULL AND {holds}"
            );
            batch.push(sql!(&text, attempt.shop_id, attempt.path, attempt.key, attempt.lock, &row.id, begin.locked_until));
        }
        let answers = self.batch(batch)?;
        if answers.at(0)?.changes()? == 0 {
            return Ok(Began::KeyTaken);
        }
        let written = answers.at(begin.abandoned.len().saturating_add(1))?.changed()?;
        Ok(if written { Began::Yes } else { Began::OrderTaken })
    }

    /// Writes a row, if this request holds its key and under a condition whose own parameters begin at `?41`. The first is the shop,
    /// whoever the key's scope is.
    pub fn insert_transaction(
        &self, row: &Row, attempt: &Attempt<'_>, attempt_until: i64, check_at: i64, condition: &str, more: &[Bind<'_>],
    ) -> Statement {
        let text = format!(
            "INSERT INTO transactions (id, shop_id, livemode, account, charge_type, status, source, agent, currency, amount_expected,
               total_rule, shipping_choices, automatic_tax, amount, amount_subtotal, amount_tax, amount_shipping, application_fee_amount,
               capture, cart_id, order_id, order_key, success_url, cancel_url, expires_at, line_items, extras, discounts, metadata,
               customer, stripe_form, stripe_key, attempt_until, created, check_at, checkout_session, protocol)
             SELECT ?5, ?1, ?6, ?7, ?8, 'open', ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,
                    ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39
             WHERE EXISTS (SELECT 1 FROM idempotency WHERE shop_id = ?40 AND path = ?2 AND key = ?3 AND lock = ?4) AND {condition}
             ON CONFLICT DO NOTHING"
        );
        let mut binds: Vec<Bind<'_>> = vec![
            (&row.shop_id).into(),
            attempt.path.into(),
            attempt.key.into(),
            attempt.lock.into(),
            (&row.id).into(),
            row.livemode.into(),
            (&row.account).into(),
            (&row.charge_type).into(),
            (&row.source).into(),
            (&row.agent).into(),
            (&row.currency).into(),
            row.amount_expected.into(),
            (&row.total_rule).into(),
            (&row.shipping_choices).into(),
            row.automatic_tax.into(),
            row.amount.into(),
            row.amount_subtotal.into(),
            row.amount_tax.into(),
            row.amount_shipping.into(),
            row.application_fee_amount.into(),
            (&row.capture).into(),
            (&row.cart_id).into(),
            (&row.order_id).into(),
            (&row.order_key).into(),
            (&row.success_url).into(),
            (&row.cancel_url).into(),
            row.expires_at.into(),
            (&row.line_items).into(),
            (&row.extras).into(),
            (&row.discounts).into(),
            (&row.metadata).into(),
            (&row.customer).into(),
            (&row.stripe_form).into(),
            (&row.stripe_key).into(),
            attempt_until.into(),
            row.created.into(),
            check_at.into(),
            (&row.checkout_session).into(),
            (&row.protocol).into(),
            attempt.shop_id.into(),
        ];
        binds.extend(more.iter().copied());
        Statement::with(&text, &binds)
    }

    /// Round trip 3: the session, and the answer for whoever sends the same key again. Repeatable.
    /// `false`: the row was given up meanwhile, or its account disconnected; its address must not go out. Danger: whoever gives an
    /// account back has ended the sessions that he saw, and one that is handed out after his look could be paid where nobody can see it.
    pub fn record_session(&self, row: &Row, attempt: &Attempt<'_>, body: &str, now: i64) -> Result<bool> {
        let answers = self
            .repeatable(vec![
                    sql!(
                        "UPDATE transactions SET checkout_session = ?2, session_url = ?3, expires_at = ?4, stripe_form = NULL, attempt_until = 0,
                           events = CASE WHEN checkout_session IS NULL THEN
                             json_insert(events, '$[#]', json_object('type', 'open', 'created', CAST(?5 AS INTEGER), 'by', 'checkout'))
                             ELSE events END,
                           -- The kill switch was thrown while Stripe was at work: due at once, and the sweep ends it.
                           check_at = CASE WHEN (SELECT checkout_enabled FROM shops WHERE shops.id = transactions.shop_id) = 0 THEN ?5
                             ELSE check_at END
                         WHERE id = ?1 AND (checkout_session IS NULL OR checkout_session = ?2) AND status <> 'canceled'
                           AND EXISTS (SELECT 1 FROM connections c WHERE c.shop_id = transactions.shop_id AND c.livemode = transactions.livemode
                             AND c.account = transactions.account AND (c.status = 'active' OR c.gone_reason = 'account_invalid')
                             AND coalesce(c.closing_at, 0) < ?6 - 60)",
                        &row.id,
                        &row.checkout_session,
                        &row.session_url,
                        row.expires_at,
                        row.created,
                        now
                    ),
                    self.keep_answer_if(attempt, 201, body,
                        "EXISTS (SELECT 1 FROM transactions WHERE id = ?7 AND checkout_session = ?8)",
                        &[Bind::from(&row.id), Bind::from(&row.checkout_session)]),
            ])?;
        answers.at(0)?.changed()
    }

    /// Stripe refused: nothing was created, the row goes, the refusal stays for whoever sends the same key again.
    pub fn record_refusal(&self, row: &Row, attempt: &Attempt<'_>, status: u16, body: &str) -> Result<()> {
        self.run_repeatable(vec![
            sql!("DELETE FROM transactions WHERE id = ?1 AND status = 'open' AND checkout_session IS NULL", &row.id),
            self.keep_answer(attempt, status, body),
        ])
    }

    /// No answer from Stripe: the same key may be sent again at once, and finds the row with its form.
    pub fn release_attempt(&self, attempt: &Attempt<'_>, transaction: &str) -> Result<()> {
        self.run_repeatable(vec![
            self.let_go(attempt),
            sql!("UPDATE transactions SET attempt_until = 0 WHERE id = ?1 AND checkout_session IS NULL", transaction),
        ])
    }

    /// Undoes an attempt that found its order or its connection taken: the row never reached Stripe.
    pub fn drop_attempt(&self, row: &Row, attempt: &Attempt<'_>) -> Result<()> {
        self.run(vec![
            sql!("DELETE FROM transactions WHERE id = ?1 AND status = 'open' AND checkout_session IS NULL", &row.id),
            self.forget(attempt),
        ])
    }

    /// Stripe replays its own stored 5xx: the next key of the row, written down before it is used.
    pub fn next_stripe_key(&self, transaction: &str, key: &str) -> Result<()> {
        self.run(vec![sql!("UPDATE transactions SET stripe_key = ?2 WHERE id = ?1 AND checkout_session IS NULL", transaction, key)])
    }
}
