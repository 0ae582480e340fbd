//! The agentic side of shops at Stripe: who has it, by which rules, and what was answered to hooks.

use super::catalogue::generation_of;
use super::shops::ShopRow;
use super::{Db, Pending, Statement};
use crate::error::Result;
use crate::ledger::Row;
use crate::sql;

record! {
    /// The agentic side of a shop in one mode.
    #[derive(Debug)]
    pub struct AgenticRow {
        pub shop_id: String,
        pub livemode: i64,
        pub account: String,
        pub enabled: i64,
        /// JSON: src/agentic/rules.rs.
        pub rules: String,
        pub created: i64,
        pub updated: i64,
    }
}

/// The agentic side that an account has in a mode: `?1` account, `?2` mode. That of a shop which is connected to it now; of two, the
/// one that had it first.
pub const AGENTIC_OF_ACCOUNT: &str = "FROM agentic a JOIN connections c ON c.shop_id = a.shop_id AND c.livemode = a.livemode
    AND c.account = a.account AND c.status = 'active' WHERE a.account = ?1 AND a.livemode = ?2 ORDER BY a.created, a.shop_id LIMIT 1";

impl Db {
    /// Whose the agentic side of an account is, and its shop.
    pub async fn agentic_of_account(&self, account: &str, live: bool) -> Result<Option<(Box<AgenticRow>, Box<ShopRow>)>> {
        let row = format!("SELECT a.* {AGENTIC_OF_ACCOUNT}");
        let shop = format!("SELECT * FROM shops WHERE id = (SELECT a.shop_id {AGENTIC_OF_ACCOUNT}) AND status <> 'deleted'");
        let answers = self.batch(vec![sql!(self, &row, account, live), sql!(self, &shop, account, live)]).await?;
        Ok(answers.at(0)?.first()?.zip(answers.at(1)?.first()?))
    }

    /// The agentic side of a shop in a mode.
    pub fn agentic(&self, shop_id: &str, live: bool) -> Pending<Option<Box<AgenticRow>>> {
        self.find(sql!(self, "SELECT * FROM agentic WHERE shop_id = ?1 AND livemode = ?2", shop_id, live))
    }
}

/// What an event says of a session that names no transaction of ours.
#[derive(Clone, Copy)]
pub struct Heard<'a> {
    /// The event's id; "" where none is to be remembered.
    pub event: &'a str,
    /// The account that sells, where it is known.
    pub account: Option<&'a str>,
    pub live: bool,
    /// `cs_…`, `pi_…`: at least one of them.
    pub session: Option<&'a str>,
    pub intent: Option<&'a str>,
}

/// What is known here of it.
#[derive(Default)]
pub struct Known {
    pub seen: bool,
    /// The transaction that it became.
    pub row: Option<Box<Row>>,
    /// Who has the agentic side of the account.
    pub side: Option<(Box<AgenticRow>, Box<ShopRow>)>,
    /// The shop for which a hook of ours approved the session.
    pub approved_for: Option<String>,
    /// Whether anybody here sells to agents, in this mode.
    pub anybody: bool,
}

record! {
    /// A session that was approved and of which nothing more was heard.
    #[derive(Debug)]
    pub struct Approved {
        pub id: String,
        pub shop_id: String,
        pub livemode: i64,
        pub checkout_session: String,
        pub created: i64,
        pub ask_at: i64,
        /// The account that sells.
        pub account: String,
    }
}

/// Whether the transaction `?2` is one that has just been paid, and has no order yet: what it sold is taken once, however often the batch
/// is sent.
const JUST_SOLD: &str = "EXISTS (SELECT 1 FROM transactions WHERE id = ?2 AND status = 'paid')
    AND NOT EXISTS (SELECT 1 FROM orders WHERE transaction_id = ?2)";

impl Db {
    /// All that is known of a session or a payment that names no transaction of ours, in one round trip.
    pub async fn agentic_heard(&self, heard: &Heard<'_>) -> Result<Known> {
        let Heard { event, account, live, session, intent } = *heard;
        let side = format!("SELECT a.* {AGENTIC_OF_ACCOUNT}");
        let shop = format!("SELECT * FROM shops WHERE id = (SELECT a.shop_id {AGENTIC_OF_ACCOUNT}) AND status <> 'deleted'");
        let answers = self
            .batch(vec![
                sql!(self, "SELECT id FROM stripe_events WHERE id = ?1", event),
                sql!(
                    self,
                    "SELECT * FROM (SELECT * FROM transactions WHERE payment_intent = ?1 UNION ALL SELECT * FROM transactions WHERE checkout_session = ?2)
                     WHERE protocol = 'stripe' LIMIT 1",
                    intent,
                    session
                ),
                sql!(self, &side, account, live),
                sql!(self, &shop, account, live),
                sql!(
                    self,
                    "SELECT shop_id AS id FROM agentic_hooks WHERE checkout_session = ?1 AND livemode = ?2 AND approved = 1 LIMIT 1",
                    session,
                    live
                ),
                sql!(self, "SELECT shop_id AS id FROM agentic WHERE livemode = ?1 AND enabled = 1 LIMIT 1", live),
            ])
            .await?;
        Ok(Known {
            seen: answers.at(0)?.any(),
            row: answers.at(1)?.first()?,
            side: answers.at(2)?.first()?.zip(answers.at(3)?.first()?),
            approved_for: answers.at(4)?.ids().pop(),
            anybody: answers.at(5)?.any(),
        })
    }

