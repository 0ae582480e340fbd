//! The ledger's rows: found, moved, listed, summed. And what the sweep looks for.

use super::erase::ERASED;
use super::lists::Cursor;
use super::shops::{ShopRow, Whose};
use super::{Bind, Db, Found, Statement, in_turn};
use crate::error::Result;
use crate::id;
use crate::ledger::{BANKS_TAKE, News, Row, Status};
use crate::sql;

/// Filters of `GET /v1/transactions` and what else goes by them (contract, *Ledger*). Times have become id bounds.
#[derive(Clone, Default)]
pub struct Filter {
    pub source: Option<String>,
    pub agent: Option<String>,
    pub status: Option<String>,
    pub live: Option<bool>,
    pub order_id: Option<String>,
    pub from_id: Option<String>,
    pub below_id: Option<String>,
    /// The same bounds, Unix seconds.
    pub from: Option<i64>,
    pub below: Option<i64>,
}

impl Filter {
    /// The `WHERE` of this filter and its parameters; the first is whose rows they are.
    fn clause<'a>(&'a self, whose: &'a Whose<'_>) -> (String, Vec<Bind<'a>>) {
        let mut text = format!("shop_id = {}", whose.id());
        let mut binds = vec![whose.bind()];
        let mut add = |condition: &str, bind: Bind<'a>| {
            binds.push(bind);
            text.push_str(" AND ");
            text.push_str(&condition.replace("??", &format!("?{}", binds.len())));
        };
        let texts = [
            ("source = ??", &self.source),
            ("agent = ??", &self.agent),
            ("status = ??", &self.status),
            ("order_id = ??", &self.order_id),
            ("id >= ??", &self.from_id),
            ("id < ??", &self.below_id),
        ];
        for (condition, value) in texts {
            if let Some(value) = value {
                add(condition, Bind::Text(value));
            }
        }
        if let Some(live) = self.live {
            add("livemode = ??", Bind::Int(i64::from(live)));
        }
        (text, binds)
    }
}

record! {
    #[derive(Debug)]
    pub struct SummaryRow {
        pub group: Option<String>,
        pub currency: String,
        pub livemode: i64,
        pub count: i64,
        pub gross: i64,
        pub refunded: i64,
        pub fees: i64,
    }
}

record! {
    /// A row that is due, for the sweep.
    #[derive(Debug)]
    pub struct DueDeauthorization {
        pub account: String,
        pub livemode: i64,
        pub attempts: i64,
        /// Whether the platform made the account.
        pub onboarded: i64,
    }
}

record! {
    #[derive(Debug)]
    pub struct WaitingToken {
        pub hash: String,
        pub connection_id: String,
        pub sealed_token: String,
    }
}

impl Db {
    pub fn transaction(&self, id: &str) -> Result<Option<Box<Row>>> {
        self.find(sql!("SELECT * FROM transactions WHERE id = ?1", id))
    }

    pub fn transaction_of_session(&self, session: &str) -> Result<Option<Box<Row>>> {
        self.find(sql!("SELECT * FROM transactions WHERE checkout_session = ?1", session))
    }

    /// A transaction with its shop, for a returning buyer.
    pub fn transaction_with_shop(&self, id: Option<&str>, session: &str) -> Result<Option<(Box<Row>, Box<super::shops::ShopRow>)>> {
        let by = if id.is_some() { "id = ?1" } else { "checkout_session = ?1" };
        let row = format!("SELECT * FROM transactions WHERE {by}");
        let shop = format!("SELECT * FROM shops WHERE id = (SELECT shop_id FROM transactions WHERE {by})");
        let value = id.unwrap_or(session);
        let answers = self.batch(vec![sql!(&row, value), sql!(&shop, value)])?;
        Ok(answers.at(0)?.first::<Row>()?.zip(answers.at(1)?.first::<super::shops::ShopRow>()?))
    }

