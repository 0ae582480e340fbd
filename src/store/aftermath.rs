//! What becomes of a transaction after it was paid: found by what Stripe names, and written only where nobody else was faster.

use super::idempotency::{Attempt, AttemptRow, HOLDS};
use super::shops::{SHOP_OF_KEY, ShopRow};
use super::{Bind, Db, Statement};
use crate::aftermath::Revised;
use crate::error::Result;
use crate::ledger::Row;
use crate::order::OrderRow;
use crate::sql;

/// All that a decision about a refund or a capture needs, in one round trip.
pub struct Loaded {
    pub shop: Option<Box<ShopRow>>,
    pub attempt: Option<Box<AttemptRow>>,
    pub row: Option<Box<Row>>,
}

/// What a change of a transaction wants of the order that it made.
pub enum OfOrder<'a> {
    /// The change is nothing to the order.
    Untouched,
    /// There is none, and there still must not be: one that is written at the same moment would know nothing of the change.
    Missing,
    /// It is as it was read: what the agent is told was made from that.
    As(&'a OrderRow),
}

/// Whether the row is as it was when it was read: what follows from its refunds and disputes was decided from these.
const UNCHANGED: &str = "id = ?5 AND status = ?6 AND refunds = ?7 AND dispute IS ?8 AND amount_captured = ?9";

fn unchanged<'a>(row: &'a Row) -> [Bind<'a>; 5] {
    [(&row.id).into(), row.status.name().into(), (&row.refunds).into(), (&row.dispute).into(), row.amount_captured.into()]
}

impl Db {
    pub fn load_for_change(&self, key_hash: &str, now: i64, path: &str, key: &str, transaction: &str) -> Result<Loaded> {
        let shop = format!("SELECT * FROM shops WHERE id = {SHOP_OF_KEY}");
        let row = format!("SELECT * FROM transactions WHERE id = ?3 AND shop_id = {SHOP_OF_KEY}");
        let answers = self.batch(vec![
            sql!(&shop, key_hash, now),
            self.attempt_of_key(key_hash, now, path, key),
            sql!(&row, key_hash, now, transaction),
        ])?;
        Ok(Loaded { shop: answers.at(0)?.first()?, attempt: answers.at(1)?.first()?, row: answers.at(2)?.first()? })
    }

    /// What an event is about, and whether it was seen before. A refund or dispute names a PaymentIntent, of which there is one row
    /// however many shops share the account; only where that is not known, the transaction counts that the object names.
    pub fn event_about(&self, event: &str, payment_intent: Option<&str>, transaction: Option<&str>) -> Result<(bool, Option<Box<Row>>)> {
        let answers = self.batch(vec![
            sql!("SELECT id FROM stripe_events WHERE id = ?1", event),
            sql!(
                "SELECT * FROM (SELECT 0 AS turn, * FROM transactions WHERE payment_intent = ?1
                       UNION ALL SELECT 1 AS turn, * FROM transactions WHERE id = ?2) ORDER BY turn LIMIT 1",
                payment_intent,
                transaction
            ),
        ])?;
        Ok((answers.at(0)?.any(), answers.at(1)?.first()?))
    }

    /// Writes what follows for `row`, in one statement that wants it and its order unchanged. With an attempt, only while that one holds
    /// its key.
    pub fn revise(&self, row: &Row, revised: &Revised, attempt: Option<&Attempt<'_>>, order: &OfOrder<'_>) -> Statement {
        let after = &revised.row;
        let held = if attempt.is_some() { HOLDS } else { "1" };
        let order_unchanged = match order {
            OfOrder::Untouched => "1",
            OfOrder::Missing => "NOT EXISTS (SELECT 1 FROM orders WHERE transaction_id = ?5)",
            OfOrder::As(_) => "EXISTS (SELECT 1 FROM orders WHERE id = ?17 AND version = ?18)",
        };
        let text = format!(
            "UPDATE transactions SET status = ?10, refunds = ?11, dispute = ?12, amount_refunded = ?13, application_fee_refunded = ?14,
               events = ?15, check_at = ?16, checks = 0 WHERE {UNCHANGED} AND {held} AND {order_unchanged}"
        );
        let mut binds = attempt.map_or_else(|| ["", "", "", ""].map(Bind::Text).into(), Attempt::binds);
        binds.extend(unchanged(row));
        binds.extend([
            Bind::from(after.status.name()),
            Bind::from(&after.refunds),
            Bind::from(&after.dispute),
            Bind::from(after.amount_refunded),
            Bind::from(after.application_fee_refunded),
            Bind::from(&after.events),
            Bind::from(revised.check_at),
        ]);
        if let OfOrder::As(order) = order {
            binds.extend([Bind::from(&order.id), Bind::from(order.version)]);
        }
        Statement::with(&text, &binds)
    }

    /// Whether the shop's part of a change is done once the row is `row`: an answer that is kept, an event that was applied.
    pub fn keep_answer_of(&self, attempt: &Attempt<'_>, status: u16, body: &str, row: &Row) -> Statement {
        let condition = "EXISTS (SELECT 1 FROM transactions WHERE id = ?7 AND status = ?8 AND refunds = ?9 AND dispute IS ?10 AND amount_captured = ?11)";
        self.keep_answer_if(attempt, status, body, condition, &unchanged(row))
    }

    /// Keeps that an event was applied, if the row is what the event made of it.
    #[allow(clippy::too_many_arguments)]
    pub fn remember_event_of(
        &self, id: &str, kind: &str, account: Option<&str>, live: bool, created: i64, now: i64, row: &Row,
    ) -> Statement {
        sql!(
            "INSERT INTO stripe_events (id, type, account, livemode, transaction_id, created, received)
             SELECT ?1, ?2, ?3, ?4, ?7, ?5, ?6 WHERE EXISTS (SELECT 1 FROM transactions WHERE id = ?7 AND status = ?8 AND refunds = ?9
               AND dispute IS ?10 AND amount_captured = ?11)
             ON CONFLICT (id) DO NOTHING",
            id,
            kind,
            account,
            live,
            created,
            now,
            &row.id,
            row.status.name(),
            &row.refunds,
            &row.dispute,
            row.amount_captured
        )
    }

    /// Takes the key of a capture; the sweep looks soon, should nothing more be heard.
    pub fn begin_capture(&self, row: &Row, attempt: &Attempt<'_>, claim: Statement, check_at: i64) -> Result<bool> {
        let text = format!("UPDATE transactions SET check_at = ?6 WHERE id = ?5 AND status = 'authorized' AND {HOLDS}");
        let mut binds = attempt.binds();
        binds.extend([Bind::from(&row.id), Bind::from(check_at)]);
        let answers = self.batch(vec![claim, Statement::with(&text, &binds)])?;
        answers.at(0)?.changed()
    }

    /// An account tells how it is; what is older than the last look says nothing new.
    pub fn account_updated(&self, account: &str, live: bool, charges_enabled: bool, details_submitted: bool, at: i64) -> Result<bool> {
        self.moved(sql!(
            "UPDATE connections SET charges_enabled = ?3, details_submitted = ?4, checked_at = ?5
             WHERE account = ?1 AND livemode = ?2 AND status = 'active' AND coalesce(checked_at, 0) <= ?5",
            account,
            live,
            charges_enabled,
            details_submitted,
            at
        ))
    }
}
