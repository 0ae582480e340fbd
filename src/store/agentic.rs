//! The agentic side of shops at Stripe: who has it, by which rules, and what was answered to hooks.

use super::catalogue::{generation_of, products_select_for, stock_suffices};
use super::shops::ShopRow;
use super::{Bind, Db, Statement};
use crate::error::{Problem, Result};
use crate::fulfillment::Fulfillment;
use crate::ledger::Row;
use crate::product::ProductRow;
use crate::sql;
use std::rc::Rc;

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

record! {
    /// What was answered to a hook.
    #[derive(Debug)]
    pub struct HookRow {
        /// Of the question.
        pub fingerprint: String,
        pub answer: String,
    }
}

/// The agentic side that an account has in a mode: `?1` account, `?2` mode. That of a shop which is connected to it now; of two, one that
/// was not registered anew, and then the one that had it first.
pub const AGENTIC_OF_ACCOUNT: &str = "FROM agentic a JOIN connections c ON c.shop_id = a.shop_id AND c.livemode = a.livemode
    AND c.account = a.account AND c.status = 'active' JOIN shops s ON s.id = a.shop_id WHERE a.account = ?1 AND a.livemode = ?2
    ORDER BY s.status IN ('superseded', 'deleted'), a.created, a.shop_id LIMIT 1";

/// What is needed for an answer to a hook.
pub struct Wanted<'a> {
    pub account: &'a str,
    pub live: bool,
    pub id: &'a str,
    /// Whose holds do not count against the stock.
    pub holder: &'a str,
    /// JSON list of ids of products.
    pub skus: &'a str,
    pub now: i64,
}

/// All that an answer to a hook needs, in one round trip.
#[derive(Default)]
pub struct Loaded {
    pub agentic: Option<Box<AgenticRow>>,
    pub shop: Option<Box<ShopRow>>,
    /// What was answered before to a hook of this id.
    pub earlier: Option<Box<HookRow>>,
    pub products: Vec<ProductRow>,
    /// `None`: the shop has set no rules.
    pub fulfillment: Option<Rc<Fulfillment>>,
}

/// An answer, to be written down before it is given.
pub struct Answer<'a> {
    pub id: &'a str,
    pub shop_id: &'a str,
    pub live: bool,
    pub kind: &'a str,
    pub session: Option<&'a str>,
    pub fingerprint: &'a str,
    pub approved: bool,
    pub answer: &'a str,
    pub now: i64,
}

/// What is held for an order that is approved.
pub struct Hold<'a> {
    pub holder: &'a str,
    /// `[{id, quantity}]`
    pub items: &'a str,
    pub until: i64,
    /// The answer where it is short.
    pub short: &'a str,
}

/// What came of asking for the agentic side.
pub enum Switched {
    Kept(Box<AgenticRow>),
    NotConnected,
    /// Another shop has it.
    Shared,
}

/// What the holder has of a product already is replaced by the newer question.
const ANEW: &str = "(holder, product_id) DO UPDATE SET quantity = excluded.quantity, expires_at = excluded.expires_at";

/// Holds items (a JSON list of `{id, quantity}`), as far as their pieces are counted. The parameters: who holds, whose they are, which,
/// until when.
fn holding([holder, shop, items, until]: [&str; 4], condition: &str, conflict: &str) -> String {
    format!(
        "INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at)
         SELECT {holder}, {shop}, p.id, i.quantity, {until}
         FROM (SELECT value ->> '$.id' AS id, sum(value ->> '$.quantity') AS quantity FROM json_each({items}) GROUP BY 1) i
           CROSS JOIN products p ON p.generation = {} AND p.id = i.id
         WHERE p.inventory_quantity IS NOT NULL AND {condition} ON CONFLICT {conflict}",
        generation_of(shop)
    )
}