    /// Moves a row, in one conditional statement that only goes forward and says by `changes` whether it moved.
    /// What Stripe told beside the status (PaymentIntent, buyer, final amounts) comes with the move.
    pub fn advance(&self, row: &Row, news: &News, by: &str, now: i64, check_at: Option<i64>) -> Statement {
        // News that leads nowhere moves nothing: no status follows itself.
        let to = news.to.unwrap_or(row.status);
        let from: Vec<String> = to.follows().iter().map(|status| format!("'{}'", status.name())).collect();
        let text = format!(
            "UPDATE transactions SET status = ?2,
               payment_intent = coalesce(?3, payment_intent), amount = coalesce(?4, amount),
               amount_subtotal = coalesce(?5, amount_subtotal), amount_tax = coalesce(?6, amount_tax),
               amount_shipping = coalesce(?7, amount_shipping), amount_capturable = coalesce(?8, amount_capturable),
               amount_captured = coalesce(?9, amount_captured), capture_before = coalesce(?10, capture_before),
               customer = CASE WHEN {ERASED} THEN NULL ELSE coalesce(?11, customer) END,
               shipping_details = CASE WHEN {ERASED} THEN NULL ELSE coalesce(?12, shipping_details) END,
               billing_details = CASE WHEN {ERASED} THEN NULL ELSE coalesce(?13, billing_details) END,
               application_fee_amount = coalesce(?18, application_fee_amount),
               paid_at = CASE WHEN ?2 = 'paid' THEN coalesce(paid_at, ?14) ELSE paid_at END,
               checkout_session = coalesce(checkout_session, ?15), stripe_form = NULL, check_at = ?16, checks = 0,
               events = json_insert(events, '$[#]', json_object('type', ?2, 'created', CAST(?14 AS INTEGER), 'by', ?17))
             WHERE id = ?1 AND status IN ({})",
            from.join(", ")
        );
        let render = |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string);
        let (customer, shipping, billing) = (render(&news.customer), render(&news.shipping_details), render(&news.billing_details));
        sql!(
            &text,
            &row.id,
            to.name(),
            &news.payment_intent,
            news.amount,
            news.amount_subtotal,
            news.amount_tax,
            news.amount_shipping,
            news.amount_capturable,
            news.amount_captured,
            news.capture_before,
            &customer,
            &shipping,
            &billing,
            now,
            &row.checkout_session,
            check_at,
            by,
            news.application_fee
        )
    }

    /// Who bought and in which session, beside the status: another event may have moved the row before, without knowing.
    pub fn note_buyer(&self, row: &Row, news: &News) -> Statement {
        let render = |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string);
        let (customer, shipping, billing) = (render(&news.customer), render(&news.shipping_details), render(&news.billing_details));
        let text = format!(
            "UPDATE transactions SET customer = coalesce(?2, customer), shipping_details = coalesce(?3, shipping_details),
               billing_details = coalesce(?4, billing_details), checkout_session = coalesce(checkout_session, ?5)
             WHERE id = ?1 AND status <> 'open' AND NOT {ERASED}"
        );
        sql!(&text, &row.id, &customer, &shipping, &billing, &row.checkout_session)
    }

    /// Until when an authorised payment can be captured, where whoever moved the row did not know.
    pub fn note_hold(&self, id: &str, until: i64) -> Statement {
        let text = "UPDATE transactions SET capture_before = ?2 WHERE id = ?1 AND status = 'authorized' AND capture_before IS NULL";
        sql!(text, id, until)
    }

    /// Keeps that an event was applied. A doubled event finds its id.
    #[allow(clippy::too_many_arguments)]
    pub fn remember_event(
        &self, id: &str, kind: &str, account: Option<&str>, live: bool, transaction: Option<&str>, created: i64, now: i64,
    ) -> Statement {
        sql!(
            "INSERT INTO stripe_events (id, type, account, livemode, transaction_id, created, received) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO NOTHING",
            id,
            kind,
            account,
            live,
            transaction,
            created,
            now
        )
    }

    /// Keeps, for the operator, that something named a transaction of ours and is not what was created.
    #[allow(clippy::too_many_arguments)]
    pub fn remember_stray(
        &self, kind: &str, object: &str, transaction: &str, account: Option<&str>, live: bool, reason: &str, now: i64,
    ) -> Statement {
        let id = format!("{object}/{transaction}");
        sql!(
            "INSERT INTO strays (id, kind, object_id, transaction_id, account, livemode, reason, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (id) DO NOTHING",
            &id,
            kind,
            object,
            transaction,
            account,
            live,
            reason,
            now
        )
    }

    /// When the sweep should ask Stripe about a row again, and how often it did so far. Only while the row waits as it was read or
    /// leased: who began a refund or a capture meanwhile has said himself when his work is to be looked after.
    pub fn check_later(&self, row: &Row, check_at: Option<i64>, checks: i64) -> Result<()> {
        self.run(vec![sql!(
            "UPDATE transactions SET check_at = ?2, checks = ?3 WHERE id = ?1 AND check_at IS ?4",
            &row.id,
            check_at,
            checks,
            row.check_at
        )])
    }

    /// Something is to be asked of Stripe about a row with the next sweep.
    pub fn look_at(&self, id: &str, now: i64) -> Statement {
        sql!("UPDATE transactions SET check_at = ?2 WHERE id = ?1", id, now)
    }

    /// The buyer has come back, and Stripe could not be asked: the row is asked about before all others.
    pub fn check_first(&self, id: &str) -> Result<()> {
        self.run(vec![sql!(
            "UPDATE transactions SET check_at = 0 WHERE id = ?1 AND status IN ('open', 'processing', 'failed', 'expired', 'canceled')",
            id
        )])
    }

    /// A session past its time on an account that nobody here can look into: it is out of the way of a new one for its order. Whether
    /// it was paid is not known, so the shop is told nothing, and the sweep goes on asking.
    pub fn lost(&self, id: &str, now: i64, check_at: i64) -> Result<bool> {
        self.moved(sql!(
            "UPDATE transactions SET status = 'expired', check_at = ?3,
               events = json_insert(events, '$[#]', json_object('type', 'expired', 'created', CAST(?2 AS INTEGER), 'by', 'lost'))
             WHERE id = ?1 AND status = 'open'",
            id,
            now,
            check_at
        ))
    }

    /// A row that never got a session and is past its time: no buyer ever saw an address of it.
    pub fn cancel_abandoned(&self, id: &str, now: i64) -> Result<bool> {
        self.one(sql!(
            "UPDATE transactions SET status = 'canceled', stripe_form = NULL, check_at = NULL,
                   events = json_insert(events, '$[#]', json_object('type', 'canceled', 'created', CAST(?2 AS INTEGER), 'by', 'sweep'))
                 WHERE id = ?1 AND status = 'open' AND checkout_session IS NULL AND attempt_until <= ?2",
            id,
            now
        ))?
        .changed()
    }

    /// One row more than asked for, so that the caller knows whether there are more. With the shop, where it is asked for by a key.
    pub fn transactions(
        &self, whose: &Whose<'_>, filter: &Filter, cursor: &Cursor<'_>, limit: i64,
    ) -> Result<(Found<ShopRow>, Option<Vec<Row>>)> {
        let (mut text, mut binds) = filter.clause(whose);
        let (bound, order) = match cursor {
            Cursor::Start => (None, "DESC"),
            Cursor::End => (None, "ASC"),
            Cursor::After(id) => (Some(("id <", *id)), "DESC"),
            Cursor::Before(id) => (Some(("id >", *id)), "ASC"),
        };
        let mut batch = Vec::new();
        if let Some((condition, id)) = bound {
            binds.push(Bind::Text(id));
            text.push_str(&format!(" AND {condition} ?{}", binds.len()));
            let text = format!("SELECT id FROM transactions WHERE id = ?2 AND shop_id = {}", whose.id());
            batch.push(sql!(&text, whose.bind(), id));
        }
        let text = format!("SELECT * FROM transactions WHERE {text} ORDER BY id {order} LIMIT {}", limit.saturating_add(1));
        batch.push(Statement::with(&text, &binds));
        let (shop, first, answers) = whose.batch(self, batch)?;
        if bound.is_some() && !answers.at(first)?.any() {
            return Ok((shop, None));
        }
        let rows = answers.at(first.saturating_add(usize::from(bound.is_some())))?.all()?;
        Ok((shop, Some(rows)))
    }

    /// The sums of what the filter leaves, by group, currency and mode. With the shop, where it is asked for by a key.
    pub fn summary(&self, whose: &Whose<'_>, filter: &Filter, group_by: &str) -> Result<(Option<Box<ShopRow>>, Vec<SummaryRow>)> {
        const DAY: i64 = 24 * 3600;
        let group = match group_by {
            "agent" => "nullif(agent, '')",
            "day" => "CASE WHEN paid_day >= 0 THEN strftime('%Y-%m-%d', paid_day * 86400, 'unixepoch') END",
            "currency" => "currency",
            "status" => "status",
            _ => "source",
        };
        let sold: Vec<String> = Status::ALL.iter().filter(|s| s.sold()).map(|s| format!("'{}'", s.name())).collect();
        let sold = format!("status IN ({})", sold.join(", "));
        let of = Filter { from_id: None, below_id: None, ..filter.clone() };
        let (mut clause, binds) = of.clause(whose);
        if group_by != "status" {
            clause.push_str(&format!(" AND {sold}"));
        }
        let days = format!(
            "SELECT currency, livemode, source, agent, status, paid_day, count, captured, refunded, fees FROM ledger_days WHERE {clause}"
        );
        // An hour of slack for the ids: what counts is `created`.
        let rows = |from: i64, below: i64| {
            let id = |at: i64| id::lowest_at("cct_", at);
            format!(
                " SELECT currency, livemode, source, coalesce(agent, '') AS agent, status, coalesce(paid_at / 86400, -1), 1, amount_captured,
                   amount_refunded, application_fee_amount - application_fee_refunded FROM transactions
                 WHERE {clause} AND id >= '{}' AND id < '{}' AND created >= {from} AND created < {below}",
                id(from.saturating_sub(3600)),
                id(below.saturating_add(3600))
            )
        };
        // Whole days come from the days' sums, what is left at both ends from the rows; one order's always from its rows.
        let last = i64::MAX / 2000;
        let (from, below) = (filter.from.unwrap_or(0), filter.below.unwrap_or(last));
        let first_day = from.saturating_add(DAY - 1).div_euclid(DAY);
        let end_day = filter.below.map_or(last, |below| below.div_euclid(DAY));
        let mut parts = Vec::new();
        if filter.order_id.is_some() || first_day >= end_day {
            parts.push(rows(from, below));
        } else {
            parts.push(format!("{days} AND created_day >= {first_day} AND created_day < {end_day}"));
            let (start, end) = (first_day.saturating_mul(DAY), end_day.saturating_mul(DAY));
            if from < start {
                parts.push(rows(from, start));
            }
            if filter.below.is_some() && end < below {
                parts.push(rows(end, below));
            }
        }
        let text = format!(
            "SELECT {group} AS \"group\", currency, livemode, sum(count) AS count, sum(CASE WHEN {sold} THEN captured ELSE 0 END) AS gross,
               sum(CASE WHEN {sold} THEN refunded ELSE 0 END) AS refunded, sum(CASE WHEN {sold} THEN fees ELSE 0 END) AS fees
             FROM (SELECT NULL AS currency, NULL AS livemode, NULL AS source, NULL AS agent, NULL AS status, NULL AS paid_day, 0 AS count,
               0 AS captured, 0 AS refunded, 0 AS fees WHERE 0 UNION ALL {}) GROUP BY 1, 2, 3 HAVING sum(count) > 0 ORDER BY 1, 2, 3",
            parts.join(" UNION ALL ")
        );
        let (shop, first, answers) = whose.batch(self, vec![Statement::with(&text, &binds)])?;
        Ok((shop, answers.at(first)?.all()?))
    }

    // --- what the sweep looks for -------------------------------------------------------------------------------

    /// Rows about which Stripe has to be asked, the longest due first; and the ids of those whose shop has its kill switch on.
    pub fn rows_to_check(&self, now: i64, limit: i64) -> Result<(Vec<Row>, Vec<String>)> {
        // Each shop's first, then each shop's second: one with thousands of due rows does not hold up the others.
        let first = in_turn("transactions", "shop_id", "check_at", limit)
            + &format!(", first AS (SELECT id, shop_id, check_at FROM due ORDER BY turn, check_at LIMIT {limit})");
        let rows = format!("{first} SELECT t.* FROM first JOIN transactions t ON t.id = first.id ORDER BY first.check_at");
        let off = format!("{first} SELECT first.id FROM first JOIN shops s ON s.id = first.shop_id WHERE s.checkout_enabled = 0");
        let answers = self.batch(vec![sql!(&rows, now), sql!(&off, now)])?;
        let off = answers.at(1)?.ids();
        Ok((answers.at(0)?.all()?, off))
    }

    /// Takes a due row for this run, so that two runs side by side do not ask twice.
    pub fn lease_check(&self, row: &Row, now: i64, until: i64) -> Result<bool> {
        self.moved(sql!("UPDATE transactions SET check_at = ?3 WHERE id = ?1 AND check_at <= ?2", &row.id, now, until))
    }

    /// Open sessions of a shop whose kill switch is on.
    pub fn open_sessions(&self, shop_id: &str, limit: i64) -> Result<Vec<Row>> {
        let text = format!(
            "SELECT * FROM transactions WHERE shop_id = ?1 AND status = 'open' AND checkout_session IS NOT NULL AND protocol = 'checkout'
             ORDER BY id DESC LIMIT {limit}"
        );
        self.list(sql!(&text, shop_id))
    }

    /// Open sessions on an account, of one shop or (with none named) of all.
    pub fn open_on_account(&self, account: &str, live: bool, shop_id: &str, limit: i64) -> Result<Vec<Row>> {
        let text = format!(
            "SELECT * FROM transactions WHERE account = ?1 AND livemode = ?2 AND status = 'open' AND checkout_session IS NOT NULL AND protocol = 'checkout'
               AND (?3 = '' OR shop_id = ?3) LIMIT {limit}"
        );
        self.list(sql!(&text, account, live, shop_id))
    }

    /// Whether a payment on an account is under way at a bank: who gives the account back never hears how it ended. One of more than
    /// [`BANKS_TAKE`] is not waited for. Nor how an agent's payment ended whose answer was lost.
    pub fn under_way_on(&self, account: &str, live: bool, now: i64) -> Result<bool> {
        let text = "SELECT count(*) AS n FROM transactions WHERE account = ?1 AND livemode = ?2 AND status IN ('open', 'processing')
           AND created > ?3 AND (status = 'processing' OR (status = 'open' AND protocol = 'acp' AND stripe_form IS NOT NULL))";
        Ok(self.one(sql!(text, account, live, now.saturating_sub(BANKS_TAKE)))?.number()? > 0)
    }

    pub fn due_deauthorizations(&self, now: i64, limit: i64) -> Result<Vec<DueDeauthorization>> {
        let text = format!("SELECT d.account, d.livemode, d.attempts, EXISTS (SELECT 1 FROM onboarded o WHERE o.account = d.account AND o.livemode = d.livemode)
               AS onboarded FROM deauthorizations d WHERE due_at <= ?1 ORDER BY due_at LIMIT {limit}");
        self.list(sql!(&text, now))
    }

    /// Tokens that wait in a claim's row, and connections that have ended for good and still have theirs in KV.
    pub fn tokens_to_tend(&self, limit: i64) -> Result<(Vec<WaitingToken>, Vec<String>)> {
        let waiting = format!(
            "SELECT hash, connection_id, sealed_token FROM connect_claims WHERE status = 'confirmed' AND sealed_token IS NOT NULL ORDER BY created LIMIT {limit}"
        );
        let stale = format!(
            "SELECT id FROM connections WHERE status = 'gone' AND token_seal IS NOT NULL AND gone_reason <> 'account_invalid' LIMIT {limit}"
        );
        let answers = self.batch(vec![sql!(&waiting), sql!(&stale)])?;
        Ok((answers.at(0)?.all()?, answers.at(1)?.ids()))
    }

    /// Everything whose time is over, in one batch; slices, so that no run takes long. Answers how many rows went.
    pub fn expire(&self, now: i64) -> Result<usize> {
        use super::idempotency::KEPT;
        use super::shops::PENDING_LIFE;
        const DAY: i64 = 24 * 3600;
        let mut statements = vec![
                // A claim that nobody confirmed dies with its token, and its account is given back.
                sql!(
                    "INSERT INTO deauthorizations (account, livemode, reason, due_at)
                     SELECT account, livemode, 'claim expired', ?1 FROM connect_claims WHERE status = 'waiting' AND expires_at <= ?1 LIMIT 200
                     ON CONFLICT (account, livemode) DO NOTHING",
                    now
                ),
                sql!("UPDATE connect_claims SET status = 'dead', sealed_token = NULL WHERE hash IN
                       (SELECT hash FROM connect_claims WHERE status = 'waiting' AND expires_at <= ?1 LIMIT 200)", now),
                sql!("DELETE FROM connect_claims WHERE hash IN (SELECT hash FROM connect_claims
                       WHERE status IN ('dead', 'confirmed') AND expires_at <= ?1 AND sealed_token IS NULL LIMIT 500)", now.saturating_sub(DAY)),
                sql!("DELETE FROM connect_states WHERE hash IN (SELECT hash FROM connect_states WHERE expires_at <= ?1 LIMIT 500)", now),
                sql!("DELETE FROM connect_tickets WHERE hash IN (SELECT hash FROM connect_tickets WHERE expires_at <= ?1 LIMIT 500)",
                    now.saturating_sub(DAY)),
                sql!("DELETE FROM api_keys WHERE hash IN (SELECT hash FROM api_keys WHERE expires_at <= ?1 LIMIT 500)", now),
                sql!("UPDATE shops SET previous_signing_secret = NULL, previous_signing_secret_expires_at = NULL
                       WHERE previous_signing_secret_expires_at <= ?1", now),
                sql!("DELETE FROM api_keys WHERE shop_id IN (SELECT id FROM shops WHERE status = 'pending' AND created <= ?1 LIMIT 200)",
                    now.saturating_sub(PENDING_LIFE)),
                sql!("DELETE FROM fulfillment WHERE shop_id IN (SELECT id FROM shops WHERE status = 'pending' AND created <= ?1 LIMIT 200)",
                    now.saturating_sub(PENDING_LIFE)),
                sql!("DELETE FROM shops WHERE id IN (SELECT id FROM shops WHERE status = 'pending' AND created <= ?1 LIMIT 200)
                       AND NOT EXISTS (SELECT 1 FROM api_keys WHERE shop_id = shops.id)", now.saturating_sub(PENDING_LIFE)),
                sql!("DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE created <= ?1 LIMIT 500)",
                    now.saturating_sub(KEPT)),
                sql!("DELETE FROM stripe_events WHERE id IN (SELECT id FROM stripe_events WHERE received <= ?1 LIMIT 500)",
                    now.saturating_sub(DAY.saturating_mul(40))),
                sql!("DELETE FROM agent_keys WHERE hash IN (SELECT hash FROM agent_keys WHERE expires_at <= ?1 LIMIT 500)", now),
                sql!("UPDATE agents SET previous_signing_secret = NULL, previous_signing_secret_expires_at = NULL
                       WHERE previous_signing_secret IS NOT NULL AND previous_signing_secret_expires_at <= ?1", now),
                sql!("DELETE FROM agentic_settings WHERE hash IN (SELECT hash FROM agentic_settings WHERE expires_at <= ?1 LIMIT 500)",
                    now.saturating_sub(DAY)),
                sql!("DELETE FROM stock_holds WHERE rowid IN (SELECT rowid FROM stock_holds WHERE expires_at <= ?1 LIMIT 500)",
                    now.saturating_sub(super::catalogue::HOLD_KEPT)),
                sql!("DELETE FROM agentic_hooks WHERE id IN (SELECT id FROM agentic_hooks WHERE created <= ?1 LIMIT 500)",
                    now.saturating_sub(DAY.saturating_mul(40))),
            ];
        statements.extend(self.expire_documents(now));
        statements.extend(self.expire_imports(now));
        // The last step of a run: whoever watches sees by it that the sweep runs.
        statements.push(self.ran("sweep", now));
        let deletions = statements.len().saturating_sub(1);
        let answers = self.batch(statements)?;
        let mut gone = 0_usize;
        for index in 0..deletions {
            gone = gone.saturating_add(answers.at(index)?.changes()?);
        }
        Ok(gone)
    }
}
