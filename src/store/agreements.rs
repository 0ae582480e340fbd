//! Agreements with agents, as Stripe told them last: what a shop reads while Stripe is away, and what late news is held against.

use super::agentic::AGENTIC_OF_ACCOUNT;
use super::lists::Cursor;
use super::{Bind, Db, Statement, done};
use crate::agentic::agreement::Agreement;
use crate::error::Result;
use crate::record::{Json, each};
use crate::sql;
use serde_json::Value;

record! {
    /// An agreement as it is kept.
    #[derive(Debug)]
    pub struct AgreementRow {
        pub object: String,
    }
}

/// Whose agreements: those of one shop, on the account that it is connected to.
pub struct Whose<'a> {
    pub shop_id: &'a str,
    pub account: &'a str,
    pub live: bool,
}

/// Whom an event is for.
pub struct Whom<'a> {
    pub shops: &'a [String],
    pub account: &'a str,
    pub live: bool,
}

impl Db {
    /// Keeps agreements for each of the shops (both are JSON lists). A later status is never replaced by an earlier one.
    fn keep(&self, shops: &str, account: &str, live: bool, agreements: &[Agreement], now: i64) -> Statement {
        let rows = each(agreements, &|one| {
            object! { "id": one.id, "rank": one.rank, "created": one.created, "object": one.object.text() }
        });
        sql!(
            "INSERT INTO agreements (shop_id, livemode, account, id, rank, created, object, updated)
             SELECT s.value, ?3, ?2, json_extract(a.value, '$.id'), json_extract(a.value, '$.rank'), json_extract(a.value, '$.created'),
               json_extract(a.value, '$.object'), ?5
             FROM json_each(?1) s, json_each(?4) a WHERE true
             ON CONFLICT (shop_id, id) DO UPDATE SET rank = excluded.rank, object = excluded.object, account = excluded.account,
               livemode = excluded.livemode, created = excluded.created, updated = excluded.updated WHERE excluded.rank >= agreements.rank",
            shops,
            account,
            live,
            &rows.text(),
            now
        )
    }

    fn keep_for(&self, whose: &Whose<'_>, agreements: &[Agreement], now: i64) -> Statement {
        self.keep(&Value::from(vec![whose.shop_id]).text(), whose.account, whose.live, agreements, now)
    }

    fn kept(&self, whose: &Whose<'_>, id: &str) -> Statement {
        let text = "SELECT object FROM agreements WHERE shop_id = ?1 AND id = ?2 AND account = ?3 AND livemode = ?4";
        sql!(text, whose.shop_id, id, whose.account, whose.live)
    }

    /// What Stripe answered, and what counts of it: meanwhile there may have been news.
    pub fn keep_agreement(&self, whose: &Whose<'_>, agreement: Agreement, now: i64) -> Result<Option<Box<AgreementRow>>> {
        let id = agreement.id.clone();
        let answers = self.batch(vec![self.keep_for(whose, &[agreement], now), self.kept(whose, &id)])?;
        answers.at(1)?.first()
    }

    pub fn agreement(&self, whose: &Whose<'_>, id: &str) -> Result<Option<Box<AgreementRow>>> {
        self.find(self.kept(whose, id))
    }

    pub fn keep_agreements(&self, whose: &Whose<'_>, agreements: &[Agreement], now: i64) -> Result<()> {
        self.run(vec![self.keep_for(whose, agreements, now)])
    }

    /// One row more than asked for, so that the caller knows whether there are more. `None`: the cursor's agreement is not one of theirs.
    pub fn agreements(&self, whose: &Whose<'_>, cursor: &Cursor<'_>, limit: i64) -> Result<Option<Vec<AgreementRow>>> {
        let (beyond, at, order) = match cursor {
            Cursor::Start => ("", None, "DESC"),
            Cursor::End => ("", None, "ASC"),
            Cursor::After(id) => {
                ("AND (a.created, a.id) < (SELECT created, id FROM agreements WHERE shop_id = ?1 AND id = ?4)", Some(*id), "DESC")
            }
            Cursor::Before(id) => {
                ("AND (a.created, a.id) > (SELECT created, id FROM agreements WHERE shop_id = ?1 AND id = ?4)", Some(*id), "ASC")
            }
        };
        let text = format!(
            "SELECT a.object FROM agreements a WHERE a.shop_id = ?1 AND a.livemode = ?2 AND a.account = ?3 {beyond}
             ORDER BY a.created {order}, a.id {order} LIMIT {}",
            limit.saturating_add(1)
        );
        let mut binds = vec![Bind::Text(whose.shop_id), whose.live.into(), Bind::Text(whose.account)];
        if let Some(at) = at {
            binds.push(Bind::Text(at));
        }
        let answers = self.batch(vec![self.kept(whose, at.unwrap_or_default()), Statement::with(&text, &binds)])?;
        if at.is_some() && !answers.at(0)?.any() {
            return Ok(None);
        }
        answers.at(1)?.all().map(Some)
    }

    /// For an event about an agreement of an account: whether it was taken before, and whom it is for. That is the shop which has the
    /// account's agentic side; as long as nobody has it who could act, every shop that is connected to the account.
    pub fn agreement_told(&self, event: &str, account: &str, live: bool) -> Result<(bool, Vec<String>)> {
        let shops = format!(
            "SELECT c.shop_id AS id FROM connections c WHERE c.account = ?1 AND c.livemode = ?2 AND c.status = 'active'
               AND c.shop_id = coalesce((SELECT h.id FROM shops h WHERE h.id = (SELECT a.shop_id {AGENTIC_OF_ACCOUNT})
                 AND h.status IN ('active', 'suspended')), c.shop_id) LIMIT 100"
        );
        let answers = self.batch(vec![sql!("SELECT id FROM stripe_events WHERE id = ?1", event), sql!(&shops, account, live)])?;
        Ok((answers.at(0)?.any(), answers.at(1)?.ids()))
    }

    /// The effect of such an event, in one batch with its id: `remember` is the statement that writes that. `notice` is what its shops are
    /// told, each of a kind once for each agreement.
    pub fn tell_agreement(&self, remember: Statement, whom: &Whom<'_>, agreement: Agreement, notice: Option<&str>, now: i64) -> Result<()> {
        let shops = Value::from(whom.shops.to_vec()).text();
        let mut batch = vec![remember];
        if let Some(kind) = notice {
            batch.push(self.owe_agreement(&shops, kind, &agreement.id, &agreement.object.text(), now));
        }
        batch.push(self.keep(&shops, whom.account, whom.live, &[agreement], now));
        done(self.batch_owing(batch))
    }
}