impl Db {
    /// Whose the agentic side of an account is, and its shop.
    pub fn agentic_of_account(&self, account: &str, live: bool) -> Result<Option<(Box<AgenticRow>, Box<ShopRow>)>> {
        let row = format!("SELECT a.* {AGENTIC_OF_ACCOUNT}");
        let shop = format!("SELECT * FROM shops WHERE id = (SELECT a.shop_id {AGENTIC_OF_ACCOUNT}) AND status <> 'deleted'");
        let answers = self.batch(vec![sql!(&row, account, live), sql!(&shop, account, live)])?;
        Ok(answers.at(0)?.first()?.zip(answers.at(1)?.first()?))
    }

    /// The agentic side of a shop in a mode.
    pub fn agentic(&self, shop_id: &str, live: bool) -> Result<Option<Box<AgenticRow>>> {
        self.find(sql!("SELECT * FROM agentic WHERE shop_id = ?1 AND livemode = ?2", shop_id, live))
    }

    /// Gives a shop the agentic side of the account that it is connected to, by these rules, unless another shop has it: decided in one
    /// statement, so that of two who ask at once one gets it.
    pub fn set_agentic(&self, shop_id: &str, live: bool, enabled: bool, rules: &str, now: i64) -> Result<Switched> {
        let connected = "FROM connections c WHERE c.shop_id = ?1 AND c.livemode = ?2 AND c.status = 'active'";
        let text = format!(
            "INSERT INTO agentic (shop_id, livemode, account, enabled, rules, created, updated)
             SELECT ?1, ?2, c.account, ?3, ?4, ?5, ?5 {connected}
               AND EXISTS (SELECT 1 FROM shops WHERE id = ?1 AND status = 'active')
               AND NOT EXISTS (SELECT 1 FROM agentic a JOIN connections o ON o.shop_id = a.shop_id AND o.livemode = a.livemode
                 AND o.account = a.account AND o.status = 'active' JOIN shops s ON s.id = a.shop_id
                 WHERE a.account = c.account AND a.livemode = ?2 AND a.shop_id <> ?1 AND s.status IN ('active', 'suspended'))
             ON CONFLICT (shop_id, livemode) DO UPDATE SET
               created = iif(account = excluded.account, created, excluded.created), account = excluded.account,
               enabled = excluded.enabled, rules = excluded.rules, updated = excluded.updated
             RETURNING *"
        );
        // What Stripe knows of the stock it knows of the account that was: another one begins with its first products.
        let other = format!(
            "DELETE FROM agentic_stock WHERE shop_id = ?1 AND livemode = ?2
               AND (SELECT account FROM agentic WHERE shop_id = ?1 AND livemode = ?2) <> (SELECT c.account {connected})"
        );
        let answers = self.batch(vec![
            sql!(&other, shop_id, live),
            sql!(&text, shop_id, live, enabled, rules, now),
            sql!(&format!("SELECT c.id {connected}"), shop_id, live),
        ])?;
        Ok(match answers.at(1)?.first()? {
            Some(row) => Switched::Kept(row),
            None if answers.at(2)?.any() => Switched::Shared,
            None => Switched::NotConnected,
        })
    }

    /// All that an answer to a hook needs. Only reads, so it may be tried again.
    pub fn load_for_hook(&self, wanted: &Wanted<'_>) -> Result<Loaded> {
        let of_account = format!("(SELECT a.shop_id {AGENTIC_OF_ACCOUNT})");
        let products = products_select_for("?5", &of_account, "?3", "?4");
        let (account, live) = (wanted.account, wanted.live);
        let answers = self.repeatable(vec![
            sql!(&format!("SELECT a.* {AGENTIC_OF_ACCOUNT}"), account, live),
            sql!(&format!("SELECT * FROM shops WHERE id = {of_account}"), account, live),
            sql!("SELECT * FROM agentic_hooks WHERE id = ?1", wanted.id),
            sql!(&products, account, live, wanted.skus, wanted.now, wanted.holder),
            sql!(&format!("SELECT body FROM fulfillment WHERE shop_id = {of_account}"), account, live),
        ])?;
        Ok(Loaded {
            agentic: answers.at(0)?.first()?,
            shop: answers.at(1)?.first()?,
            earlier: answers.at(2)?.first()?,
            products: answers.at(3)?.all()?,
            fulfillment: match answers.at(4)?.objects().first().and_then(|row| row.get("body")?.as_str()) {
                Some(body) => Some(Fulfillment::stored(body)?),
                None => None,
            },
        })
    }

