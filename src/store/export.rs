//! What a shop takes along beside its ledger.

use super::connect::ConnectionRow;
use super::{Db, Pending};
use crate::error::Result;
use crate::sql;

record! {
    /// A key, without what would let anybody look for it.
    #[derive(Debug)]
    pub struct KeyRow {
        pub created: i64,
        pub expires_at: Option<i64>,
    }
}

record! {
    #[derive(Debug)]
    pub struct KeptNotice {
        pub id: String,
        pub kind: String,
        pub object: String,
        pub created: i64,
        pub status: String,
        pub attempts: i64,
    }
}

impl Db {
    /// A shop's keys and connections; no shop has many.
    pub async fn keys_and_connections(&self, shop_id: &str) -> Result<(Vec<KeyRow>, Vec<ConnectionRow>)> {
        let answers = self
            .batch(vec![
                sql!(self, "SELECT created, expires_at FROM api_keys WHERE shop_id = ?1 ORDER BY created DESC LIMIT 1000", shop_id),
                sql!(self, "SELECT * FROM connections WHERE shop_id = ?1 ORDER BY connected_at DESC LIMIT 1000", shop_id),
            ])
            .await?;
        Ok((answers.at(0)?.all()?, answers.at(1)?.all()?))
    }

    /// A shop's notices below an id, newest first.
    pub fn notices_below(&self, shop_id: &str, below: &str, limit: i64) -> Pending<Vec<KeptNotice>> {
        let text = format!(
            "SELECT id, type AS kind, object, created, status, attempts FROM notices WHERE shop_id = ?1 AND id < ?2
             ORDER BY id DESC LIMIT {limit}"
        );
        self.list(sql!(self, &text, shop_id, below))
    }
}
