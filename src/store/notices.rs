//! The outbox of notices to shops (contract, *To the shop*).

use super::{Db, Statement};
use crate::ledger::Row;
use crate::sql;

impl Db {
    /// Owes the shop a notice about a transaction, `row` as it is after the change. Goes into the batch right behind the statement
    /// that makes the change, and is written only if that one changed a row. `once` names the notice: a second one of the same name
    /// is none.
    pub fn owe(&self, id: &str, row: &Row, kind: &str, once: &str, now: i64) -> Statement {
        let object = row.transaction().to_string();
        sql!(
            self,
            "INSERT INTO notices (id, shop_id, type, once, object, transaction_id, created, status, due_at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 'due', ?7 WHERE changes() > 0
               -- Of a deleted shop nothing personal is written any more, and nobody is there to be told.
               AND NOT EXISTS (SELECT 1 FROM shops WHERE id = ?2 AND status = 'deleted')
             ON CONFLICT DO NOTHING",
            id,
            &row.shop_id,
            kind,
            once,
            &object,
            &row.id,
            now
        )
    }
}