    /// Writes an answer down unless the same question has been answered; gives the answer that counts, and whether it approves. With a
    /// hold the order is approved only where the stock suffices, in the same statement: of two orders for the last piece one gets it.
    /// What the holder held for an earlier question of the same session is replaced.
    pub fn answer_hook(&self, answer: &Answer<'_>, hold: Option<&Hold<'_>>) -> Result<Box<HookRow>> {
        let mut batch = Vec::new();
        if let Some(hold) = hold {
            let suffices = stock_suffices("?10", "?2", "?11", "?9");
            let more = [Bind::from(hold.holder), Bind::from(hold.items)];
            batch.push(self.write_hook(answer, answer.approved, answer.answer, &suffices, &more));
            batch.push(self.write_hook(answer, false, hold.short, "1", &[]));
            let approved = "EXISTS (SELECT 1 FROM agentic_hooks WHERE id = ?1 AND fingerprint = ?2 AND approved = 1)";
            let others = format!(
                "DELETE FROM stock_holds WHERE holder = ?3 AND product_id NOT IN (SELECT value ->> '$.id' FROM json_each(?4)) AND {approved}"
            );
            batch.push(sql!(&others, answer.id, answer.fingerprint, hold.holder, hold.items));
            let text = holding(["?3", "?5", "?4", "?6"], approved, ANEW);
            batch.push(sql!(&text, answer.id, answer.fingerprint, hold.holder, hold.items, answer.shop_id, hold.until));
        } else {
            batch.push(self.write_hook(answer, answer.approved, answer.answer, "1", &[]));
        }
        batch.push(sql!("SELECT * FROM agentic_hooks WHERE id = ?1", answer.id));
        let read = self.repeatable(batch)?.into_last();
        let row = read.map_or(Ok(None), |rows| rows.first())?;
        row.ok_or_else(|| Problem::fault("an answer to a hook was not written"))
    }

