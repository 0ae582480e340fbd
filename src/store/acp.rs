//! Agents' checkouts: loaded, kept, paid for.

use super::agents::{AGENT_OF_KEY, SHOP_OF_AGENT_KEY};
use super::catalogue::{products_select, stock_suffices};
use super::connect::{CONNECTIONS_ORDER, ConnectionRow};
use super::idempotency::{Attempt, AttemptRow, HOLDS, KEPT};
use super::shops::ShopRow;
use super::{Bind, Db, Found, Statement};
use crate::acp::session::Session;
use crate::agent::AgentRow;
use crate::error::{Problem, Result};
use crate::fulfillment::Fulfillment;
use crate::ledger::Row;
use crate::product::ProductRow;
use crate::record::Json;
use crate::sql;
use std::rc::Rc;

record! {
    /// A checkout or a cart as D1 has it.
    #[derive(Debug)]
    pub struct SessionRow {
        pub id: String,
        pub shop_id: String,
        pub agent_id: String,
        pub livemode: i64,
        /// `session` or `cart`.
        pub kind: String,
        pub status: String,
        pub state: String,
        pub private: String,
        pub version: i64,
        pub expires_at: i64,
    }
}

impl SessionRow {
    pub fn document(&self) -> Result<Session> {
        Session::stored(&self.state).map_err(Problem::fault)
    }
}

/// Which of an agent's documents, and what else an answer about it needs.
pub struct Wanted<'a> {
    pub key_hash: &'a str,
    pub now: i64,
    /// The scope of the idempotency key, and the key; none.
    pub attempt: Option<(&'a str, &'a str)>,
    /// The document's id; "" for a new one.
    pub id: &'a str,
    /// `session` or `cart`.
    pub kind: &'a str,
    /// JSON list of ids of products that are asked for beside those in the document.
    pub products: &'a str,
    /// JSON list of [`crate::fulfillment::code_key`]s, likewise.
    pub codes: &'a str,
    /// Whether it is only to be shown.
    pub shown: bool,
}

/// All that an answer to an agent needs, in one round trip.
#[derive(Default)]
pub struct Loaded {
    pub agent: Option<Box<AgentRow>>,
    pub shop: Option<Box<ShopRow>>,
    pub connections: Vec<ConnectionRow>,
    pub document: Option<Box<SessionRow>>,
    pub attempt: Option<Box<AttemptRow>>,
    pub products: Vec<ProductRow>,
    /// `None`: the shop has set no rules.
    pub rules: Option<Rc<Fulfillment>>,
    pub redeemed: Vec<(String, i64)>,
    /// The transaction of the document's last attempt to pay.
    pub row: Option<Box<Row>>,
}

/// What is written of a document.
pub struct Kept<'a> {
    pub row: &'a SessionRow,
    pub document: &'a Session,
    pub private: &'a str,
    pub now: i64,
    /// The idempotency key that this is the answer to.
    pub answer: Option<Answer<'a>>,
    /// What else follows from it; each says itself under which condition.
    pub also: Vec<Statement>,
}

/// The answer for whoever sends the same key again.
pub struct Answer<'a> {
    pub path: &'a str,
    pub key: &'a str,
    pub fingerprint: &'a str,
    pub status: u16,
    pub body: &'a str,
}

/// One attempt to pay.
pub struct Begin<'a> {
    pub document: &'a SessionRow,
    pub session: &'a Session,
    pub private: &'a str,
    pub row: &'a Row,
    pub attempt: &'a Attempt<'a>,
    pub fingerprint: &'a str,
    /// `[{id, quantity}]`
    pub stock: &'a str,
    /// Until when its stock is held.
    pub held_until: i64,
    /// Keys of coupons and how often they may be redeemed.
    pub coupons: &'a [(String, Option<i64>)],
    pub locked_until: i64,
    pub check_at: i64,
    pub now: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Began {
    Yes,
    /// Another request holds the key.
    KeyTaken,
    /// The document changed meanwhile, the stock is short, or the shop has just closed: read again.
    Changed,
    /// A coupon was used up meanwhile; the attempt was undone.
    CouponGone,
}

