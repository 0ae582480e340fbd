//! The agentic side of shops at Stripe: who has it, by which rules, and what was answered to hooks.

use super::shops::ShopRow;
use super::{Db, Pending};
use crate::error::Result;
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
