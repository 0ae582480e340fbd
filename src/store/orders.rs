//! Orders of agents, and what their agents are told of them.
//!
//! Every change of an order counts its version, and is written together with the event that tells the agent. Events of one order are
//! told one after the other: see [`Db::change_order`].

use super::{Bind, Db, Statement};
use crate::acp::dialect::Dialect;
use crate::acp::order::OrderDoc;
use crate::error::Result;
use crate::ledger::Row;
use crate::order::{self, OrderRow};
use crate::record::Json;
use crate::sql;
use crate::store::lists::{Cursor, List};
use crate::store::shops::ShopRow;

/// An order that a payment has made.
pub struct NewOrder<'a> {
    /// As it is told now.
    pub order: &'a OrderDoc,
    pub shop_id: &'a str,
    /// Who is told of it, and in which version's words; none where it was made at Stripe.
    pub agent_id: Option<&'a str>,
    pub dialect: Option<Dialect>,
    /// `acp`, or `stripe`.
    pub origin: &'a str,
    /// By which the buyer finds it on its page; as he wrote it.
    pub buyer_email: Option<&'a str>,
}

/// A change of an order.
pub struct Change<'a> {
    pub before: &'a OrderRow,
    pub after: &'a OrderRow,
    /// Where it is to be seen then.
    pub permalink_url: &'a str,
    /// What its agent is to be told, if it has one.
    pub event: Option<Event<'a>>,
    /// Only if the transaction is like this by then.
    pub if_paid: Option<&'a Row>,
}

/// What an agent is to be told of an order.
pub struct Event<'a> {
    /// Fresh: `ccevt_…`
    pub id: &'a str,
    pub kind: &'a str,
    /// The bytes that are sent.
    pub body: &'a str,
}

/// How an event is written for the agent `?4` of the shop `?2`: `?1` id, `?3` transaction, `?5` dialect, `?6` type, `?7` what makes it this
/// one and no other, `?8` body, `?9` now. Only where the statement before it in the batch changed a row. An agent without an address
/// has it kept, as a shop has its notices. While an earlier event of the order is under way it waits, and has no time.
const TELL_AGENT: &str = "INSERT INTO notices (id, shop_id, agent_id, dialect, type, once, object, transaction_id, created, status, due_at)
  SELECT ?1, s.id, a.id, ?5, ?6, ?7, ?8, ?3, ?9, CASE WHEN a.webhook_url IS NULL THEN 'kept' ELSE 'due' END,
    CASE WHEN a.webhook_url NOT NULL AND NOT EXISTS (SELECT 1 FROM notices WHERE agent_id = ?4 AND transaction_id = ?3 AND status = 'due')
      THEN ?9 END
  FROM shops s JOIN agents a ON a.shop_id = s.id WHERE s.id = ?2 AND a.id = ?4 AND changes() > 0 AND s.status <> 'deleted'
    AND a.deleted_at IS NULL ON CONFLICT DO NOTHING";

/// Filters of `GET /v1/orders`. Times have become id bounds.
#[derive(Default)]
pub struct Filter {
    pub live: Option<bool>,
    /// `agt_…`, or the agent's name.
    pub agent: Option<String>,
    pub status: Option<String>,
    pub order_id: Option<String>,
    pub from_id: Option<String>,
    pub below_id: Option<String>,
}

