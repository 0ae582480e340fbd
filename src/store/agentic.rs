//! The agentic side of shops at Stripe: who has it, by which rules, and what was answered to hooks.

use super::catalogue::{generation_of, products_select_for, stock_suffices};
use super::shops::ShopRow;
use super::{Bind, Db, Pending, Statement};
use crate::error::{Problem, Result};
use crate::fulfillment::Fulfillment;
use crate::product::ProductRow;
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
    pub fulfillment: Option<Fulfillment>,
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

    /// Gives a shop the agentic side of the account that it is connected to, by these rules, unless another shop has it: decided in one
    /// statement, so that of two who ask at once one gets it.
    pub async fn set_agentic(&self, shop_id: &str, live: bool, enabled: bool, rules: &str, now: i64) -> Result<Switched> {
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
        let answers = self
            .batch(vec![
                sql!(self, &text, shop_id, live, enabled, rules, now),
                sql!(self, &format!("SELECT c.id {connected}"), shop_id, live),
            ])
            .await?;
        Ok(match answers.at(0)?.first()? {
            Some(row) => Switched::Kept(row),
            None if answers.at(1)?.any() => Switched::Shared,
            None => Switched::NotConnected,
        })
    }

    /// All that an answer to a hook needs. Only reads, so it may be tried again.
    pub async fn load_for_hook(&self, wanted: &Wanted<'_>) -> Result<Loaded> {
        let of_account = format!("(SELECT a.shop_id {AGENTIC_OF_ACCOUNT})");
        let products = products_select_for("?5", &of_account, "?3", "?4");
        let (account, live) = (wanted.account, wanted.live);
        let answers = self
            .repeatable(vec![
                sql!(self, &format!("SELECT a.* {AGENTIC_OF_ACCOUNT}"), account, live),
                sql!(self, &format!("SELECT * FROM shops WHERE id = {of_account}"), account, live),
                sql!(self, "SELECT * FROM agentic_hooks WHERE id = ?1", wanted.id),
                sql!(self, &products, account, live, wanted.skus, wanted.now, wanted.holder),
                sql!(self, &format!("SELECT body FROM fulfillment WHERE shop_id = {of_account}"), account, live),
            ])
            .await?;
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
    pub async fn answer_hook(&self, answer: &Answer<'_>, hold: Option<&Hold<'_>>) -> Result<Box<HookRow>> {
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
            batch.push(sql!(self, &others, answer.id, answer.fingerprint, hold.holder, hold.items));
            let text = format!(
                "INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at)
                 SELECT ?3, ?5, p.id, i.quantity, ?6
                 FROM (SELECT value ->> '$.id' AS id, sum(value ->> '$.quantity') AS quantity FROM json_each(?4) GROUP BY 1) i
                   CROSS JOIN products p ON p.generation = {} AND p.id = i.id
                 WHERE p.inventory_quantity IS NOT NULL AND {approved}
                 ON CONFLICT (holder, product_id) DO UPDATE SET quantity = excluded.quantity, expires_at = excluded.expires_at",
                generation_of("?5")
            );
            batch.push(sql!(self, &text, answer.id, answer.fingerprint, hold.holder, hold.items, answer.shop_id, hold.until));
        } else {
            batch.push(self.write_hook(answer, answer.approved, answer.answer, "1", &[]));
        }
        batch.push(sql!(self, "SELECT * FROM agentic_hooks WHERE id = ?1", answer.id));
        let read = self.repeatable(batch).await?.into_last();
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
        self.statement(&statement, &binds)
    }

    /// What was answered when the database did not answer in time: it counts, whatever the batch that hung has written or will write.
    /// What that one held for an order which was declined is given back, unless another hook approved the same session.
    pub fn answered_late(&self, answer: &Answer<'_>, holder: &str) -> Pending<()> {
        let overrule = sql!(
            self,
            "UPDATE agentic_hooks SET approved = ?3, answer = ?4 WHERE id = ?1 AND fingerprint = ?2",
            answer.id,
            answer.fingerprint,
            answer.approved,
            answer.answer
        );
        let release = sql!(
            self,
            "DELETE FROM stock_holds WHERE holder = ?1 AND NOT ?2 AND NOT EXISTS (SELECT 1 FROM agentic_hooks
               WHERE checkout_session = ?1 AND approved = 1)",
            holder,
            answer.approved
        );
        self.run_repeatable(vec![self.write_hook(answer, answer.approved, answer.answer, "1", &[]), overrule, release])
    }

    /// An order of an agent's was paid: what was held for its session is gone from the stock, once. Where nothing was held (Stripe did not
    /// tell the session with the hook, the shop does not count its stock when it approves, the hold is more than a day old) it is what the
    /// order says, `[{id, quantity}]`. Repeatable under a condition that holds once, such as that the order is not written yet; its own
    /// parameters begin at `?4`.
    #[allow(dead_code)]
    pub fn take_agentic_stock(
        &self, session: &str, shop_id: &str, items: &str, condition: &str, more: &[Bind<'_>], now: i64,
    ) -> Vec<Statement> {
        let text = format!(
            "INSERT INTO stock_holds (holder, shop_id, product_id, quantity, expires_at)
             SELECT ?1, ?2, p.id, i.quantity, 0
             FROM (SELECT value ->> '$.id' AS id, sum(value ->> '$.quantity') AS quantity FROM json_each(?3) GROUP BY 1) i
               CROSS JOIN products p ON p.generation = {} AND p.id = i.id
             WHERE p.inventory_quantity IS NOT NULL AND NOT EXISTS (SELECT 1 FROM stock_holds WHERE holder = ?1) AND {condition}
             ON CONFLICT (holder, product_id) DO NOTHING",
            generation_of("?2")
        );
        let mut binds: Vec<Bind<'_>> = vec![session.into(), shop_id.into(), items.into()];
        binds.extend(more.iter().copied());
        let mut statements = vec![self.statement(&text, &binds)];
        statements.extend(self.take_stock(session, now));
        statements
    }
}
