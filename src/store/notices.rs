//! The outbox of notices to shops (contract, *To the shop*).

use super::shops::ShopRow;
use super::{Answers, Bind, Db, Statement, in_turn};
use crate::agent::AgentRow;
use crate::error::Result;
use crate::ledger::{News, Row};
use crate::notice::NoticeRow;
use crate::record::Json;
use crate::sql;
use crate::store::lists::{Cursor, List};
use serde_json::Value;

/// How long one attempt holds a notice, seconds: longer than it can take.
pub const LEASE: i64 = 60;
/// Notices that one run may take for one shop, and for one agent.
const OF_EACH: i64 = 40;
/// How long money without a buyer's name waits for it at most, seconds: longer than asking Stripe takes.
const NAMELESS: i64 = 15;

/// How a new notice is written, for each shop `s` that `from` finds, `columns` being its id, shop, type, name, object and transaction:
/// only where the statement before it in the batch changed a row, and only once by its name. A shop without a `webhook_url` has it kept:
/// an address that comes later must not be flooded with what is long past. Of a deleted shop nothing personal is written any more, and
/// nobody is there to be told.
fn owing(columns: &str, from: &str, now: i64, due_at: i64) -> String {
    format!(
        "INSERT INTO notices (id, shop_id, type, once, object, transaction_id, created, status, due_at)
         SELECT {columns}, {now}, CASE WHEN s.webhook_url IS NULL THEN 'kept' ELSE 'due' END, CASE WHEN s.webhook_url NOT NULL THEN {due_at} END
         FROM {from} AND changes() > 0 AND s.status <> 'deleted' ON CONFLICT DO NOTHING"
    )
}

/// Of a notice about a transaction.
const OWED_COLUMNS: &str = "?1, s.id, ?3, ?4, ?5, ?6";

/// An id made by D1, where one statement owes any number of notices: the present time (`?1`, see [`id_at`]) and 64 random bits.
const FRESH_ID: &str = "substr(?1, 1, 16) || lower(hex(randomblob(8)))";

/// The ids that were made so are answered.
const RETURNING: &str = " RETURNING id";

fn id_at(now: i64) -> String {
    crate::id::lowest_at("ccevt_", now)
}

record! {
    /// A notice that is due: enough to choose it by.
    #[derive(Debug)]
    pub struct Due {
        pub id: String,
        /// The shop's id, or the agent's.
        pub whose: String,
    }
}

/// A notice that is to be tried, with the shop that it is about, and the agent that it is for, if it is for one.
pub struct Leased {
    pub notice: Box<NoticeRow>,
    pub shop: Option<Box<ShopRow>>,
    pub agent: Option<Box<AgentRow>>,
}

/// What became of the wish to have a notice sent again.
pub enum Resent {
    Due,
    NoAddress,
    /// Of an agent's event: a newer one of its order exists.
    Superseded,
}

/// What an attempt gave, as its row is to say.
pub struct Attempted<'a> {
    pub id: &'a str,
    /// Until when the row was leased. A row that somebody else took meanwhile keeps his time.
    pub leased_until: i64,
    /// The new status.
    pub status: &'a str,
    /// `None`: no further attempt.
    pub due_at: Option<i64>,
    pub now: i64,
    /// The attempt as JSON, for the row's log; `None` when nothing was sent.
    pub entry: Option<String>,
    /// Of an agent's event: the agent and the transaction of the order.
    pub order: Option<(&'a str, &'a str)>,
}

impl Db {
    /// Owes the shop a notice about a transaction, `row` as it is after the change. Goes into the batch right behind the statement
    /// that makes the change, and is written only if that one changed a row. `once` names the notice: a second one of the same name
    /// is none. It is sent when the request has been answered.
    pub fn owe(&self, id: &str, row: &Row, kind: &str, once: &str, now: i64) -> Statement {
        self.owes(id);
        self.owe_at(id, row, kind, once, now, now)
    }

    /// The same for money that came without the buyer's name: whoever brings that makes it due (see [`Db::tell_buyer`]), and if nobody
    /// does, it is sent without.
    pub fn owe_nameless(&self, id: &str, row: &Row, kind: &str, once: &str, now: i64) -> Statement {
        self.owe_at(id, row, kind, once, now, now.saturating_add(NAMELESS))
    }