    /// Writes the transaction of an order that an agent made at Stripe, open as all are born: what it is by now is the next statement of
    /// the batch. Once for a payment and a session, however many events tell of it at the same moment.
    pub fn insert_agents_order(&self, row: &Row) -> Statement {
        sql!(
            self,
            "INSERT INTO transactions (id, shop_id, livemode, account, charge_type, status, source, agent, currency, amount_expected,
               total_rule, automatic_tax, amount, amount_subtotal, amount_tax, amount_shipping, application_fee_amount, capture,
               checkout_session, payment_intent, line_items, extras, discounts, metadata, stripe_key, attempt_until, created, protocol)
             SELECT ?1, ?2, ?3, ?4, ?5, 'open', ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, '', 0,
                    ?24, ?25
             WHERE EXISTS (SELECT 1 FROM shops WHERE id = ?2 AND status <> 'deleted')
               AND NOT EXISTS (SELECT 1 FROM transactions WHERE payment_intent = ?19)
             ON CONFLICT DO NOTHING",
            &row.id,
            &row.shop_id,
            row.livemode,
            &row.account,
            &row.charge_type,
            &row.source,
            &row.agent,
            &row.currency,
            row.amount_expected,
            &row.total_rule,
            row.automatic_tax,
            row.amount,
            row.amount_subtotal,
            row.amount_tax,
            row.amount_shipping,
            row.application_fee_amount,
            &row.capture,
            &row.checkout_session,
            &row.payment_intent,
            &row.line_items,
            &row.extras,
            &row.discounts,
            &row.metadata,
            row.created,
            &row.protocol
        )
    }

    /// What an order at Stripe sold is gone from the stock, whether a hook held it for the session (`holder` there is the session's id) or
    /// nobody did. For the batch in which the transaction is paid, before its order is written.
    pub fn sell_stock(&self, row: &Row, items_json: &str, now: i64) -> Vec<Statement> {
        let hold = format!(
            "INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at)
             SELECT ?2, ?1, p.id, i.quantity, ?4
             FROM (SELECT value ->> '$.id' AS id, sum(value ->> '$.quantity') AS quantity FROM json_each(?3) GROUP BY 1) i
               CROSS JOIN products p ON p.generation = {} AND p.id = i.id
             WHERE p.inventory_quantity IS NOT NULL AND {JUST_SOLD} ON CONFLICT DO NOTHING",
            generation_of("?1")
        );
        let release = format!("DELETE FROM stock_holds WHERE holder = ?1 AND {JUST_SOLD}");
        let mut statements = vec![
            sql!(self, &hold, &row.shop_id, &row.id, items_json, now),
            sql!(self, &release, &row.checkout_session, &row.id),
        ];
        statements.extend(self.take_stock(&row.id, now));
        statements
    }

    /// What became of a session that was approved is known.
    pub fn approval_answered(&self, session: &str) -> Statement {
        sql!(self, "UPDATE agentic_hooks SET ask_at = NULL WHERE checkout_session = ?1 AND approved = 1", session)
    }

    /// Nothing was sold in it, and nothing will be: what was held for it is given back.
    pub fn approval_over(&self, session: &str) -> Pending<()> {
        self.run(vec![self.approval_answered(session), self.release_stock(session)])
    }

    /// Sessions that were approved before `approved_before` and of which no event told, those that wait longest first.
    pub fn approvals_due(&self, now: i64, approved_before: i64, limit: i64) -> Pending<Vec<Approved>> {
        let text = format!(
            "SELECT h.id, h.shop_id, h.livemode, h.checkout_session, h.created, h.ask_at, a.account
             FROM agentic_hooks h JOIN agentic a ON a.shop_id = h.shop_id AND a.livemode = h.livemode
             WHERE h.approved = 1 AND h.ask_at <= ?1 AND h.checkout_session IS NOT NULL AND h.created <= ?2 ORDER BY h.ask_at LIMIT {limit}"
        );
        self.list(sql!(self, &text, now, approved_before))
    }

    /// Takes one of them for this run; it is asked about again at `ask_at`, or with none never.
    pub fn lease_approval(&self, due: &Approved, ask_at: Option<i64>) -> Pending<bool> {
        self.moved(sql!(self, "UPDATE agentic_hooks SET ask_at = ?3 WHERE id = ?1 AND ask_at = ?2", &due.id, due.ask_at, ask_at))
    }

    pub fn shop(&self, id: &str) -> Pending<Option<Box<ShopRow>>> {
        self.find(sql!(self, "SELECT * FROM shops WHERE id = ?1", id))
    }
}
