//! Lists of a shop's rows, newest first, a page at a time.

use super::{Bind, Db, Statement};
use crate::error::Result;
use crate::record::Record;
use crate::sql;

/// Where a page begins.
pub enum Cursor<'a> {
    Start,
    After(&'a str),
    Before(&'a str),
    /// The last page, read from its end.
    End,
}

/// Which rows: those of a table whose ids grow with time.
pub struct List<'a> {
    pub table: &'a str,
    /// What is read of them (SQL).
    pub columns: &'a str,
    pub shop_id: &'a str,
    /// What is there of the table (SQL): only such rows count.
    pub there: &'a str,
    /// Conditions (SQL) that end with `?`, each with what stands there; one without does not count.
    pub conditions: &'a [(&'a str, Option<Bind<'a>>)],
}

impl Db {
    /// A page of them; one row more than asked for, so that the caller knows whether there are more. `None`: the cursor's row is not the
    /// shop's.
    pub fn page_of<T: Record>(&self, list: &List<'_>, cursor: &Cursor<'_>, limit: i64) -> Result<Option<Vec<T>>> {
        let (beyond, at, order) = match cursor {
            Cursor::Start => ("", None, "DESC"),
            Cursor::End => ("", None, "ASC"),
            Cursor::After(id) => ("id < ?", Some(*id), "DESC"),
            Cursor::Before(id) => ("id > ?", Some(*id), "ASC"),
        };
        let List { table, columns, shop_id, there, conditions } = list;
        let mut text = format!("SELECT {columns} FROM {table} WHERE shop_id = ?1 AND {there}");
        let mut binds = vec![Bind::Text(shop_id)];
        for (condition, bind) in std::iter::once(&(beyond, at.map(Bind::Text))).chain(*conditions) {
            if let Some(bind) = bind {
                binds.push(*bind);
                text.push_str(&format!(" AND {condition}{}", binds.len()));
            }
        }
        text.push_str(&format!(" ORDER BY id {order} LIMIT {}", limit.saturating_add(1)));
        let mut batch = Vec::new();
        if let Some(id) = at {
            batch.push(sql!(&format!("SELECT id FROM {table} WHERE id = ?1 AND shop_id = ?2"), id, *shop_id));
        }
        batch.push(Statement::with(&text, &binds));
        let answers = self.batch(batch)?;
        if at.is_some() && !answers.at(0)?.any() {
            return Ok(None);
        }
        answers.into_last().map(|rows| rows.all()).transpose()
    }
}