impl Db {
    /// Writes a new order, owes the shop `order.created` and tells the agent: for the batch in which the payment is recorded, behind
    /// what records it. A transaction has one order, whoever else writes it at the same moment; nothing is written for one that is not
    /// the shop's, that was not paid, or of a shop that was deleted. The order's own statement is the first: it says by `changes()`
    /// whether it was written. `shop_notice` and `agent_notice` are fresh ids (`ccevt_…`).
    pub fn create_order(&self, new: &NewOrder<'_>, shop_notice: &str, agent_notice: &str, now: i64) -> Vec<Statement> {
        let doc = new.order;
        let email = new.buyer_email.map(order::email_key);
        let insert = sql!(
            "INSERT INTO orders (id, shop_id, agent_id, agent, livemode, origin, dialect, checkout_session, transaction_id, order_id,
               order_number, status, body, fulfillments, adjustments, buyer_email, created, updated)
             SELECT ?1, t.shop_id, ?3, ?4, t.livemode, ?5, ?6, ?7, t.id, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17
             FROM transactions t JOIN shops s ON s.id = t.shop_id WHERE t.id = ?8 AND t.shop_id = ?2 AND s.status <> 'deleted'
               AND t.status NOT IN ('open', 'failed', 'expired', 'canceled') ON CONFLICT DO NOTHING",
            &doc.id,
            new.shop_id,
            new.agent_id,
            &doc.agent,
            new.origin,
            new.dialect.map(Dialect::name),
            &doc.checkout_session_id,
            &doc.transaction,
            &doc.order_id,
            &doc.order_number,
            if doc.status.is_empty() { "created" } else { doc.status.as_str() },
            &doc.text(),
            &doc.fulfillments.text(),
            &doc.adjustments.text(),
            &email,
            doc.created,
            now
        );
        let object = crate::acp::order::object(doc).text();
        let once = format!("{}/order.created", doc.transaction);
        let mut statements =
            vec![insert, self.owe_object(shop_notice, new.shop_id, &doc.transaction, ("order.created", &once), &object, now)];
        if let (Some(agent), Some(dialect)) = (new.agent_id, new.dialect) {
            let (kind, body) = order::event(dialect, true, doc);
            statements.push(self.tell_agent(
                new.shop_id,
                agent,
                &doc.transaction,
                dialect.name(),
                &Event { id: agent_notice, kind: &kind, body: &body },
                &format!("{}/1", doc.id),
                now,
            ));
        }
        statements
    }

    #[allow(clippy::too_many_arguments)]
    fn tell_agent(
        &self, shop_id: &str, agent: &str, transaction: &str, dialect: &str, event: &Event<'_>, once: &str, now: i64,
    ) -> Statement {
        self.owes(event.id);
        sql!(TELL_AGENT, event.id, shop_id, transaction, agent, dialect, event.kind, once, event.body, now)
    }

    /// Writes a change of an order that is as it was read, and tells its agent. The first statement says by `changes()` whether it was
    /// written.
    ///
    /// An older event must not overtake a newer one, and each holds the whole order. So of one order one event at most is on its way
    /// (it has a time, or a lease), and one at most waits behind it, the newest: what waited before has never been sent, and is only
    /// kept. What failed before is tried at once, since the newest waits for it.
    pub fn change_order(&self, change: &Change<'_>, now: i64) -> Vec<Statement> {
        let Change { before, after, if_paid, .. } = *change;
        let guard = if if_paid.is_some() {
            " AND EXISTS (SELECT 1 FROM transactions WHERE id = ?12 AND status = ?13 AND refunds = ?14 AND dispute IS ?15)"
        } else {
            ""
        };
        let text = format!(
            "UPDATE orders SET order_id = ?4, order_number = ?5, permalink_url = ?6, status = ?7, fulfillments = ?8, adjustments = ?9,
               version = ?10, updated = ?11 WHERE id = ?1 AND shop_id = ?2 AND version = ?3{guard}"
        );
        let mut binds: Vec<Bind<'_>> = vec![
            (&before.id).into(),
            (&before.shop_id).into(),
            before.version.into(),
            (&after.order_id).into(),
            (&after.order_number).into(),
            (&after.permalink_url).into(),
            (&after.status).into(),
            (&after.fulfillments).into(),
            (&after.adjustments).into(),
            after.version.into(),
            after.updated.into(),
        ];
        if let Some(row) = if_paid {
            binds.extend([Bind::from(&row.id), row.status.name().into(), (&row.refunds).into(), (&row.dispute).into()]);
        }
        let mut statements = vec![Statement::with(&text, &binds)];
        if let (Some(event), Some(agent), Some(dialect)) = (&change.event, &after.agent_id, &after.dialect) {
            let once = format!("{}/{}", after.id, after.version);
            statements.push(self.tell_agent(&after.shop_id, agent, &after.transaction_id, dialect, event, &once, now));
            statements.push(sql!(
                "UPDATE notices SET status = 'kept' WHERE agent_id = ?1 AND transaction_id = ?2 AND status = 'due' AND due_at IS NULL
                   AND id <> ?3 AND EXISTS (SELECT 1 FROM notices WHERE id = ?3 AND status = 'due')",
                agent,
                &after.transaction_id,
                event.id
            ));
            // Beyond what a lease can last: what is on its way this very moment is left alone.
            statements.push(sql!(
                "UPDATE notices SET due_at = ?4 WHERE agent_id = ?1 AND transaction_id = ?2 AND status = 'due' AND due_at > ?5 AND id <> ?3
                   AND EXISTS (SELECT 1 FROM notices WHERE id = ?3 AND status = 'due')",
                agent,
                &after.transaction_id,
                event.id,
                now,
                now.saturating_add(super::notices::LEASE)
            ));
        }
        // The agent's checkout says it too.
        statements.push(sql!(
            "UPDATE acp_sessions SET state = json_set(state, '$.order.number', ?3, '$.order.permalink_url', ?4, '$.order.status', ?5)
             WHERE id = ?1 AND shop_id = ?2 AND json_extract(state, '$.order.id') = ?6
               AND EXISTS (SELECT 1 FROM orders WHERE id = ?6 AND version = ?7)",
            &after.checkout_session,
            &after.shop_id,
            &after.order_number,
            change.permalink_url,
            &after.status,
            &after.id,
            after.version
        ));
        if before.order_id != after.order_id {
            // The ledger finds it by the same id.
            statements.push(sql!(
                "UPDATE transactions SET order_id = ?3 WHERE id = ?1 AND shop_id = ?2
                   AND EXISTS (SELECT 1 FROM orders WHERE id = ?4 AND version = ?5 AND order_id IS ?3)",
                &after.transaction_id,
                &after.shop_id,
                &after.order_id,
                &after.id,
                after.version
            ));
        }
        statements
    }

    pub fn order(&self, id: &str, shop_id: &str) -> Result<Option<Box<OrderRow>>> {
        self.find(sql!("SELECT * FROM orders WHERE id = ?1 AND shop_id = ?2", id, shop_id))
    }

    /// The order of a transaction, and its shop, whose `order_url_template` says where it is to be seen.
    pub fn order_of(&self, transaction: &str) -> Result<Option<(Box<OrderRow>, Box<ShopRow>)>> {
        let answers = self.batch(vec![
            sql!("SELECT * FROM orders WHERE transaction_id = ?1", transaction),
            sql!("SELECT * FROM shops WHERE id = (SELECT shop_id FROM orders WHERE transaction_id = ?1)", transaction),
        ])?;
        Ok(answers.at(0)?.first()?.zip(answers.at(1)?.first()?))
    }

    /// The order that whoever has this e-mail may see, and its shop. One that is another buyer's is not found, like one that is not
    /// there, and by the same reads: neither the answer nor its time tells the two apart.
    pub fn order_of_buyer(&self, id: &str, email: &str) -> Result<Option<(Box<OrderRow>, Box<ShopRow>)>> {
        const OF_BUYER: &str = "FROM orders WHERE id = ?1 AND buyer_email = ?2";
        let order = format!("SELECT * {OF_BUYER}");
        let shop = format!("SELECT * FROM shops WHERE id = (SELECT shop_id {OF_BUYER}) AND status <> 'deleted'");
        let answers = self.batch(vec![sql!(&order, id, email), sql!(&shop, id, email)])?;
        Ok(answers.at(0)?.first()?.zip(answers.at(1)?.first()?))
    }

    /// A page of the shop's orders: see [`Db::page_of`].
    pub fn orders(&self, shop_id: &str, filter: &Filter, cursor: &Cursor<'_>, limit: i64) -> Result<Option<Vec<OrderRow>>> {
        let agent = filter.agent.as_deref();
        let (by_id, by_name) = if agent.is_some_and(|agent| agent.starts_with("agt_")) { (agent, None) } else { (None, agent) };
        let conditions = [
            ("livemode = ?", filter.live.map(Bind::from)),
            ("agent_id = ?", by_id.map(Bind::Text)),
            ("agent = ?", by_name.map(Bind::Text)),
            ("status = ?", filter.status.as_deref().map(Bind::Text)),
            ("order_id = ?", filter.order_id.as_deref().map(Bind::Text)),
            ("id >= ?", filter.from_id.as_deref().map(Bind::Text)),
            ("id < ?", filter.below_id.as_deref().map(Bind::Text)),
        ];
        self.page_of(&List { table: "orders", columns: "*", shop_id, there: "1", conditions: &conditions }, cursor, limit)
    }
}