/// A document, its shop, and its agent where that was not deleted.
pub type Document = (Box<SessionRow>, Box<ShopRow>, Found<AgentRow>);

impl Db {
    pub fn load_for_agent(&self, wanted: &Wanted<'_>) -> Result<Loaded> {
        let shop = SHOP_OF_AGENT_KEY;
        let [agent, of_shop] = self.agent_and_shop_of_key(wanted.key_hash, wanted.now);
        let connections = format!("SELECT * FROM connections WHERE shop_id = {shop} {CONNECTIONS_ORDER}");
        let document = format!("SELECT * FROM acp_sessions WHERE id = ?3 AND agent_id = {AGENT_OF_KEY} AND kind = ?4");
        let mut batch = vec![
            agent,
            of_shop,
            sql!(&connections, wanted.key_hash, wanted.now),
            sql!(&document, wanted.key_hash, wanted.now, wanted.id, wanted.kind),
        ];
        let state = format!("(SELECT state FROM acp_sessions WHERE id = ?4 AND agent_id = {AGENT_OF_KEY})");
        if !wanted.shown {
            let (path, key) = wanted.attempt.unwrap_or_default();
            let attempt = format!("SELECT * FROM idempotency WHERE shop_id = {AGENT_OF_KEY} AND path = ?3 AND key = ?4 AND created > ?5");
            // What the document has already, and what is asked for now.
            let ids = format!(
                "(SELECT json_group_array(id) FROM (SELECT value AS id FROM json_each(?3)
                    UNION SELECT value ->> '$.product' FROM json_each({state}, '$.lines')))"
            );
            let products = products_select(shop, &ids, "?2");
            let codes = format!(
                "SELECT code AS id, count AS n FROM coupon_redemptions WHERE shop_id = {shop} AND code IN
                   (SELECT value FROM json_each(?3) UNION SELECT value FROM json_each({state}, '$.code_keys'))"
            );
            let rules = format!("SELECT body FROM fulfillment WHERE shop_id = {shop}");
            let row = format!(
                "SELECT * FROM transactions WHERE id = (SELECT transaction_id FROM acp_sessions WHERE id = ?3 AND agent_id = {AGENT_OF_KEY})"
            );
            batch.extend([
                sql!(&attempt, wanted.key_hash, wanted.now, path, key, wanted.now.saturating_sub(KEPT)),
                sql!(&products, wanted.key_hash, wanted.now, wanted.products, wanted.id),
                sql!(&rules, wanted.key_hash, wanted.now),
                sql!(&codes, wanted.key_hash, wanted.now, wanted.codes, wanted.id),
                sql!(&row, wanted.key_hash, wanted.now, wanted.id),
            ]);
        }
        let answers = self.batch(batch)?;
        let mut loaded = Loaded {
            agent: answers.at(0)?.first()?,
            shop: answers.at(1)?.first()?,
            connections: answers.at(2)?.all()?,
            document: answers.at(3)?.first()?,
            ..Loaded::default()
        };
        if !wanted.shown {
            loaded.attempt = answers.at(4)?.first()?;
            loaded.products = answers.at(5)?.all()?;
            loaded.rules = match answers.at(6)?.objects().first().and_then(|row| row.get("body")?.as_str()) {
                Some(body) => Some(Fulfillment::stored(body)?),
                None => None,
            };
            let counts = answers.at(7)?.objects();
            loaded.redeemed =
                counts.iter().filter_map(|row| Some((row.get("id")?.as_str()?.to_owned(), row.get("n")?.as_i64()?))).collect();
            loaded.row = answers.at(8)?.first()?;
        }
        Ok(loaded)
    }

    /// The answer for a key, unless there is one already; written if the statement before it changed a row.
    fn keep_agent_answer(&self, agent_id: &str, answer: &Answer<'_>, now: i64) -> Statement {
        sql!(
            "INSERT INTO idempotency (shop_id, path, key, fingerprint, subject, lock, locked_until, status, body, created)
             SELECT ?1, ?2, ?3, ?4, '', '', 0, ?5, ?6, ?7 WHERE changes() > 0
             ON CONFLICT (shop_id, path, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
               body = excluded.body, created = excluded.created, form = NULL",
            agent_id,
            answer.path,
            answer.key,
            answer.fingerprint,
            i64::from(answer.status),
            answer.body,
            now
        )
    }

    /// Writes a new document, or a changed one over the version that was read, with the answer for its key. `false`: another request
    /// was faster, with the same key or on the same document; nothing was written.
    pub fn keep_document(&self, kept: Kept<'_>, fresh: bool) -> Result<bool> {
        let row = kept.row;
        let state = kept.document.text();
        let (path, key) = kept.answer.as_ref().map(|answer| (answer.path, answer.key)).unwrap_or_default();
        let unanswered = "NOT EXISTS (SELECT 1 FROM idempotency WHERE shop_id = ?2 AND path = ?3 AND key = ?4 AND created > ?5)";
        let since = kept.now.saturating_sub(KEPT);
        let document = if fresh {
            let text = format!(
                "INSERT INTO acp_sessions (id, agent_id, shop_id, livemode, kind, status, state, private, created, updated, expires_at)
                 SELECT ?1, ?2, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?13 WHERE {unanswered}
                   AND EXISTS (SELECT 1 FROM shops WHERE id = ?6 AND status = 'active')"
            );
            sql!(
                &text,
                &row.id,
                &row.agent_id,
                path,
                key,
                since,
                &row.shop_id,
                row.livemode,
                &row.kind,
                kept.document.status.name(),
                &state,
                kept.private,
                kept.now,
                row.expires_at
            )
        } else {
            let text = format!(
                "UPDATE acp_sessions SET status = ?6, state = ?7, private = ?8, updated = ?9, version = version + 1
                 WHERE id = ?1 AND agent_id = ?2 AND version = ?10 AND {unanswered}
                   AND EXISTS (SELECT 1 FROM shops WHERE id = acp_sessions.shop_id AND status IN ('active', 'suspended'))"
            );
            sql!(&text, &row.id, &row.agent_id, path, key, since, kept.document.status.name(), &state, kept.private, kept.now, row.version)
        };
        let mut batch = vec![document];
        if let Some(answer) = &kept.answer {
            batch.push(self.keep_agent_answer(&row.agent_id, answer, kept.now));
        }
        batch.extend(kept.also);
        Ok(self.batch(batch)?.at(0)?.changes()? == 1)
    }

    /// Takes the key, marks the checkout as being paid, writes the transaction and holds the stock and the coupons: all before Stripe is
    /// called, and all or nothing.
    pub fn begin_payment(&self, begin: &Begin<'_>) -> Result<Began> {
        let (attempt, document, row) = (begin.attempt, begin.document, begin.row);
        let state = begin.session.text();
        let suffices = stock_suffices("?5", "?12", "?13", "?11");
        let mark = format!(
            "UPDATE acp_sessions SET status = 'complete_in_progress', state = ?6, private = ?7, transaction_id = ?8, version = version + 1,
               updated = ?11
             WHERE id = ?5 AND version = ?9 AND status = ?10 AND {HOLDS} AND {suffices}
               AND EXISTS (SELECT 1 FROM shops WHERE id = ?12 AND status = 'active' AND checkout_enabled = 1)
               AND NOT EXISTS (SELECT 1 FROM transactions WHERE id = ?8 AND (status <> 'open' OR stripe_form IS NOT NULL))"
        );
        let next = document.version.saturating_add(1);
        // Whether the checkout is being paid by this very attempt; ?n are the caller's parameters for its id, version and transaction.
        let marked = |id: &str, version: &str, transaction: &str| {
            format!(
                "EXISTS (SELECT 1 FROM acp_sessions WHERE id = {id} AND version = {version} AND status = 'complete_in_progress'
                   AND transaction_id = {transaction})"
            )
        };
        let again = format!(
            "DELETE FROM transactions WHERE id = ?5 AND status = 'open' AND stripe_form IS NULL AND {HOLDS} AND {}",
            marked("?6", "?7", "?5")
        );
        let mut batch = vec![
            self.take_key(attempt, begin.fingerprint, &row.id, None, begin.locked_until, begin.now),
            sql!(
                &mark,
                attempt.shop_id,
                attempt.path,
                attempt.key,
                attempt.lock,
                &document.id,
                &state,
                begin.private,
                &row.id,
                document.version,
                &document.status,
                begin.now,
                &document.shop_id,
                begin.stock
            ),
            // A row of an earlier attempt, which was declined, gives way to this one's.
            sql!(&again, attempt.shop_id, attempt.path, attempt.key, attempt.lock, &row.id, &document.id, next),
            self.insert_transaction(
                row,
                attempt,
                begin.locked_until,
                begin.check_at,
                &marked("?41", "?42", "?5"),
                &[Bind::from(&document.id), Bind::Int(next)],
            ),
            self.hold_stock(&document.id, &document.shop_id, begin.stock, begin.held_until, begin.now),
        ];
        let condition = marked("?4", "?5", "?6");
        for (code, most) in begin.coupons {
            let more = [Bind::from(&document.id), Bind::Int(next), Bind::from(&row.id)];
            batch.push(self.redeem(&document.shop_id, code, *most, &condition, &more));
        }
        let answers = self.batch(batch)?;
        if answers.at(0)?.changes()? == 0 {
            return Ok(Began::KeyTaken);
        }
        if answers.at(1)?.changes()? == 0 || answers.at(3)?.changes()? == 0 {
            // Whoever is paying it now keeps what he holds.
            let idle = sql!(
                "DELETE FROM stock_holds WHERE holder = ?1
                   AND NOT EXISTS (SELECT 1 FROM acp_sessions WHERE id = ?1 AND status = 'complete_in_progress')",
                &document.id
            );
            self.run_repeatable(vec![self.forget(attempt), idle])?;
            return Ok(Began::Changed);
        }
        let mut counted = Vec::new();
        let mut gone = false;
        for (place, (code, _)) in begin.coupons.iter().enumerate() {
            if answers.at(place.saturating_add(5))?.changes()? == 1 { counted.push(code.clone()) } else { gone = true }
        }
        if gone {
            let back = Back { row, session_id: &document.id, coupons: &counted, state: None };
            let mut batch = self.give_back(&back, begin.now);
            batch.push(self.forget(attempt));
            self.run_repeatable(batch)?;
            return Ok(Began::CouponGone);
        }
        Ok(Began::Yes)
    }

    /// Takes up an attempt whose outcome is not known, to ask Stripe again: `false` when somebody else is at it.
    pub fn resume_payment(&self, row: &Row, attempt: &Attempt<'_>, fingerprint: &str, locked_until: i64, now: i64) -> Result<bool> {
        let text = format!(
            "UPDATE transactions SET attempt_until = ?6, check_at = ?6 + 60
             WHERE id = ?5 AND status = 'open' AND stripe_form IS NOT NULL AND attempt_until <= ?7 AND {HOLDS}"
        );
        let answers = self.batch(vec![
            self.take_key(attempt, fingerprint, &row.id, None, locked_until, now),
            sql!(&text, attempt.shop_id, attempt.path, attempt.key, attempt.lock, &row.id, locked_until, now),
        ])?;
        Ok(answers.at(0)?.changes()? == 1 && answers.at(1)?.changes()? == 1)
    }

    /// The attempt is over and nothing was paid: the checkout is as it was, or as `state` says, and what was held is given back. Each
    /// statement wants the attempt still to be the one that it was, so that it may be repeated.
    pub fn give_back(&self, back: &Back<'_>, now: i64) -> Vec<Statement> {
        let row = back.row;
        let this = "EXISTS (SELECT 1 FROM transactions WHERE id = ?1 AND status = 'open' AND stripe_key = ?2 AND stripe_form IS NOT NULL)";
        let coupons = back.coupons.json().text();
        let unredeem = format!(
            "UPDATE coupon_redemptions SET count = count - 1 WHERE shop_id = ?3 AND count > 0
               AND code IN (SELECT value FROM json_each(?4)) AND {this}"
        );
        let release = format!("DELETE FROM stock_holds WHERE holder = ?3 AND {this}");
        let state = back.state.map(|session| session.text());
        let status = back.state.map_or("ready_for_payment", |session| session.status.name());
        let document = format!(
            "UPDATE acp_sessions SET status = ?4, state = coalesce(?5, json_set(state, '$.status', ?4)), version = version + 1, updated = ?6
             WHERE id = ?3 AND status = 'complete_in_progress' AND transaction_id = ?1 AND {this}"
        );
        vec![
            sql!(&unredeem, &row.id, &row.stripe_key, &row.shop_id, &coupons),
            sql!(&release, &row.id, &row.stripe_key, back.session_id),
            sql!(&document, &row.id, &row.stripe_key, back.session_id, status, &state, now),
            sql!(
                "UPDATE transactions SET stripe_form = NULL, attempt_until = 0, checks = 0,
                   check_at = (SELECT max(s.expires_at + 60, ?3 + 60) FROM acp_sessions s WHERE s.id = transactions.checkout_session),
                   events = json_insert(events, '$[#]', json_object('type', 'declined', 'created', CAST(?3 AS INTEGER), 'by', 'acp'))
                 WHERE id = ?1 AND status = 'open' AND stripe_key = ?2 AND stripe_form IS NOT NULL",
                &row.id,
                &row.stripe_key,
                now
            ),
        ]
    }

    /// A checkout was given up, and with it the transaction of an attempt that was declined. The shop never heard of it.
    pub fn payment_given_up(&self, row: &Row, now: i64) -> Statement {
        sql!(
            "UPDATE transactions SET status = 'canceled', check_at = NULL,
               events = json_insert(events, '$[#]', json_object('type', 'canceled', 'created', CAST(?2 AS INTEGER), 'by', 'acp'))
             WHERE id = ?1 AND status = 'open' AND stripe_form IS NULL
               AND EXISTS (SELECT 1 FROM acp_sessions s WHERE s.id = transactions.checkout_session AND s.status = 'canceled')",
            &row.id,
            now
        )
    }

    /// A checkout that was never paid is past its time: `true` when its transaction has ended with it.
    pub fn payment_expired(&self, id: &str, now: i64) -> Result<bool> {
        self.moved(sql!(
            "UPDATE transactions SET status = 'canceled', check_at = NULL,
               events = json_insert(events, '$[#]', json_object('type', 'canceled', 'created', CAST(?2 AS INTEGER), 'by', 'sweep'))
             WHERE id = ?1 AND status = 'open' AND protocol = 'acp' AND stripe_form IS NULL",
            id,
            now
        ))
    }

    /// Stripe does not answer: the same key may be sent again at once.
    pub fn payment_unanswered(&self, row: &Row, attempt: &Attempt<'_>) -> Result<()> {
        self.run_repeatable(vec![
            self.let_go(attempt),
            sql!("UPDATE transactions SET attempt_until = 0 WHERE id = ?1 AND status = 'open' AND protocol = 'acp'", &row.id),
        ])
    }

    /// Stripe replays its own stored 5xx, and nothing was paid: the next key of the row, written down before it is used, and held as long
    /// as a first one. `false`: the attempt was given back meanwhile, and must not be sent any more.
    pub fn next_payment_key(&self, row: &Row, key: &str, until: i64) -> Result<bool> {
        self.moved(sql!(
            "UPDATE transactions SET stripe_key = ?2, attempt_until = ?4, check_at = ?4 + 60
             WHERE id = ?1 AND status = 'open' AND stripe_key = ?3 AND stripe_form IS NOT NULL",
            &row.id,
            key,
            &row.stripe_key,
            until
        ))
    }

    /// Takes an attempt without an outcome for the sweep, so that nobody sends it again while it is looked for. Danger: one that is given
    /// back while its retry is on the way to Stripe could be paid, and the checkout a second time. `false`: somebody is at it.
    pub fn take_payment(&self, row: &Row, now: i64, until: i64) -> Result<bool> {
        self.moved(sql!(
            "UPDATE transactions SET attempt_until = ?3
             WHERE id = ?1 AND status = 'open' AND stripe_key = ?4 AND stripe_form IS NOT NULL AND attempt_until <= ?2",
            &row.id,
            now,
            until,
            &row.stripe_key
        ))
    }

    /// The sweep could not find out: whoever asked may ask again.
    pub fn leave_payment(&self, row: &Row, taken_until: i64) -> Result<()> {
        let text = "UPDATE transactions SET attempt_until = 0 WHERE id = ?1 AND status = 'open' AND attempt_until = ?2";
        self.run(vec![sql!(text, &row.id, taken_until)])
    }

    /// The document of a transaction with its shop and agent, for whoever hears that it was paid.
    pub fn document_of(&self, row: &Row) -> Result<Option<Document>> {
        let session = "SELECT * FROM acp_sessions WHERE id = ?1 AND shop_id = ?2";
        let agent = "SELECT * FROM agents WHERE id = (SELECT agent_id FROM acp_sessions WHERE id = ?1 AND shop_id = ?2)";
        let answers = self.batch(vec![
            sql!(session, &row.checkout_session, &row.shop_id),
            sql!("SELECT * FROM shops WHERE id = ?1", &row.shop_id),
            sql!(agent, &row.checkout_session, &row.shop_id),
        ])?;
        let Some((document, shop)) = answers.at(0)?.first::<SessionRow>()?.zip(answers.at(1)?.first::<ShopRow>()?) else {
            return Ok(None);
        };
        Ok(Some((document, shop, answers.at(2)?.first()?)))
    }

    /// Paid: the checkout is completed, and its stock is gone. Whoever was faster has said it all.
    pub fn complete_document(&self, row: &Row, session: &Session, now: i64) -> Vec<Statement> {
        let mut batch = self.take_stock(&session.id, now);
        batch.push(sql!(
            "UPDATE acp_sessions SET status = 'completed', state = ?3, version = version + 1, updated = ?4
             WHERE id = ?1 AND transaction_id = ?2 AND status <> 'completed'",
            &session.id,
            &row.id,
            &session.text(),
            now
        ));
        batch
    }

    /// Checkouts whose time is over, and carts; and those that ended long ago are deleted. Slices.
    pub fn expire_documents(&self, now: i64) -> [Statement; 2] {
        const LONG: i64 = 30 * 24 * 3600;
        [
            sql!(
                "UPDATE acp_sessions SET status = 'expired', state = json_set(state, '$.status', 'expired'), version = version + 1, updated = ?1
                 WHERE id IN (SELECT id FROM acp_sessions WHERE expires_at <= ?1
                   AND status NOT IN ('completed', 'canceled', 'expired') AND status <> 'complete_in_progress' LIMIT 200)",
                now
            ),
            sql!(
                "DELETE FROM acp_sessions WHERE id IN (SELECT id FROM acp_sessions WHERE updated <= ?1 AND status IN ('canceled', 'expired') LIMIT 200)",
                now.saturating_sub(LONG)
            ),
        ]
    }
}

/// What an attempt that came to nothing gives back.
pub struct Back<'a> {
    pub row: &'a Row,
    pub session_id: &'a str,
    /// Keys of the coupons that were counted.
    pub coupons: &'a [String],
    /// The checkout as it is then; `None` as it was before.
    pub state: Option<&'a Session>,
}