    /// The first answer to a question stays; that of another question under the same id takes its place.
    fn write_hook(&self, answer: &Answer<'_>, approved: bool, text: &str, condition: &str, more: &[Bind<'_>]) -> Statement {
        let statement = format!(
            "INSERT INTO agentic_hooks (id, shop_id, livemode, type, checkout_session, approved, fingerprint, answer, created)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE {condition}
             ON CONFLICT (id) DO UPDATE SET shop_id = excluded.shop_id, livemode = excluded.livemode, type = excluded.type,
               checkout_session = excluded.checkout_session, approved = excluded.approved, fingerprint = excluded.fingerprint,
               answer = excluded.answer, created = excluded.created WHERE agentic_hooks.fingerprint <> excluded.fingerprint"
        );
        let mut binds: Vec<Bind<'_>> = vec![
            answer.id.into(),
            answer.shop_id.into(),
            answer.live.into(),
            answer.kind.into(),
            answer.session.into(),
            approved.into(),
            answer.fingerprint.into(),
            text.into(),
            answer.now.into(),
        ];
        binds.extend(more.iter().copied());
        Statement::with(&statement, &binds)
    }

    /// The answer to a hook that comes again. An approval is not taken back from here on.
    pub fn answer_again(&self, id: &str, fingerprint: &str) -> Result<Option<Box<HookRow>>> {
        let told = "UPDATE agentic_hooks SET told = 1 WHERE id = ?1 AND fingerprint = ?2 AND approved = 1";
        let answers = self.repeatable(vec![
            sql!(told, id, fingerprint),
            sql!("SELECT * FROM agentic_hooks WHERE id = ?1 AND fingerprint = ?2", id, fingerprint),
        ]);
        answers?.at(1)?.first()
    }

    /// What was answered when the database did not answer in time: it counts, whatever the batch that hung has written or will write. But
    /// where the same hook has come again meanwhile and was answered by that, it may be paid by now. With what an approval holds, whether
    /// it suffices or not; what was held for an order that is declined is given back, unless another hook approved the same session.
    pub fn answered_late(&self, answer: &Answer<'_>, hold: &Hold<'_>) -> Result<()> {
        let overrule = sql!(
            "UPDATE agentic_hooks SET approved = ?3, answer = ?4 WHERE id = ?1 AND fingerprint = ?2 AND told = 0",
            answer.id,
            answer.fingerprint,
            answer.approved,
            answer.answer
        );
        let release = sql!(
            "DELETE FROM stock_holds WHERE holder = ?1 AND NOT ?2 AND NOT EXISTS (SELECT 1 FROM agentic_hooks
               WHERE checkout_session = ?1 AND approved = 1) AND NOT EXISTS (SELECT 1 FROM agentic_hooks WHERE id = ?3 AND approved = 1)",
            hold.holder,
            answer.approved,
            answer.id
        );
        let text = holding(["?1", "?2", "?3", "?4"], "?5", ANEW);
        let held = sql!(&text, hold.holder, answer.shop_id, hold.items, hold.until, answer.approved);
        self.run_repeatable(vec![self.write_hook(answer, answer.approved, answer.answer, "1", &[]), overrule, release, held])
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
    /// Whether a payment or a session is a sale here, or was approved to become one.
    pub fn knows_sale(&self, intent: Option<&str>, session: Option<&str>) -> Result<bool> {
        let text = "SELECT id FROM transactions WHERE payment_intent = ?1 UNION ALL SELECT id FROM transactions WHERE checkout_session = ?2
          UNION ALL SELECT id FROM agentic_hooks WHERE checkout_session = ?2 AND approved = 1 LIMIT 1";
        Ok(self.one(sql!(text, intent, session))?.any())
    }

    /// All that is known of a session or a payment that names no transaction of ours, in one round trip.
    pub fn agentic_heard(&self, heard: &Heard<'_>) -> Result<Known> {
        let Heard { event, account, live, session, intent } = *heard;
        let side = format!("SELECT a.* {AGENTIC_OF_ACCOUNT}");
        let shop = format!("SELECT * FROM shops WHERE id = (SELECT a.shop_id {AGENTIC_OF_ACCOUNT}) AND status <> 'deleted'");
        let answers = self
            .batch(vec![
                sql!("SELECT id FROM stripe_events WHERE id = ?1", event),
                sql!(
                    "SELECT * FROM (SELECT * FROM transactions WHERE payment_intent = ?1 UNION ALL SELECT * FROM transactions WHERE checkout_session = ?2)
                     WHERE protocol = 'stripe' LIMIT 1",
                    intent,
                    session
                ),
                sql!(&side, account, live),
                sql!(&shop, account, live),
                sql!(
                    "SELECT shop_id AS id FROM agentic_hooks WHERE checkout_session = ?1 AND livemode = ?2 AND approved = 1 LIMIT 1",
                    session,
                    live
                ),
                sql!("SELECT shop_id AS id FROM agentic WHERE livemode = ?1 AND enabled = 1 LIMIT 1", live),
            ])?;
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
    /// nobody did. For the batch in which the transaction is paid, before its order is written. `nameless`: the session does not say of all
    /// its lines which product they are; the hook that approved it knew.
    pub fn sell_stock(&self, row: &Row, items_json: &str, nameless: bool, now: i64) -> Vec<Statement> {
        let mut statements = vec![self.hold_items(&row.id, row, items_json, now, JUST_SOLD)];
        if nameless {
            let held = format!(
                "INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at)
                 SELECT ?2, shop_id, product_id, quantity, ?3 FROM stock_holds WHERE holder = ?1 AND {JUST_SOLD} ON CONFLICT DO NOTHING"
            );
            statements.push(sql!(&held, &row.checkout_session, &row.id, now));
        }
        let release = format!("DELETE FROM stock_holds WHERE holder = ?1 AND {JUST_SOLD}");
        statements.push(sql!(&release, &row.checkout_session, &row.id));
        statements.extend(self.take_stock(&row.id, now));
        statements
    }

    /// Holds what an order at Stripe has agreed to pay (authorized, or on its way from a bank) until then: a hook held it for minutes.
    pub fn keep_stock(&self, row: &Row, items_json: &str, until: i64) -> Vec<Statement> {
        let Some(session) = &row.checkout_session else { return Vec::new() };
        let longer = "UPDATE stock_holds SET expires_at = max(expires_at, ?2) WHERE holder = ?1";
        // An event that was slower than another finds it sold.
        let agreed = "EXISTS (SELECT 1 FROM transactions WHERE id = ?2 AND status IN ('authorized', 'processing'))";
        vec![self.hold_items(session, row, items_json, until, agreed), sql!(longer, session, until)]
    }

    /// Holds items (`[{id, quantity}]`) of a transaction, which is `?2` of the condition, where nothing is held of them yet.
    fn hold_items(&self, holder: &str, row: &Row, items_json: &str, until: i64, condition: &str) -> Statement {
        let text = holding(["?5", "?1", "?3", "?4"], condition, "DO NOTHING");
        sql!(&text, &row.shop_id, &row.id, items_json, until, holder)
    }

    /// What became of a session that was approved is known.
    pub fn approval_answered(&self, session: &str) -> Statement {
        sql!("UPDATE agentic_hooks SET ask_at = NULL WHERE checkout_session = ?1 AND approved = 1", session)
    }

    /// Nothing was sold in it, and nothing will be: what was held for it is given back.
    pub fn approval_over(&self, session: &str) -> Result<()> {
        self.run(vec![self.approval_answered(session), self.release_stock(session)])
    }

    /// Sessions that were approved before `approved_before` and of which no event told, those that wait longest first.
    pub fn approvals_due(&self, now: i64, approved_before: i64, limit: i64) -> Result<Vec<Approved>> {
        let text = format!(
            "SELECT h.id, h.livemode, h.checkout_session, h.created, h.ask_at, a.account
             FROM agentic_hooks h JOIN agentic a ON a.shop_id = h.shop_id AND a.livemode = h.livemode
             WHERE h.approved = 1 AND h.ask_at <= ?1 AND h.checkout_session IS NOT NULL AND h.created <= ?2 ORDER BY h.ask_at LIMIT {limit}"
        );
        self.list(sql!(&text, now, approved_before))
    }

    /// Takes one of them for this run; it is asked about again at `ask_at`, or with none never.
    pub fn lease_approval(&self, due: &Approved, ask_at: Option<i64>) -> Result<bool> {
        self.moved(sql!("UPDATE agentic_hooks SET ask_at = ?3 WHERE id = ?1 AND ask_at = ?2", &due.id, due.ask_at, ask_at))
    }

    /// One that was to be asked about no more, and could not be.
    pub fn ask_approval_again(&self, id: &str, ask_at: i64) -> Result<()> {
        self.run(vec![sql!("UPDATE agentic_hooks SET ask_at = ?2 WHERE id = ?1 AND ask_at IS NULL", id, ask_at)])
    }

    pub fn shop(&self, id: &str) -> Result<Option<Box<ShopRow>>> {
        self.find(sql!("SELECT * FROM shops WHERE id = ?1", id))
    }
}