    fn owe_at(&self, id: &str, row: &Row, kind: &str, once: &str, now: i64, due_at: i64) -> Statement {
        let object = row.transaction().text();
        let text = owing(OWED_COLUMNS, "shops s WHERE s.id = ?2", now, due_at);
        sql!(&text, id, &row.shop_id, kind, once, &object, &row.id)
    }

    /// Owes the shop a notice about anything else that a transaction made, by its type and its name.
    pub fn owe_object(&self, id: &str, shop_id: &str, transaction: &str, (kind, once): (&str, &str), object: &str, now: i64) -> Statement {
        self.owes(id);
        let text = owing(OWED_COLUMNS, "shops s WHERE s.id = ?2", now, now);
        sql!(&text, id, shop_id, kind, once, object, transaction)
    }

    /// Completes what has not been sent yet, and makes it due: Stripe mostly tells first that money came (the PaymentIntent), and a
    /// moment later from whom and where it goes (the Session). A shop that is told the half of it would have to ask for the rest.
    /// Answers the ids (see [`Db::batch_owing`]).
    pub fn tell_buyer(&self, transaction: &str, news: &News, now: i64) -> Statement {
        let render = |value: &Option<Value>| value.as_ref().map(ToString::to_string);
        let (customer, shipping, billing) = (render(&news.customer), render(&news.shipping_details), render(&news.billing_details));
        sql!(
            "UPDATE notices SET due_at = CASE WHEN status = 'due' THEN ?5 END, object = json_set(object,
               '$.customer', json(coalesce(?2, object -> '$.customer')), '$.shipping_details', json(coalesce(?3, object -> '$.shipping_details')),
               '$.billing_details', json(coalesce(?4, object -> '$.billing_details')))
             WHERE transaction_id = ?1 AND attempts = 0 AND status IN ('due', 'kept') AND type >= 'transaction.' AND type < 'transaction/'
             RETURNING id",
            transaction,
            &customer,
            &shipping,
            &billing,
            now
        )
    }

    /// Owes `connection.active` or `connection.gone` for the connections that `which` finds (a condition on `c`, its parameters from
    /// `?2`), as they are after the statement before. One account may have ended in several shops: the ids are made here, of the
    /// present time and 64 random bits, and answered as rows (see [`Db::batch_owing`]). A superseded shop is told nothing more of its own.
    pub fn owe_connections(&self, which: &str, binds: &[Bind<'_>], now: i64) -> Statement {
        let columns = format!(
            "{FRESH_ID}, s.id, CASE c.status WHEN 'active' THEN 'connection.active' ELSE 'connection.gone' END, c.id || '/' || c.status || '/{now}',
               json_object('object', 'connection', 'connected', json(CASE c.status WHEN 'active' THEN 'true' ELSE 'false' END),
                 'account', c.account, 'livemode', json(CASE c.livemode WHEN 1 THEN 'true' ELSE 'false' END), 'scope', c.scope,
                 'connected_at', c.connected_at, 'charges_enabled', json(CASE c.charges_enabled WHEN 1 THEN 'true' WHEN 0 THEN 'false' END),
                 'details_submitted', json(CASE c.details_submitted WHEN 1 THEN 'true' WHEN 0 THEN 'false' END),
                 'checked_at', c.checked_at, 'gone_at', c.gone_at, 'gone_reason', c.gone_reason), NULL"
        );
        let from = format!("connections c JOIN shops s ON s.id = c.shop_id WHERE s.status <> 'superseded' AND {which}");
        let id = id_at(now);
        let mut all = vec![Bind::Text(&id)];
        all.extend_from_slice(binds);
        Statement::with(&(owing(&columns, &from, now, now) + RETURNING), &all)
    }

    /// Owes `shop.superseded` to the shop that held a site until the statement before. Its keys answer 401, so it cannot ask.
    pub fn owe_superseded(&self, site_url: &str, by: &str, now: i64) -> Statement {
        let columns = format!(
            "{FRESH_ID}, s.id, 'shop.superseded', s.id || '/superseded',
               json_object('object', 'shop', 'id', s.id, 'site_url', s.site_url, 'name', s.name, 'status', s.status,
                 'checkout_enabled', json(CASE s.checkout_enabled WHEN 1 THEN 'true' ELSE 'false' END), 'webhook_url', s.webhook_url,
                 'allowed_origins', json(s.allowed_origins), 'created', s.created), NULL"
        );
        let text = owing(&columns, "shops s WHERE s.site_url = ?2 AND s.status = 'superseded' AND s.id <> ?3", now, now);
        sql!(&(text + RETURNING), &id_at(now), site_url, by)
    }

    /// Owes shops (a JSON list of ids) a notice about an agreement with an agent, behind the statement that remembers the event of it.
    pub fn owe_agreement(&self, shops: &str, kind: &str, agreement: &str, object: &str, now: i64) -> Statement {
        let columns = format!("{FRESH_ID}, s.id, ?3, s.id || '/' || ?4 || '/' || ?3, ?5, NULL");
        let text = owing(&columns, "shops s WHERE s.id IN (SELECT value FROM json_each(?2)) AND s.status <> 'superseded'", now, now);
        sql!(&(text + RETURNING), &id_at(now), shops, kind, agreement, object)
    }

    /// A batch with statements that answer the ids of what they owe: those are sent when the request has been answered.
    pub fn batch_owing(&self, statements: Vec<Statement>) -> Result<Answers> {
        let answers = self.batch(statements)?;
        self.counters.owe(self.place, answers.ids_with("ccevt_"));
        Ok(answers)
    }

    /// Takes a due notice for one attempt, in one conditional statement: of two that want it, one gets it. With whom it is for.
    pub fn lease_notice(&self, id: &str, now: i64, until: i64) -> Result<Option<Leased>> {
        let answers = self.batch(vec![
            sql!("UPDATE notices SET due_at = ?3, attempts = attempts + 1 WHERE id = ?1 AND due_at <= ?2 RETURNING *", id, now, until),
            sql!("SELECT * FROM shops WHERE id = (SELECT shop_id FROM notices WHERE id = ?1)", id),
            sql!("SELECT * FROM agents WHERE id = (SELECT agent_id FROM notices WHERE id = ?1) AND deleted_at IS NULL", id),
        ])?;
        let Some(notice) = answers.at(0)?.first()? else { return Ok(None) };
        Ok(Some(Leased { notice, shop: answers.at(1)?.first()?, agent: answers.at(2)?.first()? }))
    }

    /// Writes down what an attempt gave. Delivered is delivered, whoever holds the lease by now. Repeatable: should the answer be
    /// lost, a second entry in the log harms nobody, and a notice that is sent twice harms little. Once an agent's event is done with,
    /// the next one of its order gets its time, and its id is answered.
    pub fn notice_attempted(&self, it: &Attempted<'_>) -> Result<Option<String>> {
        const KEPT: &str = "CASE WHEN json_array_length(attempt_log) >= 20 THEN json_remove(attempt_log, '$[0]') ELSE attempt_log END";
        let text = format!(
            "UPDATE notices SET
               status = CASE WHEN ?3 = 'delivered' OR due_at = ?2 THEN ?3 ELSE status END,
               due_at = CASE WHEN ?3 = 'delivered' OR due_at = ?2 THEN ?4 ELSE due_at END,
               delivered_at = CASE WHEN ?3 = 'delivered' THEN ?5 ELSE delivered_at END,
               attempt_log = CASE WHEN ?6 IS NULL THEN attempt_log ELSE json_insert({KEPT}, '$[#]', json(?6)) END
             WHERE id = ?1"
        );
        let mut batch = vec![sql!(&text, it.id, it.leased_until, it.status, it.due_at, it.now, &it.entry)];
        if let Some((agent, transaction)) = it.order {
            batch.push(sql!(
                "UPDATE notices SET due_at = ?3 WHERE rowid = (SELECT min(rowid) FROM notices
                   WHERE agent_id = ?1 AND transaction_id = ?2 AND status = 'due' AND due_at IS NULL)
                   AND NOT EXISTS (SELECT 1 FROM notices WHERE agent_id = ?1 AND transaction_id = ?2 AND status = 'due' AND due_at NOT NULL)
                 RETURNING id",
                agent,
                transaction,
                it.now
            ));
        }
        let answers = self.repeatable(batch)?;
        Ok(if it.order.is_some() { answers.at(1)?.ids().pop() } else { None })
    }

    /// What is due, one of each shop first, then a second of each, and so on; of equals what did not hang last time, then what was
    /// tried least, then what waits longest. A shop's turns are shared by it and its agents, each of which has its first before any has
    /// its second; who hung last time comes behind all who did not, so that no agent keeps its shop from being told. Steps from one to
    /// the next in the index: a shop with 100,000 due notices costs the others one step.
    pub fn due_notices(&self, now: i64, limit: i64) -> Result<Vec<Due>> {
        let due = in_turn("notices", "coalesce(agent_id, shop_id)", "due_at", OF_EACH);
        let text = format!(
            "{due}, tried AS (SELECT due.*, n.attempts,
                 (n.attempt_log <> '[]' AND coalesce(json_extract(n.attempt_log, '$[#-1].status'), 0) = 0) AS hung
               FROM due JOIN notices n ON n.id = due.id)
             SELECT id, whose FROM (SELECT *, row_number() OVER (PARTITION BY shop_id ORDER BY hung, turn, whose <> shop_id, due_at) AS place
               FROM tried)
             ORDER BY place, hung, attempts, due_at LIMIT {limit}"
        );
        self.list(sql!(&text, now))
    }

    /// A page of the shop's notices: see [`Db::page_of`].
    pub fn notices(
        &self, shop_id: &str, kind: Option<&str>, status: Option<&str>, cursor: &Cursor<'_>, limit: i64,
    ) -> Result<Option<Vec<NoticeRow>>> {
        let conditions = [("type = ?", kind.map(Bind::Text)), ("status = ?", status.map(Bind::Text))];
        self.page_of(&List { table: "notices", columns: "*", shop_id, there: "1", conditions: &conditions }, cursor, limit)
    }

    pub fn notice(&self, id: &str, shop_id: &str) -> Result<Option<Box<NoticeRow>>> {
        self.find(sql!("SELECT * FROM notices WHERE id = ?1 AND shop_id = ?2", id, shop_id))
    }

    /// Makes a notice due at once, as on its first day, if there is an address. Answers it as it is then. An agent's event is sent again
    /// only while it is the newest of its order, and takes the place of those before it that have not arrived: an older state must not
    /// overtake a newer one.
    pub fn resend_notice(&self, id: &str, shop_id: &str, now: i64) -> Result<(Option<Box<NoticeRow>>, Resent)> {
        // `n` is the notice; `o` one of the same order.
        const OF_ORDER: &str = "o.agent_id = n.agent_id AND o.transaction_id = n.transaction_id";
        const RESENT: &str = "SELECT 1 FROM notices WHERE id = ?1 AND shop_id = ?2 AND status = 'due' AND due_at = ?3 AND attempts = 0";
        let newest = format!("NOT EXISTS (SELECT 1 FROM notices o WHERE {OF_ORDER} AND o.rowid > n.rowid)");
        let again = format!(
            "UPDATE notices AS n SET status = 'due', due_at = ?3, attempts = 0 WHERE id = ?1 AND shop_id = ?2 AND {newest}
               AND CASE WHEN agent_id IS NULL THEN EXISTS (SELECT 1 FROM shops WHERE id = ?2 AND webhook_url IS NOT NULL)
                 ELSE EXISTS (SELECT 1 FROM agents WHERE id = n.agent_id AND webhook_url IS NOT NULL) END"
        );
        let silenced = format!(
            "UPDATE notices AS o SET status = 'kept', due_at = NULL WHERE status = 'due' AND id <> ?1 AND EXISTS ({RESENT})
               AND (agent_id, transaction_id) = (SELECT agent_id, transaction_id FROM notices WHERE id = ?1 AND shop_id = ?2)"
        );
        let superseded = format!("SELECT id FROM notices n WHERE id = ?1 AND shop_id = ?2 AND NOT {newest}");
        let answers = self.batch(vec![
            sql!(&again, id, shop_id, now),
            sql!(&silenced, id, shop_id, now),
            sql!("SELECT * FROM notices WHERE id = ?1 AND shop_id = ?2", id, shop_id),
            sql!(&superseded, id, shop_id),
        ])?;
        let resent = if answers.at(0)?.changes()? == 1 {
            // Only the shop's own is sent. Attack: a shop names another's notice and has it sent again.
            self.owes(id);
            Resent::Due
        } else if answers.at(3)?.any() {
            Resent::Superseded
        } else {
            Resent::NoAddress
        };
        Ok((answers.at(2)?.first()?, resent))
    }
}
