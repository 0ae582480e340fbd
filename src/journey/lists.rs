//! Lists, a page at a time (contract, *Conventions*, "Lists").

use crate::edge::http::{Incoming, Reply};
use crate::error::{Problem, Result};
use crate::record::made;
use crate::store::lists::Cursor;
use serde_json::Value;

/// The page that a caller asks for.
pub struct Page {
    pub limit: i64,
    after: Option<String>,
    before: Option<String>,
}

impl Page {
    /// `limit`, `starting_after`, `ending_before`.
    pub fn read(incoming: &Incoming) -> Result<Page> {
        let limit = match incoming.param("limit") {
            None => 10,
            Some(text) => match text.parse::<i64>() {
                Ok(limit) if (1..=100).contains(&limit) => limit,
                Ok(_) => return Err(Problem::value("parameter_invalid_integer", "limit", "limit must be from 1 to 100.")),
                Err(_) => return Err(Problem::shape("parameter_invalid_integer", "limit", "limit must be an integer from 1 to 100.")),
            },
        };
        let (after, before) = (incoming.param("starting_after"), incoming.param("ending_before"));
        if after.is_some() && before.is_some() {
            return Err(Problem::value("parameter_invalid", "ending_before", "Give starting_after or ending_before, not both."));
        }
        Ok(Page { limit, after, before })
    }

    pub fn cursor(&self) -> Cursor<'_> {
        match (&self.after, &self.before) {
            (Some(id), _) => Cursor::After(id),
            (None, Some(id)) => Cursor::Before(id),
            (None, None) => Cursor::Start,
        }
    }

    /// The answer. `found` is as the store gives it: one more than the page holds, in the order of reading; `None` where there is no
    /// such object to begin at.
    pub fn reply(&self, url: &str, what: &str, found: Option<Vec<Value>>) -> Result<Reply> {
        let Some(mut data) = found else {
            let name = if self.before.is_some() { "ending_before" } else { "starting_after" };
            return Err(Problem::value("resource_missing", name, format!("No such {what} in {name}.")));
        };
        let wanted = usize::try_from(self.limit).unwrap_or(10);
        let has_more = data.len() > wanted;
        data.truncate(wanted);
        if self.before.is_some() {
            data.reverse();
        }
        Ok(Reply::json(200, &object! { "object": "list", "data": made(data), "has_more": has_more, "url": url }))
    }
}
